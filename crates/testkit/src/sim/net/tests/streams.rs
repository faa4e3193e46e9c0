//! Streams of append requests: in order or not at all.

use std::collections::BTreeSet;

use conclave_core::codec;
use conclave_raft::transport::AppendAnswers;
use conclave_raft::types::AppendRequest;
use conclave_raft::wire::MAX_FRAME_BYTES;
use futures::StreamExt;
use tokio::sync::mpsc;

use super::side::{number_of, request, vote};
use super::*;
use crate::sim::net::state::HELD_FOR;

/// The sender's side of a stream.
struct Sender {
    requests: Option<mpsc::UnboundedSender<Vec<u8>>>,
    answers: AppendAnswers,
}

impl World {
    async fn open(&self, from: u32, to: u32) -> Result<Sender, TransportError> {
        let (requests, mut queue) = mpsc::unbounded_channel();
        let queue = futures::stream::poll_fn(move |context| queue.poll_recv(context)).boxed();
        let answers = self.nodes[&from].transport.append(target(to), queue, IDLE).await?;
        Ok(Sender { requests: Some(requests), answers })
    }
}

impl Sender {
    fn send(&self, numbers: std::ops::Range<u64>) {
        let requests = self.requests.as_ref().unwrap();
        numbers.for_each(|number| drop(requests.send(request(number))));
    }

    /// The numbers that are answered, and how the stream ends; it is closed if `is_closed`.
    async fn finish(mut self, is_closed: bool) -> (Vec<u64>, Option<TransportError>) {
        if is_closed {
            self.requests = None;
        }
        let mut numbers = Vec::new();
        while let Some(answer) = self.answers.next().await {
            match answer {
                Ok(body) => numbers.push(number_of(&body)),
                Err(error) => return (numbers, Some(error)),
            }
        }
        (numbers, None)
    }
}

fn numbers(upto: u64) -> Vec<u64> {
    (0..upto).collect()
}

fn is_prefix(numbers: &[u64]) -> bool {
    numbers.iter().copied().eq(0..numbers.len() as u64)
}

#[test]
fn a_stream_keeps_its_order_and_ends_when_it_is_closed() {
    simulate(40, 2, |world| async move {
        let sender = world.open(1, 2).await.unwrap();
        sender.send(0..500);
        let (took, (answered, error)) = timed(sender.finish(true)).await;
        assert_eq!((answered, error), (numbers(500), None));
        assert_eq!(world.side(2).numbers(), numbers(500));
        assert_eq!(world.side(2).ended(), 1);
        assert!(took < Duration::from_millis(200), "pipelined: {took:?}");
    });
}

#[test]
fn in_a_storm_a_stream_keeps_its_order_or_breaks() {
    let (mut whole, mut broken) = (0, 0);
    for seed in 0..40 {
        let is_whole = simulate(4_100 + seed, 2, |world| async move {
            world.net.storm(storm(3, 50, 100));
            let sender = world.open(1, 2).await.unwrap();
            sender.send(0..20);
            let (answered, error) = sender.finish(true).await;
            let heard = world.side(2).numbers();
            assert!(is_prefix(&answered) && is_prefix(&heard), "{answered:?} {heard:?}");
            assert!(answered.len() <= heard.len());
            seconds(20).await;
            assert_eq!(world.side(2).ended(), 1, "the receiver is not left behind");
            match error {
                None => assert_eq!(answered, numbers(20)),
                Some(error) => assert!(is_lost::<()>(&Err(error))),
            }
            answered.len() == 20
        });
        *if is_whole { &mut whole } else { &mut broken } += 1;
    }
    assert!(whole > 5 && broken > 2, "{whole} whole, {broken} broken");
}

#[test]
fn what_a_storm_loses_is_sent_again_or_breaks_the_stream_silently() {
    let (mut late, mut broken) = (0, 0);
    for seed in 0..40 {
        let is_late = simulate(4_200 + seed, 2, |world| async move {
            let sender = world.open(1, 2).await.unwrap();
            world.net.storm(storm(100, 0, 0));
            sender.send(0..1);
            sleep(Duration::from_millis(5)).await;
            world.net.heal_all();
            let (took, (answered, error)) = timed(sender.finish(true)).await;
            match error {
                None => {
                    assert!(took >= Duration::from_millis(190), "sent again: {took:?}");
                    assert!(took <= Duration::from_millis(700), "sent again: {took:?}");
                    assert_eq!(answered, [0]);
                    true
                }
                Some(error) => {
                    assert_eq!(took, IDLE, "only the silence shows it");
                    assert!(error.to_string().contains("no answer to an append in time"));
                    assert!(world.side(2).numbers().is_empty());
                    assert_eq!(world.side(2).ended(), 1);
                    false
                }
            }
        });
        *if is_late { &mut late } else { &mut broken } += 1;
    }
    assert!(late > 20 && broken > 3, "{late} late, {broken} broken");
}

#[test]
fn a_quiet_stream_is_a_good_stream() {
    simulate(43, 2, |world| async move {
        let mut sender = world.open(1, 2).await.unwrap();
        let heard = tokio::time::timeout(20 * IDLE, sender.answers.next()).await;
        assert!(heard.is_err(), "nothing was asked");
        sender.send(0..3);
        assert_eq!(sender.finish(true).await, (numbers(3), None));
    });
}

