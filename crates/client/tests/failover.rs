//! Which node is asked, how often, with which request id, and what is known when time is over.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::time::{Duration, Instant};

use common::{Node, Pki, Step, closed_addr};
use conclave_client::{Client, Error, Reason, v1};
use tonic::Code;
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(900);
const SEALED: Step = Step::Refuse(Code::FailedPrecondition, "SEALED");
const NO_QUORUM: Step = Step::Refuse(Code::Unavailable, "NO_QUORUM");

async fn create(client: &Client) -> Result<v1::KeyAnswer, Error> {
    client.create_key(v1::CreateKeyRequest::default()).await
}

fn ids(node: &Node) -> Vec<String> {
    node.script.seen().into_iter().map(|seen| seen.request_id).collect()
}

#[tokio::test]
async fn an_unreachable_node_is_passed_over_and_the_good_one_kept() {
    let pki = Pki::new();
    let good = Node::start(&pki, &[Step::Answer(7), Step::Answer(8)]);
    let client = pki.client(&[closed_addr(), good.addr], LONG).build().unwrap();
    assert_eq!(create(&client).await.unwrap().log_index, 7);
    assert_eq!(create(&client).await.unwrap().log_index, 8);
    let ids = ids(&good);
    assert!(ids.iter().all(|id| Uuid::parse_str(id).is_ok()) && ids[0] != ids[1], "{ids:?}");
}

#[tokio::test]
async fn nobody_reachable_is_said_at_once() {
    let pki = Pki::new();
    let client = pki.client(&[closed_addr(), closed_addr()], LONG).build().unwrap();
    let start = Instant::now();
    let error = create(&client).await.unwrap_err();
    assert_eq!(error.reason, Reason::Unreachable);
    assert!(error.request_id.is_some());
    assert!(start.elapsed() < LONG / 2);
}

#[tokio::test]
async fn a_sealed_node_is_passed_over_and_all_sealed_is_final() {
    let pki = Pki::new();
    let one = Node::start(&pki, &[SEALED, SEALED]);
    let two = Node::start(&pki, &[Step::Answer(3), SEALED]);
    let client = pki.client(&[one.addr, two.addr], LONG).build().unwrap();
    assert_eq!(create(&client).await.unwrap().log_index, 3);
    let start = Instant::now();
    assert_eq!(create(&client).await.unwrap_err().reason, Reason::Sealed);
    assert!(start.elapsed() < LONG / 2);
    assert_eq!((ids(&one).len(), ids(&two).len()), (2, 2));
}

#[tokio::test]
async fn a_lost_quorum_is_waited_out_among_several_and_final_for_one() {
    let pki = Pki::new();
    let one = Node::start(&pki, &[NO_QUORUM, NO_QUORUM, NO_QUORUM]);
    let two = Node::start(&pki, &[NO_QUORUM, NO_QUORUM, Step::Answer(5)]);
    let both = pki.client(&[one.addr, two.addr], LONG).build().unwrap();
    assert_eq!(create(&both).await.unwrap().log_index, 5);
    let mut all = [ids(&one), ids(&two)].concat();
    assert_eq!(all.len(), 6);
    all.dedup();
    assert_eq!(all.len(), 1, "one call, one request id");

    let alone = Node::start(&pki, &[NO_QUORUM]);
    let client = pki.client(&[alone.addr], LONG).build().unwrap();
    assert_eq!(create(&client).await.unwrap_err().reason, Reason::NoQuorum);
    assert_eq!(ids(&alone).len(), 1);
}

