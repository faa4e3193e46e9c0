//! What happens at an instant, a moment before it and a moment after it. Permissions include their
//! boundary; what destroys comes strictly after it.

use crate::script::*;
use conclave_core::command::{Command, CreateKey, RotationChange};
use conclave_core::lifecycle::{KeyState, Preset};
use conclave_core::limits;
use conclave_core::model::{EventKind, Rotation};
use conclave_core::outcome::Refusal;
use conclave_core::roles::Role;
use std::panic::Location;

/// 1 s before, 1 ms before, at, 1 ms after, 1 s after.
const MOMENTS: [i64; 5] = [-1_000, -1, 0, 1, 1_000];

/// Looks at key `k`, or does something with it, and says what came of it.
type Look = fn(&mut Script) -> String;

/// `passed_ms` from now is the boundary. Whether a tick has run just before makes no difference.
#[track_caller]
fn at(script: &Script, passed_ms: u64, look: Look, expected: [&str; 5]) {
    let place = Location::caller();
    for ticks in [false, true] {
        let seen = MOMENTS.map(|moment| {
            let mut script = script.clone();
            script.now_ms = (script.now_ms + passed_ms).saturating_add_signed(moment);
            if ticks {
                script.tick();
            }
            look(&mut script)
        });
        assert_eq!(seen, expected, "{place}, ticks: {ticks}");
    }
}

fn told(answer: Answer) -> String {
    match answer {
        Ok(_) => "done".into(),
        Err(refusal) => refusal.reason().to_string(),
    }
}

const STATE: Look = |s| s.state_of("k").map_or("purged".into(), |state| state.to_string());
const MATERIAL: Look = |s| {
    s.admin().update("k").unwrap_err();
    let versions = s.machine.state().versions(key_id("k"));
    let erased = versions.iter().all(|version| version.material.is_none());
    if erased { "erased".into() } else { "there".into() }
};
const CANCEL: Look = |s| told(s.admin().cancel("k"));
const CANCELLED: Look = |s| {
    s.admin().cancel("k").unwrap();
    STATE(s)
};
const DELETE_NOW: Look = |s| told(s.admin().delete_now("k"));
const RESTORE: Look = |s| told(s.admin().restore("k"));
const PURGE: Look = |s| told(s.by("purger").purge("k"));
const ENABLE: Look = |s| told(s.admin().enable("k"));
const ENABLED: Look = |s| {
    s.admin().enable("k").unwrap();
    STATE(s)
};
const ROTATE: Look = |s| told(s.admin().rotate("k"));
const BY_SCHEDULE: Look = |s| told(s.cluster().rotate_by_schedule("k"));

/// An instance of a preset with key `k`, and a principal that may purge.
fn of(policy: Preset) -> Script {
    with(policy, None, None)
}

fn with(policy: Preset, expires_ms: Option<u64>, rotate_every_ms: Option<u64>) -> Script {
    let mut s = Script::unsealed();
    s.admin().send(create_principal("purger")).unwrap();
    s.admin().send(create_token("purger", "purger", 365 * DAY)).unwrap();
    s.admin().send(bind(grant(Role::KeyPurge, "purger"), None)).unwrap();
    s.admin().send(create_instance("shop", preset(policy))).unwrap();
    let expires_at_ms = expires_ms.map(|ms| START_MS + ms);
    let create = CreateKey { expires_at_ms, rotate_every_ms, ..create_in("shop", "k") };
    s.admin().send(Command::CreateKey(create)).unwrap();
    s
}

/// Deletion requested now.
fn pending(mut s: Script) -> Script {
    s.admin().delete("k").unwrap();
    s
}

/// Destroyed now.
fn destroyed(s: Script) -> Script {
    let mut s = pending(s);
    if s.state_of("k") == Some(KeyState::PendingDeletion) {
        s.admin().delete_now("k").unwrap();
    }
    s
}

