use super::*;
use crate::readiness::NotReady;
use crate::testing::{Actor, FakeCluster, FakeJournal, reason, request_id as fresh_id};
use conclave_formats::ciphertext::Envelope;
use conclave_proto::v1;
use futures::future::{join_all, poll_immediate};

const SECRET: &[u8] = b"what nobody may read in a record";

fn journal(cluster: &FakeCluster) -> &FakeJournal {
    &cluster.nodes[0].journal
}

fn encrypt(plaintext: &[u8]) -> v1::EncryptRequest {
    let plaintext = plaintext.to_vec();
    v1::EncryptRequest { key: "orders".to_owned(), plaintext, ..Default::default() }
}

/// Name, verdict, reason, key known, version, bytes: what a record says of a call.
type Told = (&'static str, &'static str, String, bool, Option<u32>, u64);

fn told(recorded: &Use) -> Told {
    (
        recorded.operation.as_str(),
        recorded.verdict.as_str(),
        recorded.reason.clone().unwrap_or_default().into_owned(),
        recorded.key.is_some(),
        recorded.version,
        recorded.bytes,
    )
}

#[tokio::test]
async fn every_operation_leaves_one_record() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    let made = admin.encrypt(encrypt(SECRET)).await.unwrap().ciphertext;
    let size = made.len() as u64;
    admin.open_up(&made).await.unwrap();
    let ask = v1::GenerateDataKeyRequest { key: "orders".to_owned(), ..Default::default() };
    admin.generate_data_key(ask).await.unwrap();
    admin.random(v1::RandomRequest { bytes: 7 }).await.unwrap();
    let records = journal(&cluster).take();
    let ok = |name, known: Option<u32>, bytes| -> Told {
        (name, "ok", String::new(), known.is_some(), known, bytes)
    };
    let expected = [
        ok("Encrypt", Some(1), SECRET.len() as u64),
        ok("Decrypt", Some(1), size),
        ok("GenerateDataKey", Some(1), 32),
        ok("Random", None, 7),
    ];
    assert_eq!(records.iter().map(told).collect::<Vec<_>>(), expected);
    for recorded in &records {
        assert_ne!(recorded.principal, PrincipalId::NOBODY);
        assert_eq!(recorded.index, cluster.index());
        assert_eq!(recorded.at_ms, crate::testing::START_MS);
        assert_eq!(recorded.request, None);
    }
}

#[tokio::test]
async fn refused_and_failed_calls_are_recorded_with_who_asked() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    let made = admin.encrypt(encrypt(SECRET)).await.unwrap().ciphertext;
    let version = Envelope::decode(&made).unwrap().version;
    let mut changed = made.clone();
    *changed.last_mut().unwrap() ^= 1;
    let colleague = admin.colleague("carl", "").await;
    let nobody = Actor::nobody(&cluster.nodes[0]);
    let wrong = Actor::with_token(&cluster.nodes[0], "no token");
    let early = admin.clone().with_metadata("grpc-timeout", "soon");
    journal(&cluster).take();

    let _ = nobody.encrypt(encrypt(SECRET)).await.unwrap_err();
    let _ = wrong.open_up(&made).await.unwrap_err();
    let _ = colleague.encrypt(encrypt(SECRET)).await.unwrap_err();
    let _ = early.random(v1::RandomRequest { bytes: 1 }).await.unwrap_err();
    let _ = admin.open_up(&changed).await.unwrap_err();
    let _ = admin.seal_up("nothing", b"").await.unwrap_err();
    admin.disable_key(Actor::of_key("orders")).await.unwrap();
    let _ = admin.open_up(&made).await.unwrap_err();
    cluster.quorum.store(false, std::sync::atomic::Ordering::SeqCst);
    let _ = admin.encrypt(encrypt(b"")).await.unwrap_err();

    let records = journal(&cluster).take();
    let (long, cipher) = (SECRET.len() as u64, made.len() as u64);
    let expected: [Told; 8] = [
        ("Encrypt", "refused", "UNAUTHENTICATED".into(), false, None, long),
        ("Decrypt", "refused", "UNAUTHENTICATED".into(), false, None, cipher),
        ("Encrypt", "refused", "PERMISSION_DENIED".into(), false, None, long),
        ("Random", "refused", "INVALID_ARGUMENT".into(), false, None, 1),
        ("Decrypt", "refused", "CIPHERTEXT_INVALID".into(), true, Some(version), cipher),
        ("Encrypt", "refused", "NOT_FOUND".into(), false, None, 0),
        ("Decrypt", "refused", "KEY_STATE".into(), true, Some(version), cipher),
        ("Encrypt", "failed", "NO_QUORUM".into(), false, None, 0),
    ];
    assert_eq!(records.iter().map(told).collect::<Vec<_>>(), expected);
    let known: Vec<_> = records.iter().map(|it| it.principal != PrincipalId::NOBODY).collect();
    assert_eq!(known, [false, false, true, false, true, true, true, false]);
    assert_ne!(records[2].principal, records[4].principal);
}