#[tokio::test]
async fn a_quorum_that_stays_lost_is_named_within_the_deadline() {
    let pki = Pki::new();
    let steps = vec![NO_QUORUM; 100];
    let one = Node::start(&pki, &steps);
    let two = Node::start(&pki, &steps);
    let client = pki.client(&[one.addr, two.addr], SHORT).build().unwrap();
    let start = Instant::now();
    assert_eq!(create(&client).await.unwrap_err().reason, Reason::NoQuorum);
    assert!(start.elapsed() <= SHORT + SHORT / 2, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_refusal_of_the_request_is_final() {
    let pki = Pki::new();
    let one = Node::start(&pki, &[Step::Refuse(Code::FailedPrecondition, "KEY_STATE")]);
    let two = Node::start(&pki, &[]);
    let client = pki.client(&[one.addr, two.addr], LONG).build().unwrap();
    let error = create(&client).await.unwrap_err();
    assert_eq!(error.reason, Reason::KeyState);
    assert_eq!(error.request_id.unwrap().to_string(), ids(&one)[0]);
    assert!(two.script.seen().is_empty());
}

#[tokio::test]
async fn a_silent_node_leaves_time_for_the_next_under_the_same_request_id() {
    let pki = Pki::new();
    let silent = Node::start(&pki, &[Step::Hang]);
    let good = Node::start(&pki, &[Step::Answer(9)]);
    let client = pki.client(&[silent.addr, good.addr], SHORT).build().unwrap();
    assert_eq!(create(&client).await.unwrap().log_index, 9);
    assert_eq!(ids(&silent), ids(&good));
}

#[tokio::test]
async fn without_an_answer_a_change_is_unknown_and_a_read_too_late() {
    let pki = Pki::new();
    let hang = [Step::Hang, Step::Hang];
    let (one, two) = (Node::start(&pki, &hang), Node::start(&pki, &hang));
    let client = pki.client(&[one.addr, two.addr], SHORT).build().unwrap();
    let start = Instant::now();
    let error = create(&client).await.unwrap_err();
    assert!(start.elapsed() <= SHORT + SHORT / 2, "{:?}", start.elapsed());
    assert_eq!(error.reason, Reason::OutcomeUnknown);
    let id = error.request_id.unwrap().to_string();
    assert!(error.next.contains(&id), "{}", error.next);
    assert!(ids(&one).iter().chain(&ids(&two)).all(|seen| *seen == id));
    assert_eq!(client.get_key("k").await.unwrap_err().reason, Reason::DeadlineExceeded);
}

#[tokio::test]
async fn an_unknown_outcome_is_not_hidden_by_a_later_lost_quorum() {
    let pki = Pki::new();
    let silent = Node::start(&pki, &vec![Step::Hang; 9]);
    let minority = Node::start(&pki, &vec![NO_QUORUM; 99]);
    let client = pki.client(&[silent.addr, minority.addr], SHORT).build().unwrap();
    assert_eq!(create(&client).await.unwrap_err().reason, Reason::OutcomeUnknown);
}

#[tokio::test]
async fn a_change_at_a_node_that_dies_is_settled_when_it_is_back() {
    let pki = Pki::new();
    let mut dying = Node::start(&pki, &[Step::Hang]);
    let client = pki.client(&[dying.addr], LONG).build().unwrap();
    let call = tokio::spawn(async move { create(&client).await });
    dying.script.called().await;
    let addr = dying.addr;
    dying.kill();
    let back = Node::start_at(&pki, &[Step::Answer(4)], addr);
    assert_eq!(call.await.unwrap().unwrap().log_index, 4);
    assert_eq!(ids(&dying), ids(&back));
}

#[tokio::test]
async fn a_node_that_was_started_again_is_reached_by_a_client_from_before() {
    let pki = Pki::new();
    let mut node = Node::start(&pki, &[Step::Answer(1)]);
    let client = pki.client(&[node.addr], LONG).build().unwrap();
    create(&client).await.unwrap();
    for index in 2..10 {
        let addr = node.addr;
        node.kill();
        node = Node::start_at(&pki, &[Step::Answer(index)], addr);
        assert_eq!(create(&client).await.unwrap().log_index, index);
    }
}

#[tokio::test]
async fn init_is_never_sent_twice() {
    let pki = Pki::new();
    let silent = Node::start(&pki, &[Step::Hang]);
    let other = Node::start(&pki, &[]);
    let client = pki.client(&[closed_addr(), silent.addr, other.addr], SHORT).build().unwrap();
    let start = Instant::now();
    let error = client.init(v1::InitRequest::default()).await.unwrap_err();
    assert_eq!(error.reason, Reason::OutcomeUnknown);
    assert!(start.elapsed() >= SHORT / 2, "what is sent once has all of the time");
    assert_eq!((silent.script.seen().len(), other.script.seen().len()), (1, 0));
}

#[tokio::test]
async fn a_later_call_asks_for_a_state_at_least_as_fresh() {
    let pki = Pki::new();
    let one = Node::start(&pki, &[Step::Answer(41), SEALED]);
    let two = Node::start(&pki, &[Step::Answer(40), Step::Answer(42)]);
    let client = pki.client(&[one.addr, two.addr], LONG).build().unwrap();
    create(&client).await.unwrap();
    assert_eq!(client.seen_index(), 41);
    client.get_key("k").await.unwrap();
    client.get_key("k").await.unwrap();
    assert_eq!(client.seen_index(), 42);
    let asked = |node: &Node, call: usize| {
        let seen = node.script.seen();
        seen[call].metadata.get("x-conclave-min-index").map(|v| v.to_str().unwrap().to_owned())
    };
    assert_eq!(asked(&one, 0), None);
    assert_eq!(asked(&two, 0).as_deref(), Some("41"));
    assert_eq!(asked(&two, 1).as_deref(), Some("41"));
}

#[tokio::test]
async fn every_attempt_names_the_instance_or_none_does() {
    let pki = Pki::new();
    let one = Node::start(&pki, &[SEALED, SEALED, SEALED]);
    let two = Node::start(&pki, &[Step::Answer(1), Step::Answer(2), Step::Answer(3)]);
    let named = pki.client(&[one.addr, two.addr], LONG).instance("prod").build().unwrap();
    create(&named).await.unwrap();
    named.get_key("k").await.unwrap();
    let none = pki.client(&[one.addr, two.addr], LONG).build().unwrap();
    create(&none).await.unwrap();
    let seen = [one.script.seen(), two.script.seen()].concat();
    let instances: Vec<Option<&str>> = seen
        .iter()
        .map(|seen| Some(seen.metadata.get("x-conclave-instance")?.to_str().unwrap()))
        .collect();
    let (prod, absent) = (Some("prod"), None);
    assert_eq!(instances, [prod, absent, prod, prod, absent]);
    let wrong = pki.client(&[one.addr], LONG).instance("two words").build().unwrap_err();
    assert_eq!(wrong.reason, Reason::InvalidArgument);
}