fn disabled(mut s: Script) -> Script {
    s.admin().disable("k").unwrap();
    s
}

#[test]
fn the_grace_period_of_72_hours() {
    let layered = pending(of(Preset::Layered));
    at(&layered, 72 * HOUR, CANCEL, ["done", "done", "done", "KEY_STATE", "KEY_STATE"]);
    at(&layered, 72 * HOUR, DELETE_NOW, ["done", "done", "done", "KEY_STATE", "KEY_STATE"]);
    let waits = "PendingDeletion";
    at(&layered, 72 * HOUR, STATE, [waits, waits, waits, "Destroyed", "Destroyed"]);
    let restore = ["KEY_STATE", "KEY_STATE", "KEY_STATE", "done", "done"];
    at(&layered, 72 * HOUR, RESTORE, restore);
    let scheduled = pending(of(Preset::Scheduled));
    at(&scheduled, 72 * HOUR, STATE, [waits, waits, waits, "purged", "purged"]);
    at(&scheduled, 72 * HOUR, CANCEL, ["done", "done", "done", "NOT_FOUND", "NOT_FOUND"]);
}

#[test]
fn a_preset_without_a_next_step_goes_straight_on() {
    let destroyed_at_once = pending(of(Preset::SoftDelete));
    assert_eq!(destroyed_at_once.state_of("k"), Some(KeyState::Destroyed));
    let purged_at_once = destroyed(of(Preset::Scheduled));
    assert_eq!(purged_at_once.state_of("k"), None);
}

#[test]
fn the_purge_floor_of_4_hours() {
    for preset in [Preset::Layered, Preset::SoftDelete] {
        let s = destroyed(of(preset));
        at(&s, 4 * HOUR, PURGE, ["TOO_EARLY", "TOO_EARLY", "done", "done", "done"]);
    }
}

#[test]
fn the_restore_window_of_30_days() {
    for preset in [Preset::Layered, Preset::SoftDelete] {
        let s = destroyed(of(preset));
        at(&s, 30 * DAY, RESTORE, ["done", "done", "done", "WINDOW_OVER", "WINDOW_OVER"]);
        at(&s, 30 * DAY, MATERIAL, ["there", "there", "there", "erased", "erased"]);
        let stays = "Destroyed";
        at(&s, 30 * DAY, STATE, [stays; 5]);
    }
    // Counted from the destruction, which was at the end of the grace period whoever noticed it when.
    let s = pending(of(Preset::Layered));
    at(&s, 33 * DAY, RESTORE, ["done", "done", "done", "WINDOW_OVER", "WINDOW_OVER"]);
}

#[test]
fn the_automatic_purge_after_90_days() {
    let stays = "Destroyed";
    for preset in [Preset::Layered, Preset::SoftDelete] {
        let s = destroyed(of(preset));
        at(&s, 90 * DAY, STATE, [stays, stays, stays, "purged", "purged"]);
        at(&s, 90 * DAY, PURGE, ["done", "done", "done", "NOT_FOUND", "NOT_FOUND"]);
    }
    let s = pending(of(Preset::Layered));
    at(&s, 93 * DAY, STATE, [stays, stays, stays, "purged", "purged"]);
}

#[test]
fn the_cool_downs_of_key_protect() {
    let after = ["TOO_EARLY", "TOO_EARLY", "done", "done", "done"];
    at(&disabled(of(Preset::SoftDelete)), 30 * SECOND, ENABLE, after);
    at(&destroyed(of(Preset::SoftDelete)), 30 * SECOND, RESTORE, after);
    let mut rotated = of(Preset::SoftDelete);
    rotated.admin().rotate("k").expect("the first rotation needs no rest");
    at(&rotated, HOUR, ROTATE, after);
    let mut by_schedule = with(Preset::SoftDelete, None, Some(DAY));
    by_schedule.wait_ms(DAY);
    by_schedule.cluster().rotate_by_schedule("k").unwrap();
    at(&by_schedule, HOUR, ROTATE, after);
}

