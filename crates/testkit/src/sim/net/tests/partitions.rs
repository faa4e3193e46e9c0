//! Who reaches whom, and what becomes of messages sent into a cut.

use std::collections::BTreeSet;

use super::*;
use crate::sim::net::FaultId;
use crate::sim::net::state::HELD_FOR;

/// For each pair that does not get along: whether questions arrive, and whether answers come back.
fn failing(fault: fn(&SimNet) -> FaultId) -> BTreeSet<(u32, u32, bool)> {
    simulate(20, 3, |world| async move {
        fault(&world.net);
        let mut failing = BTreeSet::new();
        for (from, to) in [(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)] {
            let before = world.side(to).numbers().len();
            let answers = world.ask_at_once(from, to, 20).await;
            let heard = world.side(to).numbers().len() - before;
            assert!(heard == 0 || heard == 20, "all or nothing");
            let answered = count(&answers, Result::is_ok);
            assert!(answered == 0 || answered == 20 && heard == 20, "all or nothing");
            if answered == 0 {
                failing.insert((from, to, heard == 20));
            }
        }
        failing
    })
}

#[test]
fn each_fault_blocks_what_it_says() {
    let both = |pairs: &[(u32, u32)]| {
        pairs.iter().flat_map(|(a, b)| [(*a, *b, false), (*b, *a, false)]).collect()
    };
    assert_eq!(failing(|net| net.split(&[1].into())), both(&[(1, 2), (1, 3)]));
    assert_eq!(failing(|net| net.split(&[1, 3].into())), both(&[(1, 2), (2, 3)]));
    assert_eq!(failing(|net| net.cut(1, 3)), both(&[(1, 3)]), "a triangle without one side");
    // The question of 1 does not arrive; that of 2 does, but its answer does not.
    assert_eq!(failing(|net| net.one_way(1, 2)), [(1, 2, false), (2, 1, true)].into());
    assert_eq!(failing(|net| net.split(&BTreeSet::new())), BTreeSet::new());
}

#[test]
fn faults_are_healed_one_by_one_or_all_at_once() {
    simulate(21, 3, |world| async move {
        let cut = world.net.cut(1, 2);
        let split = world.net.split(&[1].into());
        world.net.heal(cut);
        world.net.heal(cut);
        assert!(world.ask(1, 2, 1).await.is_err(), "still split");
        world.net.heal(split);
        assert_eq!(world.ask(1, 2, 2).await, Ok(2));
        world.net.one_way(1, 2);
        world.net.storm(storm(100, 0, 0));
        world.net.heal_all();
        assert_eq!(world.ask(1, 2, 3).await, Ok(3));
    });
}

#[test]
fn into_a_cut_messages_are_held_lost_or_refused() {
    simulate(22, 2, |world| async move {
        let cut = world.net.cut(1, 2);
        // Longer than a connection takes to fail.
        let transport = &world.nodes[&1].transport;
        let asked = (0..300).map(|number| transport.call(target(2), question(number), 3 * CALL));
        let answers = join_all(asked).await;
        assert!(world.side(2).numbers().is_empty(), "nothing gets through");
        let refused: BTreeSet<u64> =
            (0..300).filter(|number| is_not_sent(&answers[*number as usize])).collect();
        assert!(answers.iter().all(|answer| is_not_sent(answer) || is_lost(answer)));
        assert!(refused.len().abs_diff(90) < 30, "refused: {}", refused.len());

        world.net.heal(cut);
        let healed = Instant::now();
        seconds(1).await;
        let arrived: BTreeSet<u64> = world.side(2).numbers().into_iter().collect();
        assert!(arrived.len().abs_diff(120) < 30, "held and delivered: {}", arrived.len());
        assert!(arrived.is_disjoint(&refused), "what was not sent never arrives");
        assert!(world.side(2).times().iter().all(|time| *time > healed));
        let lost = 300 - arrived.len() - refused.len();
        assert!(lost.abs_diff(90) < 30, "lost: {lost}");
        assert_eq!(world.net.stats().held, arrived.len() as u64);
    });
}

#[test]
fn an_answer_may_be_held_too() {
    simulate(23, 2, |world| async move {
        world.net.one_way(2, 1);
        let asked = world.ask_at_once(1, 2, 100);
        let healed = async {
            sleep(CALL / 2).await;
            world.net.heal_all();
        };
        let (answers, ()) = futures::future::join(asked, healed).await;
        let answered = count(&answers, Result::is_ok);
        assert!((20..80).contains(&answered), "{answered}");
        assert_eq!(count(&answers, is_lost), 100 - answered, "it was sent, whatever came of it");
    });
}

#[test]
fn nothing_is_held_for_ever() {
    simulate(24, 2, |world| async move {
        world.net.cut(1, 2);
        world.ask_at_once(1, 2, 100).await;
        sleep(HELD_FOR).await;
        world.net.heal_all();
        seconds(5).await;
        assert!(world.side(2).numbers().is_empty());
        assert_eq!(world.net.stats().held, 0);
    });
}

#[test]
fn what_is_held_waits_for_the_last_fault_on_its_way() {
    simulate(25, 2, |world| async move {
        let (one, other) = (world.net.cut(1, 2), world.net.one_way(1, 2));
        world.ask_at_once(1, 2, 50).await;
        world.net.heal(one);
        seconds(1).await;
        assert!(world.side(2).numbers().is_empty());
        world.net.heal(other);
        seconds(1).await;
        assert!(!world.side(2).numbers().is_empty());
    });
}
