//! What time does: ticks, the clock, and that it does not matter who looks when.

use crate::examples;
use crate::script::*;
use conclave_core::command::{Command, CreateKey, Stamp};
use conclave_core::ids::{KeyId, PrincipalId};
use conclave_core::lifecycle::{KeyState, PolicyChange, Preset};
use conclave_core::limits;
use conclave_core::model::KeyRecord;
use conclave_core::outcome::{Effect, Refusal, Thing};
use conclave_core::roles::Role;
use conclave_core::timers;
use uuid::Uuid;

/// A key expires although nobody looks.
pub fn check_timers_run() -> Result<(), String> {
    let mut s = Script::unsealed();
    let create = CreateKey { expires_at_ms: Some(START_MS + DAY), ..create_of("k") };
    s.admin().send(Command::CreateKey(create)).unwrap();
    s.wait_ms(DAY);
    match s.state_of("k") {
        Some(KeyState::Deactivated) => Ok(()),
        other => Err(format!("after its expiry date the key is {other:?}")),
    }
}

#[test]
fn timers_run() {
    check_timers_run().unwrap();
}

/// Key `k` in deletion from now on, by the preset `layered`.
fn pending() -> Script {
    let mut s = Script::unsealed();
    s.admin().create_key("k").unwrap();
    s.admin().delete("k").unwrap();
    s
}

/// However late it is noticed, an effect is dated at its deadline, and what is counted from it is counted
/// from there.
#[test]
fn effects_are_dated_at_their_deadlines_whoever_notices_them_when() {
    let ticks: [&[u64]; 5] = [
        &[],
        &[73 * HOUR, 40 * DAY],
        &[72 * HOUR, 72 * HOUR + 1, 33 * DAY, 33 * DAY + 1, 93 * DAY, 93 * DAY + 1],
        &[92 * DAY],
        &[10 * DAY, 93 * DAY],
    ];
    for at_ms in ticks {
        let mut s = pending();
        for at_ms in at_ms {
            s.now_ms = START_MS + at_ms;
            s.tick();
        }
        s.now_ms = START_MS + 200 * DAY;
        assert_eq!(s.admin().update("k"), Err(Refusal::NotFound { what: Thing::Key }));
        let events = s.events();
        let dates: Vec<_> = events.iter().map(|event| event.at_ms - START_MS).collect();
        assert_eq!(dates, [0, 0, 72 * HOUR, 33 * DAY, 93 * DAY], "ticks at {at_ms:?}");
        let tombstone = s.machine.state().tombstone(key_id("k").0).unwrap();
        assert_eq!(tombstone.purged_at_ms, START_MS + 93 * DAY);
        let timers = ["GraceOver", "RestoreWindowOver", "AutoPurge"];
        let audited = s.audit().into_iter().map(|record| record.action);
        assert_eq!(audited.filter(|action| timers.contains(&&**action)).count(), 3);
    }
}

/// What is due by the time of a command has happened before it, tick or not; a refused command as well.
#[test]
fn timers_run_before_a_command_decides() {
    let mut s = pending();
    s.wait_ms(72 * HOUR + 1);
    assert!(matches!(
        s.admin().cancel("k"),
        Err(Refusal::KeyState { state: KeyState::Destroyed, .. })
    ));
    assert_eq!(s.key("k").state, KeyState::Destroyed, "the timer's effect stays");
    assert_eq!(s.key("k").deletion.unwrap().destroyed_at_ms, Some(START_MS + 72 * HOUR));
    s.admin().send(create_principal("nobody")).unwrap();
    s.admin().send(create_token("nobody", "nobody", 365 * DAY)).unwrap();
    s.wait_ms(30 * DAY);
    s.by("nobody").update("k").unwrap_err();
    assert!(s.key("k").deletion.unwrap().erased, "also before one that nobody permits");
}

/// A reader works the effects out on a copy.
#[test]
fn a_copy_of_a_record_shows_what_an_entry_would_write() {
    for hours in [0, 72, 73, 700, 33 * 24, 33 * 24 + 1, 93 * 24, 93 * 24 + 1] {
        let mut s = pending();
        let before = s.key("k");
        s.now_ms = START_MS + hours * HOUR;
        let seen = timers::as_of(&before, s.now_ms);
        assert_eq!(timers::is_behind(&before, s.now_ms), seen.as_ref() != Some(&before));
        s.tick();
        let written = s.machine.state().key(key_id("k"));
        let facts = |key: &KeyRecord| (key.state, key.deletion.clone(), key.expires_at_ms);
        assert_eq!(seen.as_ref().map(facts), written.as_ref().map(facts), "after {hours} h");
    }
}