/// Neither what was encrypted nor what came of it, nor a credential.
#[tokio::test]
async fn no_record_holds_a_plaintext() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    let made = admin.encrypt(encrypt(SECRET)).await.unwrap().ciphertext;
    admin.open_up(&made).await.unwrap();
    let mut position = conclave_core::journal::Position::START;
    let mut bytes = position.head.to_vec();
    for recorded in journal(&cluster).take() {
        conclave_core::journal::append_frame(&mut bytes, &mut position, &recorded);
    }
    for secret in [&SECRET[..8], &made[made.len() - 16..]] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
}

#[tokio::test]
async fn a_request_id_of_the_caller_is_recorded() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    let id = fresh_id();
    let ask = v1::RandomRequest { bytes: 1 };
    admin.clone().with_metadata(REQUEST_ID, &id).random(ask).await.unwrap();
    let given = journal(&cluster).take()[0].request.unwrap();
    assert_eq!(given.to_string(), id);
    let wrong = admin.with_metadata(REQUEST_ID, "7").random(ask).await.unwrap_err();
    assert_eq!(reason(&wrong), "INVALID_ARGUMENT");
    assert_eq!(journal(&cluster).take()[0].request, None);
}

#[tokio::test]
async fn without_a_journal_nothing_is_answered_and_the_node_says_so() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    let made = admin.encrypt(encrypt(SECRET)).await.unwrap().ciphertext;
    let services = cluster.nodes[0].services();
    journal(&cluster).set_blocked(true);
    assert_eq!(reason(&admin.encrypt(encrypt(SECRET)).await.unwrap_err()), "AUDIT_BLOCKED");
    assert_eq!(reason(&admin.open_up(&made).await.unwrap_err()), "AUDIT_BLOCKED");
    let nobody = Actor::nobody(&cluster.nodes[0]);
    let refused = nobody.encrypt(encrypt(SECRET)).await.unwrap_err();
    assert_eq!((reason(&refused), refused.code()), ("AUDIT_BLOCKED".into(), Code::Unavailable));
    assert_eq!(services.readiness().await, Err(NotReady::AuditBlocked));
    // Keys can be managed, and members need nothing of it.
    admin.disable_key(Actor::of_key("orders")).await.unwrap();
    admin.enable_key(Actor::of_key("orders")).await.unwrap();

    journal(&cluster).set_blocked(false);
    assert_eq!(services.readiness().await, Ok(()));
    assert_eq!(admin.open_up(&made).await.unwrap(), SECRET);
}

/// One runtime, many calls whose barriers open together.
#[tokio::test]
async fn calls_of_one_turn_share_a_write() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    cluster.nodes[0].barriers_open.send_replace(false);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let admin = admin.clone();
            tokio::spawn(async move { admin.encrypt(encrypt(SECRET)).await.map(drop) })
        })
        .collect();
    tokio::task::yield_now().await;
    assert_eq!(journal(&cluster).take_writes(), [] as [usize; 0]);
    cluster.nodes[0].barriers_open.send_replace(true);
    for call in join_all(calls).await {
        call.unwrap().unwrap();
    }
    assert_eq!(journal(&cluster).take_writes(), [20]);
    admin.encrypt(encrypt(SECRET)).await.unwrap();
    assert_eq!(journal(&cluster).take_writes(), [1]);
}

/// Whoever began the batch goes away: the others still get theirs written, and so is the record of
/// the call that nobody waits for.
#[tokio::test]
async fn a_batch_is_written_when_its_first_caller_goes_away() {
    let file = Arc::new(FakeJournal::default());
    let journaled = Journaled::new(file.clone());
    let recorded = || Draft::new(Operation::Random, 1).0;
    let mut first = Box::pin(journaled.record(recorded()));
    let mut second = Box::pin(journaled.record(recorded()));
    assert_eq!(poll_immediate(&mut first).await, None);
    assert_eq!(poll_immediate(&mut second).await, None);
    assert_eq!(file.take_writes(), [] as [usize; 0]);
    drop(first);
    assert_eq!(file.take_writes(), [2]);
    assert_eq!(second.await, Ok(()));
}

/// True if each answer came after its record.
async fn records_come_first() -> bool {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    journal(&cluster).take();
    for _ in 0..3 {
        admin.encrypt(encrypt(SECRET)).await.unwrap();
        if journal(&cluster).take().len() != 1 {
            return false;
        }
    }
    true
}

#[tokio::test]
async fn no_answer_comes_before_its_record() {
    assert!(records_come_first().await);
}

#[cfg(feature = "mutants")]
#[test]
fn a_mutant_answers_first() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = conclave_core::mutants::with(Mutant::AnswerBeforeJournal, || {
        runtime().block_on(records_come_first())
    });
    assert!(!first);
}