#[test]
fn into_a_cut_a_stream_is_held_and_its_sender_gives_up() {
    simulate(44, 2, |world| async move {
        let sender = world.open(1, 2).await.unwrap();
        sender.send(0..2);
        sleep(Duration::from_millis(20)).await;
        world.net.cut(1, 2);
        sender.send(2..30);
        let (took, (answered, error)) = timed(sender.finish(false)).await;
        assert_eq!(answered, numbers(2));
        assert!(error.unwrap().to_string().contains("no answer to an append in time"));
        assert!((IDLE..=2 * IDLE).contains(&took), "{took:?}");
        seconds(3).await;
        assert_eq!(world.side(2).numbers(), numbers(2));
        // Old requests of a leader that may not be one any more: all are heard, though nobody wants
        // the answers.
        world.net.heal_all();
        seconds(1).await;
        assert_eq!(world.side(2).numbers(), numbers(30));
        assert_eq!(world.side(2).ended(), 1);
    });
}

#[test]
fn a_short_cut_is_only_a_delay() {
    simulate(45, 2, |world| async move {
        let sender = world.open(1, 2).await.unwrap();
        sender.send(0..2);
        world.net.cut(1, 2);
        sender.send(2..70);
        let healed = async {
            sleep(IDLE / 2).await;
            world.net.heal_all();
        };
        let (finished, ()) = futures::future::join(sender.finish(true), healed).await;
        assert_eq!(finished, (numbers(70), None));
    });
}

#[test]
fn a_long_cut_breaks_a_stream_on_both_sides() {
    simulate(46, 2, |world| async move {
        let sender = world.open(1, 2).await.unwrap();
        world.net.one_way(1, 2);
        sender.send(0..3);
        let (answered, error) = sender.finish(false).await;
        assert!(answered.is_empty() && error.is_some());
        sleep(HELD_FOR).await;
        assert_eq!(world.side(2).ended(), 1);
        world.net.heal_all();
        seconds(5).await;
        assert!(world.side(2).numbers().is_empty());
    });
}

#[test]
fn answers_are_held_by_a_cut_of_their_way_alone() {
    simulate(47, 2, |world| async move {
        let sender = world.open(1, 2).await.unwrap();
        world.net.one_way(2, 1);
        sender.send(0..3);
        let (answered, error) = sender.finish(false).await;
        assert!(answered.is_empty() && is_lost::<()>(&Err(error.unwrap())));
        assert_eq!(world.side(2).numbers(), numbers(3), "they were heard");
    });
}

#[test]
fn a_stream_cannot_be_opened_into_a_cut() {
    let mut waits = BTreeSet::new();
    for seed in 0..60 {
        let took = simulate(4_800 + seed, 2, |world| async move {
            world.net.cut(1, 2);
            let (took, answer) = timed(world.open(1, 2)).await;
            assert!(is_not_sent::<()>(&Err(answer.err().expect("a cut lets nobody connect"))));
            world.net.heal_all();
            assert!(world.open(1, 2).await.is_ok(), "afterwards it works");
            took
        });
        waits.insert(took);
    }
    assert!(waits.len() > 30, "{waits:?}");
    assert!(waits.last() <= Some(&Duration::from_secs(2)), "{waits:?}");
}

#[test]
fn a_restarted_receiver_does_not_know_the_stream() {
    simulate(49, 2, |mut world| async move {
        let sender = world.open(1, 2).await.unwrap();
        sender.send(0..2);
        seconds(1).await;
        let old = world.nodes.remove(&2).unwrap().side;
        world.start(2);
        sender.send(2..4);
        let (took, (answered, error)) = timed(sender.finish(false)).await;
        assert_eq!(answered, numbers(2));
        assert!(is_lost::<()>(&Err(error.unwrap())));
        assert!((IDLE..=2 * IDLE).contains(&took), "{took:?}");
        assert_eq!(old.numbers(), numbers(2));
        assert!(world.side(2).numbers().is_empty());
    });
}

#[test]
fn the_stream_of_a_dead_sender_ends() {
    simulate(50, 2, |world| async move {
        let sender = world.open(1, 2).await.unwrap();
        sender.send(0..2);
        seconds(1).await;
        world.nodes[&1].alive.end();
        sender.send(2..4);
        seconds(1).await;
        assert_eq!(world.side(2).numbers(), numbers(2));
        assert_eq!(world.side(2).ended(), 1);
    });
}

#[test]
fn a_request_longer_than_a_frame_ends_the_stream_with_an_error() {
    simulate(51, 2, |world| async move {
        let sender = world.open(1, 2).await.unwrap();
        sender.send(0..1);
        sleep(Duration::from_millis(20)).await;
        let requests = sender.requests.as_ref().unwrap();
        requests.send(vec![0; MAX_FRAME_BYTES + 1]).unwrap();
        let (answered, error) = sender.finish(false).await;
        assert_eq!(answered, [0]);
        assert!(error.unwrap().to_string().contains("too large"));
        assert_eq!(world.side(2).ended(), 1);
    });
}

#[test]
fn a_receiver_may_turn_a_stream_away() {
    simulate(52, 2, |world| async move {
        *world.side(2).refuses.lock().unwrap() = true;
        let error = world.open(1, 2).await.err().unwrap();
        assert_eq!(error, TransportError::Lost("FailedPrecondition: not now".to_owned()));
    });
}

#[test]
fn leaders_are_seen_in_streams() {
    simulate(53, 2, |world| async move {
        let sender = world.open(1, 2).await.unwrap();
        sender.send(0..1);
        for (term, won) in [(4, true), (5, false)] {
            let append = AppendRequest {
                vote: vote(term, member(1), won),
                prev_log_id: None,
                entries: Vec::new(),
                leader_commit: None,
            };
            sender.requests.as_ref().unwrap().send(codec::encode(&append)).unwrap();
        }
        sender.finish(true).await;
        assert_eq!(world.net.leaders(), [(4, [member(1)].into())].into());
    });
}