#[test]
fn a_tick_runs_the_earliest_64_keys() {
    let mut s = Script::unsealed();
    let count = limits::KEYS_PER_TICK as u64 + 6;
    for n in 0..count {
        // The ids say nothing about the order.
        let (name, late) = (format!("k{n}"), (n * 37) % count);
        let expires_at_ms = Some(START_MS + DAY + late);
        let create = CreateKey { expires_at_ms, ..create_of(&name) };
        s.admin().send(Command::CreateKey(create)).unwrap();
    }
    assert_eq!(s.machine.state().next_deadline_ms(), Some(START_MS + DAY));
    s.wait_ms(2 * DAY);
    assert_eq!(s.tick(), 64);
    let left = s.machine.state().due_timers(u64::MAX, usize::MAX);
    let instants: Vec<_> = left.iter().map(|(at_ms, _)| at_ms - START_MS - DAY).collect();
    assert_eq!(instants, (64..count).collect::<Vec<_>>());
    assert_eq!((s.tick(), s.tick()), (6, 0));
}

/// A tick stops early where a lot has to be removed.
#[test]
fn a_tick_leaves_the_rest_to_the_next_one() {
    let mut s = Script::unsealed();
    s.unchecked = true;
    for name in ["a", "b", "c"] {
        s.admin().create_key(name).unwrap();
        for _ in 0..limits::RECORDS_PER_TICK / 2 {
            s.admin().enable(name).unwrap_err();
        }
        s.admin().delete(name).unwrap();
    }
    s.wait_ms(200 * DAY);
    assert_eq!((s.tick(), s.tick(), s.tick()), (2, 1, 0));
}

#[test]
fn an_idle_tick_changes_nothing_but_the_clock() {
    let mut s = pending();
    let before = s.machine.dump();
    s.wait_ms(HOUR);
    assert_eq!(s.tick(), 0);
    let changed: Vec<_> =
        s.machine.dump().into_iter().filter(|found| !before.contains(found)).collect();
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert_eq!(s.machine.counters().cluster_time_ms, START_MS + HOUR);
}

#[test]
fn the_cluster_itself_does_only_what_is_due() {
    for command in examples::commands() {
        let mut s = Script::unsealed();
        let answer = s.cluster().send(command.clone());
        match command {
            Command::Tick => assert_eq!(answer, Ok(Effect::Ticked { keys: 0 })),
            Command::ScheduledRotation(_) => {
                assert_eq!(answer, Err(Refusal::NotFound { what: Thing::Key }));
            }
            other => assert_eq!(answer, Err(Refusal::WrongCaller), "{other}"),
        }
    }
}

#[test]
fn nobody_else_does_what_is_due() {
    let mut s = Script::unsealed();
    s.add("all", &Role::ALL);
    s.admin().create_key("orders").unwrap();
    for command in [Command::Tick, scheduled_rotation("orders", 2)] {
        let answers = [
            s.by("all").send(command.clone()),
            s.operator().send(command.clone()),
            s.custodian().send(command.clone()),
        ];
        assert_eq!(answers, [(); 3].map(|()| Err(Refusal::WrongCaller)), "{command}");
    }
}

/// What the cluster does by itself is not remembered: it is asked anew what is due.
#[test]
fn a_scheduled_rotation_is_judged_each_time() {
    let mut s = Script::unsealed();
    let create = CreateKey { rotate_every_ms: Some(DAY), ..create_of("orders") };
    s.admin().send(Command::CreateKey(create)).unwrap();
    s.wait_ms(DAY);
    s.cluster().request(7).send(scheduled_rotation("orders", 2)).unwrap();
    let again = s.cluster().request(7).send(scheduled_rotation("orders", 2));
    assert_eq!(again, Err(Refusal::NotDue));
    assert_eq!(s.key("orders").primary_version, 2);
}

/// Another node was faster: nothing was asked that had not been done.
#[test]
fn a_rotation_that_is_not_due_or_superseded_leaves_no_record() {
    let mut s = Script::unsealed();
    let create = CreateKey { rotate_every_ms: Some(DAY), ..create_of("orders") };
    s.admin().send(Command::CreateKey(create)).unwrap();
    let before = (s.audit(), s.history("orders"), s.key("orders"));
    assert_eq!(s.cluster().rotate_by_schedule("orders"), Err(Refusal::NotDue));
    s.wait_ms(DAY);
    let superseded = s.cluster().send(scheduled_rotation("orders", 9));
    assert_eq!(superseded, Err(Refusal::Superseded));
    assert_eq!((s.audit(), s.history("orders"), s.key("orders")), before);
    s.cluster().rotate_by_schedule("orders").unwrap();
    let record = s.audit().pop().unwrap();
    assert_eq!(
        (record.action.as_str(), record.principal),
        ("ScheduledRotation", PrincipalId::NOBODY)
    );
    assert_eq!(s.history("orders").len(), 2);
}

