//! Questions and answers, in good and bad weather.

use std::time::Duration;

use conclave_raft::transport::{Target, TransportError};
use conclave_raft::types::AppendRequest;
use conclave_raft::wire::{MAX_FRAME_BYTES, Request};

use super::side::vote;
use super::*;

#[test]
fn in_good_weather_every_question_is_answered_soon() {
    simulate(1, 2, |world| async move {
        let mut longest = Duration::ZERO;
        for number in 0..500 {
            let (took, answer) = timed(world.ask(1, 2, number)).await;
            assert_eq!(answer, Ok(number));
            assert!(
                took >= Duration::from_millis(1) && took <= Duration::from_millis(8),
                "{took:?}"
            );
            longest = longest.max(took);
        }
        assert!(longest >= Duration::from_millis(4), "not all messages take equally long");
        assert_eq!(world.side(2).numbers(), (0..500).collect::<Vec<_>>());
        let stats = world.net.stats();
        assert_eq!((stats.messages, stats.lost, stats.duplicated), (1_000, 0, 0));
    });
}

#[test]
fn questions_overtake_each_other() {
    simulate(2, 2, |world| async move {
        let answers = world.ask_at_once(1, 2, 200).await;
        assert!(answers.iter().all(Result::is_ok));
        let heard = world.side(2).numbers();
        let overtaken = (0..200).filter(|at| heard[..*at].iter().any(|other| *other > heard[*at]));
        let overtaken = overtaken.count() as u64;
        assert!(overtaken > 50, "{heard:?}");
        assert!(world.net.stats().reordered > overtaken, "answers too: {:?}", world.net.stats());
    });
}

#[test]
fn a_storm_loses_and_repeats_what_it_is_told_to() {
    for (loss, repeats) in [(0, 0), (5, 0), (30, 10), (0, 40), (100, 0)] {
        simulate(3 + loss, 2, |world| async move {
            world.net.storm(storm(loss, repeats, 0));
            let answers = world.ask_at_once(1, 2, 3_000).await;
            let heard = world.side(2).numbers();
            let mut once = heard.clone();
            once.sort_unstable();
            once.dedup();
            let arrived = 100 - loss;
            near("arrived", once.len() as u64, 3_000 * arrived / 100);
            near("answered", count(&answers, Result::is_ok), 3_000 * arrived * arrived / 10_000);
            let again = (heard.len() - once.len()) as u64;
            near("again", again, 3_000 * arrived * repeats / 10_000);
            assert_eq!(world.net.stats().duplicated, again);
            assert!(answers.iter().all(|answer| answer.is_ok() || is_lost(answer)));
        });
    }
}

fn near(what: &str, is: u64, should: u64) {
    assert!(is.abs_diff(should) <= 100, "{what}: {is}, expected about {should}");
}

#[test]
fn a_storm_delays() {
    simulate(4, 2, |world| async move {
        let id = world.net.storm(storm(0, 0, 300));
        let mut times = Vec::new();
        for number in 0..200 {
            times.push(timed(world.ask(1, 2, number)).await.0.as_millis() as u64);
        }
        let average = times.iter().sum::<u64>() / 200;
        assert!(average.abs_diff(303) < 30, "two ways, each half of 300 ms on average: {average}");
        assert!(times.iter().all(|took| *took <= 608));
        world.net.heal(id);
        let (took, _) = timed(world.ask(1, 2, 0)).await;
        assert!(took < Duration::from_millis(10), "over: {took:?}");
    });
}

#[test]
fn of_two_storms_the_worse_counts() {
    simulate(5, 2, |world| async move {
        let total = world.net.storm(storm(100, 0, 0));
        world.net.storm(storm(1, 0, 0));
        assert!(is_lost(&world.ask(1, 2, 1).await));
        world.net.heal(total);
        let answers = world.ask_at_once(1, 2, 100).await;
        assert!(count(&answers, Result::is_ok) > 90);
    });
}

#[test]
fn what_was_refused_is_not_repeated() {
    simulate(6, 2, |world| async move {
        world.net.storm(storm(0, 100, 0));
        *world.side(2).refuses.lock().unwrap() = true;
        assert!(world.call(1, 2, question(1)).await.is_ok());
        seconds(1).await;
        assert_eq!(world.side(2).numbers(), [1]);

        *world.side(2).refuses.lock().unwrap() = false;
        assert_eq!(world.ask(1, 2, 2).await, Ok(2));
        seconds(1).await;
        assert_eq!(world.side(2).numbers(), [1, 2, 2]);
    });
}