#[test]
fn the_other_presets_have_no_cool_downs() {
    for preset in [Preset::Layered, Preset::Scheduled] {
        let mut s = disabled(of(preset));
        s.admin().enable("k").unwrap();
        s.admin().rotate("k").unwrap();
        s.admin().rotate("k").unwrap();
    }
    destroyed(of(Preset::Layered)).admin().restore("k").unwrap();
}

#[test]
fn what_is_too_early_says_from_when_on() {
    let mut s = destroyed(of(Preset::Layered));
    s.wait_ms(HOUR);
    let refusal = s.by("purger").purge("k").unwrap_err();
    assert_eq!(refusal.metadata()["not_before_ms"], (START_MS + 4 * HOUR).to_string());
    assert_eq!(refusal.metadata()["action"], "Purge");
}

#[test]
fn the_expiry_date() {
    let s = with(Preset::Layered, Some(DAY), None);
    at(&s, DAY, STATE, ["Enabled", "Enabled", "Deactivated", "Deactivated", "Deactivated"]);
    let now = |state: &'static str| ["Enabled", "Enabled", state, state, state];
    at(&disabled(s.clone()), DAY, ENABLED, now("Deactivated"));
    at(&disabled(s.clone()), DAY, STATE, ["Disabled"; 5]);
    let cancelled = ["Disabled", "Disabled", "Deactivated", "Deactivated", "Deactivated"];
    at(&pending(s.clone()), DAY, CANCELLED, cancelled);
    at(&pending(s.clone()), DAY, STATE, ["PendingDeletion"; 5]);
    at(&destroyed(s), DAY, RESTORE, ["done", "done", "EXPIRED", "EXPIRED", "EXPIRED"]);
}

#[test]
fn an_expiry_date_lies_in_the_future() {
    let mut s = Script::unsealed();
    let mut create = |name: &str, expires_at_ms| {
        let create = CreateKey { expires_at_ms: Some(expires_at_ms), ..create_of(name) };
        s.admin().send(Command::CreateKey(create))
    };
    assert_eq!(create("a", START_MS - 1), Err(Refusal::ExpiryInThePast));
    assert_eq!(create("b", START_MS), Err(Refusal::ExpiryInThePast));
    create("c", START_MS + 1).unwrap();
}

#[test]
fn a_rotation_is_due_at_its_date() {
    let due = ["TOO_EARLY", "TOO_EARLY", "done", "done", "done"];
    for preset in Preset::ALL {
        let s = with(preset, None, Some(30 * DAY));
        at(&s, 30 * DAY, BY_SCHEDULE, due);
        let by_state = if preset == Preset::SoftDelete { ["TOO_EARLY"; 5] } else { due };
        at(&disabled(s.clone()), 30 * DAY, BY_SCHEDULE, by_state);
    }
    let mut layered = with(Preset::Layered, None, Some(DAY));
    layered.admin().delete("k").unwrap();
    at(&layered, DAY, BY_SCHEDULE, due);
    // What has expired is not rotated by itself.
    at(&with(Preset::Layered, Some(DAY), Some(DAY)), DAY, BY_SCHEDULE, ["TOO_EARLY"; 5]);
}

