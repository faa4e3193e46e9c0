//! The dead hear nothing and say nothing.

use std::sync::Weak;

use conclave_raft::transport::Handler;

use super::*;

#[test]
fn an_end_is_heard_by_all_who_wait_and_all_who_ask_later() {
    simulate(30, 0, |_| async {
        let alive = Alive::new();
        let waiting = [alive.clone(), alive.clone()].map(|alive| {
            tokio::spawn(async move {
                alive.ended().await;
                Instant::now()
            })
        });
        seconds(1).await;
        assert!(alive.is());
        alive.end();
        let end = Instant::now();
        for waiter in waiting {
            assert_eq!(waiter.await.unwrap(), end);
        }
        assert!(!alive.is());
        alive.ended().await;
    });
}

#[test]
fn the_dead_are_not_reached() {
    simulate(31, 2, |world| async move {
        world.nodes[&2].alive.end();
        assert!(is_not_sent(&world.ask(1, 2, 1).await));
        world.net.detach(2);
        assert!(is_not_sent(&world.ask(1, 2, 2).await));
        assert!(world.side(2).numbers().is_empty());
    });
}

#[test]
fn the_dead_do_not_send() {
    simulate(32, 2, |mut world| async move {
        world.nodes[&1].alive.end();
        let (took, answer) = timed(world.ask(1, 2, 1)).await;
        assert!(is_not_sent(&answer));
        assert!(!took.is_zero());
        // The old life has no part in the new one.
        let old = world.nodes.remove(&1).unwrap();
        world.start(1);
        let answer = old.transport.call(target(2), question(2), CALL).await;
        assert!(is_not_sent(&answer));
        assert!(world.side(2).numbers().is_empty());
        assert_eq!(world.ask(1, 2, 3).await, Ok(3));
    });
}

#[test]
fn a_start_ends_the_life_before() {
    simulate(33, 1, |mut world| async move {
        let old = world.nodes[&1].alive.clone();
        world.start(1);
        assert!(!old.is());
        assert!(world.nodes[&1].alive.is());
    });
}

#[test]
fn a_question_on_its_way_to_a_life_does_not_reach_the_next() {
    simulate(34, 2, |mut world| async move {
        world.net.storm(storm(0, 0, 500));
        let transport = world.nodes[&1].transport.clone();
        let asked = (0..50).map(|number| transport.call(target(2), question(number), CALL));
        let asked = tokio::spawn(join_all(asked));
        sleep(CALL / 4).await;
        let old = world.nodes.remove(&2).unwrap().side;
        let before = old.numbers().len();
        assert!((10..40).contains(&before), "{before}");
        world.start(2);
        seconds(5).await;
        assert_eq!(old.numbers().len(), before);
        assert!(world.side(2).numbers().is_empty());
        let answers = asked.await.unwrap();
        let answered = count(&answers, Result::is_ok);
        assert!(answered > 0 && answered <= before as u64, "{answered} of {before}");
        assert!(answers.iter().all(|answer| answer.is_ok() || is_lost(answer)));
    });
}

#[test]
fn who_dies_over_a_question_does_not_finish_it() {
    simulate(35, 2, |world| async move {
        *world.side(2).work.lock().unwrap() = CALL / 2;
        let (answer, ()) = futures::future::join(world.ask(1, 2, 1), async {
            sleep(CALL / 4).await;
            world.nodes[&2].alive.end();
        })
        .await;
        assert!(is_lost(&answer));
        assert_eq!(world.side(2).numbers(), [1]);
        seconds(5).await;
        assert!(world.side(2).finished().is_empty());
    });
}

/// What has left a node travels on without it; what waits in its buffers dies with it.
#[test]
fn what_was_sent_before_a_crash_arrives_unless_it_was_held() {
    for (is_cut, arrive) in [(false, true), (true, false)] {
        simulate(36, 2, |world| async move {
            world.net.storm(storm(0, 0, 500));
            if is_cut {
                world.net.cut(1, 2);
            }
            let asked = world.ask_at_once(1, 2, 50);
            let crashed = async {
                sleep(Duration::from_millis(1)).await;
                world.nodes[&1].alive.end();
                world.net.heal_all();
            };
            futures::future::join(asked, crashed).await;
            assert_eq!(world.side(2).numbers().len(), if arrive { 50 } else { 0 });
        });
    }
}

#[test]
fn a_transport_does_not_keep_the_network_nor_its_nodes() {
    simulate(37, 1, |mut world| async move {
        let node = world.nodes.remove(&1).unwrap();
        let side: Weak<dyn Handler> = Arc::downgrade(&(node.side as Arc<dyn Handler>));
        assert!(side.upgrade().is_some());
        drop(world);
        assert!(side.upgrade().is_none());
        let answer = node.transport.call(target(1), question(1), CALL).await;
        assert!(is_not_sent(&answer));
    });
}