#[test]
fn a_stamp_advances_both_clocks_at_its_rate() {
    let start = Stamp::at(START_MS);
    let fast = start.later(START_MS + SECOND, 300);
    assert_eq!(
        fast,
        Stamp { at_ms: START_MS + 300 * SECOND, unscaled_ms: START_MS + SECOND, rate: 300 }
    );
    let slow = fast.later(START_MS + 2 * SECOND, 1);
    assert_eq!(slow.at_ms, START_MS + 301 * SECOND, "what has passed stays passed");
    assert_eq!(slow.unscaled_ms, START_MS + 2 * SECOND);
    assert_eq!(slow.later(START_MS, 1), slow, "neither goes back");
    let never = Stamp::default().later(START_MS, 300);
    assert_eq!(never, Stamp { rate: 300, ..start }, "the first stamp starts both");
    let end = start.later(u64::MAX, 2);
    assert_eq!((end.at_ms, end.unscaled_ms), (u64::MAX, u64::MAX));
}

/// Keys live by cluster time; rights that end, the request memory and ceremonies by real time.
#[test]
fn a_fast_clock_speeds_up_keys_and_nothing_else() {
    let mut s = Script::unsealed();
    s.add("bob", &[]);
    let end = START_MS + HOUR;
    s.admin().send(bind(grant(Role::Manager, "bob"), Some(end))).unwrap();
    s.admin().request(77).send(create_instance("soft", preset(Preset::SoftDelete))).unwrap();
    s.admin().create_key("orders").unwrap();
    s.admin().delete("orders").unwrap();
    s.custodian().send(share("a", 1, 1)).unwrap();

    let stamp = Stamp { at_ms: START_MS + 80 * DAY, unscaled_ms: end - 1, rate: 2_000 };
    s.stamp = Some(stamp);
    s.custodian().send(share("a", 2, 1)).expect("the ceremony is not over");
    let again = s.admin().request(77).submit(create_instance("soft", preset(Preset::SoftDelete)));
    assert!(again.replayed, "the request is remembered");
    let answer = s.by("bob").restore("orders");
    let over_ms = START_MS + 33 * DAY;
    assert_eq!(answer, Err(Refusal::WindowOver { over_ms }), "80 days have passed for the key");
    s.stamp = Some(Stamp { unscaled_ms: end, ..stamp });
    assert!(matches!(s.by("bob").update("orders"), Err(Refusal::PermissionDenied { .. })));
    s.admin().create_key("bills").unwrap();
    assert_eq!(s.key("bills").created_at_ms, START_MS + 80 * DAY);
    let counters = s.machine.counters();
    assert!(counters.was_scaled());
    assert_eq!(counters.time(), Stamp { unscaled_ms: end, ..stamp });
}

/// A cluster whose own time is far ahead from the beginning.
fn ahead() -> Script {
    let mut s = Script::empty();
    s.stamp = Some(Stamp { at_ms: START_MS + 900 * DAY, unscaled_ms: START_MS, rate: 10 });
    s.operator().send(init(1)).unwrap();
    s.unseal();
    s
}

#[test]
fn what_is_no_key_is_dated_by_real_time() {
    let mut s = ahead();
    let admin = s.machine.state().token(token_id("admin")).unwrap();
    assert_eq!(admin.created_at_ms, START_MS);
    assert_eq!(admin.expires_at_ms, Some(START_MS + 3_650 * DAY));
    assert_eq!(s.seal().last_proven_ms[0], Some(START_MS));
    s.custodian().send(share("a", 1, 1)).unwrap();
    let ceremony = s.seal().ceremony.unwrap();
    assert_eq!(ceremony.expires_at_ms, START_MS + limits::CEREMONY_MS);
}

