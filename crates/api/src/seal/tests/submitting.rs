use super::*;
use conclave_formats::share_text::{ShareHeader, ShareText};

/// A share text with one letter of numbered line `line` replaced.
fn mistyped(share: &str, line: usize) -> String {
    let change = |text: &str| {
        let (rest, last) = text.split_at(text.len() - 1);
        format!("{rest}{}", if last == "A" { "B" } else { "A" })
    };
    let lines = share.lines().enumerate();
    let lines = lines.map(|(at, text)| if at == line { change(text) } else { text.to_owned() });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn bad_shares_are_named_and_never_reach_the_log() {
    let (cluster, init) = FakeCluster::initialized(1).await;
    let shares = texts(init);
    // Node 2 of another cluster draws other ids.
    let other = FakeCluster::new(2);
    let foreign = Actor::operator(&other.nodes[1]).init(v1::InitRequest::default()).await;
    let foreign = texts(foreign.unwrap());
    cluster.submit(1, &shares[0]).await.unwrap();
    let index = cluster.index();
    let cases = [
        ("nothing", String::new(), "SHARE_DAMAGED"),
        ("a word", "share".to_owned(), "SHARE_DAMAGED"),
        ("a mistyped line", mistyped(&shares[1], 2), "SHARE_DAMAGED"),
        ("another cluster's", foreign[1].clone(), "SHARE_OTHER_KEYSPACE"),
        ("repeated", shares[0].clone(), "SHARE_REPEATED"),
    ];
    for (what, share, expected) in cases {
        let refused = cluster.submit(1, &share).await.unwrap_err();
        assert_eq!(reason(&refused), expected, "{what}");
    }
    let refused = cluster.submit(1, &mistyped(&shares[1], 2)).await.unwrap_err();
    assert_eq!(fact(&refused, "line"), "2");
    let repeated = cluster.submit(1, &shares[0]).await.unwrap_err();
    assert_eq!((fact(&repeated, "have"), fact(&repeated, "needed")), ("1".into(), "3".into()));
    assert_eq!(cluster.index(), index);
}

/// A well-formed share of this keyspace that was never dealt.
#[tokio::test]
async fn a_forged_share_is_wrong_by_its_commitment() {
    let (cluster, init) = FakeCluster::initialized(1).await;
    let keyspace: uuid::Uuid = init.keyspace_id.parse().unwrap();
    let forge = |epoch, index| {
        let keyspace8 = ShareHeader::short_keyspace(keyspace);
        let header = ShareHeader { keyspace8, epoch, index, shares: 9, threshold: 3 };
        let mut bytes = [7; 33];
        bytes[0] = index;
        ShareText::new(header, &bytes).unwrap().encode().to_string()
    };
    for (epoch, index) in [(1, 2), (1, 9), (2, 2)] {
        let refused = cluster.submit(1, &forge(epoch, index)).await.unwrap_err();
        assert_eq!(reason(&refused), "SHARE_WRONG");
        assert_eq!(fact(&refused, "index"), index.to_string());
    }
}

#[tokio::test]
async fn before_init_there_is_nothing_to_submit_to() {
    let (_, init) = FakeCluster::initialized(1).await;
    let empty = FakeCluster::new(1);
    let refused = empty.submit(1, &texts(init)[0]).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_INITIALIZED");
}

#[tokio::test]
async fn without_a_quorum_a_share_waits_for_better_times() {
    let (cluster, init) = FakeCluster::initialized(3).await;
    cluster.quorum.store(false, Ordering::SeqCst);
    let refused = cluster.submit(1, &texts(init)[0]).await.unwrap_err();
    assert_eq!(reason(&refused), "NO_QUORUM");
}

#[tokio::test]
async fn a_lost_answer_of_a_share_is_made_good_by_submitting_it_again() {
    let (cluster, init) = FakeCluster::initialized(1).await;
    let shares = texts(init);
    cluster.submit(1, &shares[0]).await.unwrap();
    cluster.lose_answer.store(true, Ordering::SeqCst);
    let unknown = cluster.submit(1, &shares[1]).await.unwrap_err();
    assert_eq!(reason(&unknown), "OUTCOME_UNKNOWN");
    let again = cluster.submit(1, &shares[1]).await.unwrap();
    assert_eq!((again.accepted, again.have), (true, 2));
    assert!(cluster.submit(1, &shares[2]).await.unwrap().node_unsealed);
}

#[tokio::test]
async fn a_share_that_is_not_needed_is_verified_all_the_same() {
    let (cluster, _, shares) = FakeCluster::unsealed(3).await;
    let index = cluster.index();
    let answer = cluster.submit(2, &shares[4]).await.unwrap();
    assert_eq!((answer.accepted, answer.index, answer.needed), (false, 5, 3));
    assert!(answer.node_unsealed);
    let damaged = shares[4].replace("index 5", "index 4");
    assert_eq!(reason(&cluster.submit(2, &damaged).await.unwrap_err()), "SHARE_DAMAGED");
    assert_eq!(cluster.index(), index);
}

#[tokio::test]
async fn noise_is_limited_per_source() {
    let (cluster, init) = FakeCluster::initialized(1).await;
    let mut refusals = Vec::new();
    for _ in 0..20 {
        refusals.push(reason(&cluster.submit(1, "noise").await.unwrap_err()));
    }
    assert_eq!(refusals.iter().filter(|reason| *reason == "SHARE_DAMAGED").count(), 10);
    assert_eq!(refusals.last().map(String::as_str), Some("RATE_LIMITED"));
    let good = texts(init).remove(0);
    assert_eq!(reason(&cluster.submit(1, &good).await.unwrap_err()), "RATE_LIMITED");
    cluster.clock.advance_ms(100);
    cluster.submit(1, &good).await.unwrap();
}
