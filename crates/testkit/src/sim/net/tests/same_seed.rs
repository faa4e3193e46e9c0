//! The same seed gives the same run, another seed another one; and what happens on one link does not
//! depend on the faults of another.

use conclave_raft::types::AppendRequest;
use futures::StreamExt;

use super::side::{request, vote};
use super::*;

/// A run with a bit of everything.
fn run(seed: u64) -> (blake3::Hash, Vec<u64>, crate::sim::net::NetStats) {
    simulate(seed, 3, |mut world| async move {
        world.net.storm(storm(10, 10, 50));
        let requests = futures::stream::iter((0..50).map(request)).boxed();
        let answers = world.nodes[&1].transport.append(target(2), requests, IDLE).await;
        if let Ok(answers) = answers {
            answers.collect::<Vec<_>>().await;
        }
        world.net.cut(1, 2);
        world.ask_at_once(1, 2, 50).await;
        world.start(3);
        world.ask_at_once(3, 1, 50).await;
        world.net.heal_all();
        world.ask_at_once(2, 3, 50).await;
        (world.trace.hash(), world.side(2).numbers(), world.net.stats())
    })
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let (one, other) = (run(70), run(71));
    assert_ne!(one.0, other.0);
    assert_ne!(one.1, other.1);
    assert_eq!(run(71), other);
    assert_eq!(run(70), one, "also in another order");
}

#[test]
fn a_fault_elsewhere_changes_nothing_on_a_link() {
    let times = |is_bad_elsewhere: bool| {
        simulate(72, 3, |world| async move {
            let began = Instant::now();
            if is_bad_elsewhere {
                world.net.cut(1, 3);
                world.ask_at_once(1, 3, 30).await;
                world.ask_at_once(3, 2, 30).await;
            }
            let began_to_ask = Instant::now();
            world.ask_at_once(1, 2, 100).await;
            assert_eq!(is_bad_elsewhere, began_to_ask > began);
            let heard = world.side(2);
            let after = heard.times().into_iter().map(|time| time - began_to_ask);
            let heard: Vec<_> = heard.numbers().into_iter().zip(after).collect();
            heard[if is_bad_elsewhere { 30 } else { 0 }..].to_vec()
        })
    };
    assert_eq!(times(false), times(true));
}

/// The hash of a run in which one message is sent.
fn hash_of(request: Request) -> blake3::Hash {
    simulate(73, 2, |world| async move {
        let _ = world.call(1, 2, request).await;
        world.trace.hash()
    })
}

#[test]
fn the_trace_covers_what_is_said() {
    let append = |term| {
        let vote = vote(term, 111, true);
        let entries = Vec::new();
        Request::Append(AppendRequest { vote, prev_log_id: None, entries, leader_commit: None })
    };
    assert_eq!(hash_of(append(1)), hash_of(append(1)));
    assert_ne!(hash_of(append(1)), hash_of(append(2)));
}

#[test]
fn of_a_seal_message_the_trace_covers_the_length() {
    let seal = |byte, length| Request::Seal(vec![byte; length]);
    assert_eq!(hash_of(seal(1, 100)), hash_of(seal(2, 100)));
    assert_ne!(hash_of(seal(1, 100)), hash_of(seal(1, 101)));
}