/// A role that has ended by the time of keys, but not by real time, holds for everything it is asked for.
#[test]
fn a_role_ends_by_real_time_wherever_it_is_asked() {
    let mut s = ahead();
    s.add("bob", &[]);
    s.add("taker", &[]);
    for role in [Role::Manager, Role::Administrator, Role::KeyPurge] {
        s.admin().send(bind(grant(role, "bob"), Some(START_MS + DAY))).unwrap();
    }
    s.admin().send(create_instance("shop", preset(Preset::Layered))).unwrap();
    s.admin().send(create_ring("shop", "till")).unwrap();
    s.by("bob").send(bind(grant(Role::Reader, "taker"), None)).unwrap();
    s.by("bob").send(Command::CreateKey(create_in("shop", "k"))).unwrap();
    s.by("bob").send(move_to("k", ring_id("till"))).unwrap();
    s.by("bob").delete("k").unwrap();
    s.by("bob").delete_now("k").unwrap();
    let later = Stamp { at_ms: START_MS + 901 * DAY, unscaled_ms: START_MS + DAY - 1, rate: 10 };
    s.stamp = Some(later);
    s.by("bob").send(delete_instance("shop")).unwrap();
    s.stamp = Some(Stamp { unscaled_ms: START_MS + DAY, ..later });
    let ended = s.by("bob").send(bind(grant(Role::Writer, "taker"), None));
    assert!(matches!(ended, Err(Refusal::PermissionDenied { .. })), "{ended:?}");
}

#[test]
fn a_request_is_forgotten_by_real_time() {
    let mut s = Script::unsealed();
    let stamp = |unscaled_ms| Stamp { at_ms: unscaled_ms + 900 * DAY, unscaled_ms, rate: 10 };
    s.stamp = Some(stamp(START_MS + 2 * DAY));
    let first = s.admin().request(77).submit(create_key("orders")).index;
    s.stamp = Some(stamp(START_MS + 3 * DAY - 1));
    for n in 0..2 {
        s.admin().create_key(&format!("early {n}")).unwrap();
    }
    assert!(s.machine.counters().memory_floor < first);
    s.stamp = Some(stamp(START_MS + 3 * DAY));
    s.admin().create_key("late").unwrap();
    assert_eq!(s.machine.counters().memory_floor, first);
}

#[test]
fn a_token_ends_by_real_time() {
    let mut s = Script::unsealed();
    s.stamp = Some(Stamp { at_ms: START_MS + 900 * DAY, unscaled_ms: START_MS, rate: 10 });
    s.add("bob", &[Role::Manager]);
    let token = s.machine.state().token(token_id("bob")).unwrap();
    assert_eq!(token.created_at_ms, START_MS);
    assert_eq!(token.expires_at_ms, Some(START_MS + 30 * DAY));
    s.by("bob").create_key("orders").unwrap();
}

/// Equal instants run in the order of the timers, and one of them does not hide the others.
#[test]
fn timers_of_one_instant_all_run() {
    let mut s = Script::unsealed();
    let policy = PolicyChange {
        restore_window_ms: Some(DAY),
        purge_floor_ms: Some(0),
        auto_purge_ms: Some(DAY),
        ..preset(Preset::Layered)
    };
    s.admin().send(create_instance("shop", policy)).unwrap();
    s.admin().send(Command::CreateKey(create_in("shop", "k"))).unwrap();
    s.admin().delete("k").unwrap();
    s.admin().delete_now("k").unwrap();
    s.wait_ms(DAY + 1);
    assert_eq!(s.tick(), 1);
    let actions: Vec<_> = s.audit().into_iter().map(|record| record.action).collect();
    assert_eq!(actions[actions.len() - 2..], ["RestoreWindowOver", "AutoPurge"]);
    assert_eq!(s.state_of("k"), None);
}

/// An instant beyond the end of time never comes, and breaks nothing.
#[test]
fn the_end_of_time_never_comes() {
    let mut s = Script::unsealed();
    let create = CreateKey { expires_at_ms: Some(u64::MAX), ..create_of("k") };
    s.admin().send(Command::CreateKey(create)).unwrap();
    s.now_ms = u64::MAX - 1;
    s.stamp = Some(Stamp { at_ms: s.now_ms, unscaled_ms: START_MS, rate: 1 });
    s.admin().delete("k").unwrap();
    s.admin().delete_now("k").unwrap();
    s.tick();
    assert_eq!(s.key("k").state, KeyState::Destroyed);
    assert_eq!(s.machine.state().due_timers(u64::MAX, 10), []);
    s.admin().restore("k").unwrap();
    let max = KeyId(Uuid::max());
    let late = CreateKey { key: max, expires_at_ms: Some(u64::MAX), ..create_of("max") };
    s.admin().send(Command::CreateKey(late)).unwrap();
    assert_eq!(s.machine.state().due_timers(u64::MAX, 10).len(), 2);
}