/// An outage of several periods is made up for once. Where the schedule counts from the last rotation it
/// starts anew; where it counts from the due date it keeps its rhythm.
#[test]
fn a_rotation_that_is_overdue_runs_once() {
    let period = 30 * DAY;
    let cases = [
        (Preset::Layered, 0, period),
        (Preset::Scheduled, 0, period),
        (Preset::Layered, HOUR, period + HOUR),
        (Preset::Scheduled, HOUR, period),
        (Preset::Layered, period - 1, 2 * period - 1),
        (Preset::Scheduled, period - 1, period),
        (Preset::Layered, period, 2 * period),
        (Preset::Scheduled, period, 2 * period),
        (Preset::SoftDelete, 7 * period + HOUR, 8 * period + HOUR),
        (Preset::Scheduled, 7 * period + HOUR, 8 * period),
    ];
    for (preset, late_ms, next_ms) in cases {
        let mut s = with(preset, None, Some(period));
        s.wait_ms(period + late_ms);
        s.cluster().rotate_by_schedule("k").unwrap();
        assert_eq!(s.cluster().rotate_by_schedule("k"), Err(Refusal::NotDue));
        let key = s.key("k");
        let next_at_ms = START_MS + period + next_ms;
        let schedule = Rotation { every_ms: period, next_at_ms, on: true };
        assert_eq!(key.rotation, Some(schedule), "{preset}, {late_ms} ms late");
        assert_eq!((key.primary_version, key.rotated_at_ms), (2, Some(s.now_ms)));
    }
}

#[test]
fn a_rotation_by_hand_restarts_the_schedule_by_policy() {
    for (preset, next_ms) in
        [(Preset::Layered, 40 * DAY), (Preset::Scheduled, 30 * DAY), (Preset::SoftDelete, 40 * DAY)]
    {
        let mut s = with(preset, None, Some(30 * DAY));
        s.wait_ms(10 * DAY);
        s.admin().rotate("k").unwrap();
        assert_eq!(s.key("k").rotation.unwrap().next_at_ms, START_MS + next_ms, "{preset}");
    }
}

#[test]
fn a_rotation_period_is_1_to_730_days() {
    let mut s = of(Preset::Layered);
    for (every_ms, good) in
        [(0, false), (DAY - 1, false), (DAY, true), (730 * DAY, true), (730 * DAY + 1, false)]
    {
        let answer = s.admin().send(set_rotation("k", RotationChange::Every(every_ms)));
        assert_eq!(answer.is_ok(), good, "{every_ms} ms: {answer:?}");
        let create = CreateKey {
            alias: None,
            rotate_every_ms: Some(every_ms),
            ..create_of(&format!("every {every_ms}"))
        };
        assert_eq!(s.admin().send(Command::CreateKey(create)).is_ok(), good, "{every_ms} ms");
    }
    s.admin().send(set_rotation("k", RotationChange::Off)).unwrap();
    s.wait_ms(800 * DAY);
    assert_eq!(s.cluster().rotate_by_schedule("k"), Err(Refusal::NotDue));
}

/// From version 90 on subscribers are warned; the 101st is refused, and the schedule turns itself off in
/// the entry that would have made it.
#[test]
fn the_cap_of_100_versions() {
    let mut s = with(Preset::Layered, None, Some(DAY));
    let mut warned = Vec::new();
    while s.key("k").primary_version < limits::VERSIONS_PER_KEY {
        let before = s.told("k").len();
        s.admin().rotate("k").unwrap();
        warned.extend(s.told("k")[before..].iter().copied());
    }
    let expected: Vec<_> =
        (90..=100).map(|versions| EventKind::VersionsNearLimit { versions }).collect();
    assert_eq!(warned, expected);
    assert_eq!(s.admin().rotate("k"), Err(Refusal::VersionLimit));
    s.wait_ms(DAY);
    let due = s.machine.state().due_rotations(s.now_ms, 10);
    assert_eq!(due, [(s.now_ms, key_id("k"))]);
    s.cluster().rotate_by_schedule("k").unwrap();
    let key = s.key("k");
    assert_eq!(key.primary_version, 100);
    assert!(!key.rotation.unwrap().on);
    assert_eq!(s.told("k").last(), Some(&EventKind::RotationStopped));
    assert_eq!(s.machine.state().due_rotations(u64::MAX, 10), []);
    s.wait_ms(700 * DAY);
    assert_eq!(s.cluster().rotate_by_schedule("k"), Err(Refusal::NotDue));
}