#[test]
fn a_question_goes_on_when_its_caller_has_gone() {
    simulate(7, 2, |world| async move {
        *world.side(2).work.lock().unwrap() = 3 * CALL;
        let (took, answer) = timed(world.ask(1, 2, 1)).await;
        assert!(is_lost(&answer));
        assert_eq!(took, CALL);
        seconds(5).await;
        assert_eq!(world.side(2).finished(), [1]);
    });
}

#[test]
fn questions_do_not_wait_for_each_other() {
    simulate(8, 2, |world| async move {
        *world.side(2).work.lock().unwrap() = CALL / 2;
        let (took, answers) = timed(world.ask_at_once(1, 2, 50)).await;
        assert!(answers.iter().all(Result::is_ok));
        assert!(took < CALL, "{took:?}");
    });
}

#[test]
fn who_is_not_there_is_not_reached() {
    simulate(9, 2, |world| async move {
        let elsewhere = Target { address: "elsewhere:1".to_owned(), ..target(2) };
        let (took, answer) = timed(world.ask(1, 3, 1)).await;
        assert!(is_not_sent(&answer));
        assert!(!took.is_zero(), "or asking again and again would stop the time");
        let answer = world.nodes[&1].transport.call(elsewhere, question(1), CALL).await;
        assert!(is_not_sent(&answer));
        assert!(world.side(2).numbers().is_empty());
    });
}

#[test]
fn the_callee_hears_who_calls_and_whom() {
    simulate(10, 2, |world| async move {
        world.ask(1, 2, 1).await.unwrap();
        assert_eq!(world.side(2).headers(), [Header { to: Some(member(2)), ..header(1) }]);
    });
}

#[test]
fn a_question_longer_than_a_frame_is_not_sent() {
    simulate(11, 2, |world| async move {
        let request = |length| Request::Seal(vec![0; length]);
        assert!(world.call(1, 2, request(1_000)).await.is_ok());
        let answer = world.call(1, 2, request(MAX_FRAME_BYTES + 1)).await;
        assert!(matches!(answer, Err(TransportError::Lost(why)) if why.contains("too large")));
    });
}

#[test]
fn clients_lose_messages_in_storms_and_are_neither_cut_off_nor_slowed_down() {
    simulate(12, 2, |world| async move {
        world.net.split(&[1].into());
        let hops: Vec<_> = (0..1_000).map(|_| world.net.client_hop()).collect();
        assert!(hops.iter().flatten().all(|hop| *hop <= Duration::from_millis(3)));
        assert_eq!(hops.iter().flatten().count(), 1_000);
        world.net.storm(storm(30, 0, 500));
        let hops: Vec<_> = (0..1_000).filter_map(|_| world.net.client_hop()).collect();
        assert!(hops.len().abs_diff(700) < 50, "{}", hops.len());
        assert!(hops.iter().all(|hop| *hop <= Duration::from_millis(3)));
    });
}

#[test]
fn one_node_may_be_slow_to_reach_and_to_answer() {
    simulate(14, 3, |world| async move {
        let slow = world.net.slow_links(2, 300);
        let mut longest = Duration::ZERO;
        for (from, to, most_ms) in [(1, 3, 8), (1, 2, 608), (2, 3, 608)] {
            for number in 0..20 {
                let (took, answer) = timed(world.ask(from, to, number)).await;
                assert_eq!(answer, Ok(number));
                assert!(took <= Duration::from_millis(most_ms), "{from} -> {to}: {took:?}");
                longest = longest.max(took);
            }
        }
        assert!(longest > Duration::from_millis(300), "{longest:?}");
        world.net.heal(slow);
        let (took, _) = timed(world.ask(1, 2, 0)).await;
        assert!(took <= Duration::from_millis(8), "{took:?}");
    });
}

#[test]
fn leaders_are_seen_by_their_votes() {
    simulate(13, 3, |world| async move {
        let votes = [(1, 1, 111, true), (2, 2, 222, true), (3, 2, 333, true), (3, 4, 333, false)];
        for (from, term, member, won) in votes {
            let append = AppendRequest {
                vote: vote(term, member, won),
                prev_log_id: None,
                entries: Vec::new(),
                leader_commit: None,
            };
            let to = if from == 1 { 2 } else { 1 };
            let answer = world.call(from, to, Request::Append(append)).await;
            assert!(is_lost(&answer), "the other side only writes down");
        }
        assert_eq!(world.net.leaders(), [(1, [111].into()), (2, [222, 333].into())].into());
    });
}
