//! The model against the golden file, and against stories told by hand.

use super::*;

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const MINUTE: u64 = 60 * SECOND;
const OK: &str = "OK";

/// One key, number 1, and a clock. A test reads as a list of moments.
struct Script {
    model: Model,
}

impl Script {
    fn new(policy: Policy) -> Self {
        Self::with(policy, None, None)
    }

    fn with(policy: Policy, expires_at_ms: Option<u64>, rotate_every_ms: Option<u64>) -> Self {
        let alias = Some("orders".to_owned());
        let mut script = Self { model: Model::new(VERSION_CAP_DEFAULT) };
        script.at(0, create(1, alias, policy, expires_at_ms, rotate_every_ms), OK);
        script
    }

    fn at(&mut self, now: u64, command: Command, expected: &str) -> &mut Self {
        let answer = self.model.apply(now, &command).err().unwrap_or(OK);
        assert_eq!(answer, expected, "at {now}: {command:?}");
        self
    }

    fn is(&mut self, now: u64, state: &str) -> &mut Self {
        self.model.advance(now);
        let found = self.model.view(1).map_or("purged", |view| view.state);
        assert_eq!(found, state, "at {now}");
        self
    }

    fn view(&self) -> View {
        self.model.view(1).expect("key 1 is there")
    }

    fn usable(&self) -> Vec<u32> {
        let view = self.view();
        view.versions.iter().filter(|it| it.usable).map(|it| it.version).collect()
    }
}

fn create(
    key: u32,
    alias: Option<String>,
    policy: Policy,
    expires_at_ms: Option<u64>,
    rotate_every_ms: Option<u64>,
) -> Command {
    Command::CreateKey { key, alias, policy, expires_at_ms, rotate_every_ms }
}
fn encrypt() -> Command {
    Command::Encrypt { key: 1 }
}
fn decrypt(version: u32) -> Command {
    Command::Decrypt { key: 1, version }
}
fn rotate() -> Command {
    Command::RotateKey { key: 1 }
}
fn scheduled_rotation() -> Command {
    Command::ScheduledRotation { key: 1 }
}
fn enable() -> Command {
    Command::EnableKey { key: 1 }
}
fn disable() -> Command {
    Command::DisableKey { key: 1 }
}
fn switch(version: u32, enabled: bool) -> Command {
    Command::SetVersionEnabled { key: 1, version, enabled }
}
fn delete() -> Command {
    Command::DeleteKey { key: 1, force: false }
}
fn force_delete() -> Command {
    Command::DeleteKey { key: 1, force: true }
}
fn cancel() -> Command {
    Command::CancelDeletion { key: 1 }
}
fn delete_now() -> Command {
    Command::DeleteNow { key: 1 }
}
fn restore() -> Command {
    Command::RestoreKey { key: 1 }
}
fn purge() -> Command {
    Command::PurgeKey { key: 1 }
}
fn register(principal: u32, resource: &str, prevent_deletion: bool) -> Command {
    let resource = resource.to_owned();
    Command::RegisterResource { key: 1, principal, resource, prevent_deletion }
}
fn unregister(principal: u32, resource: &str) -> Command {
    Command::UnregisterResource { key: 1, principal, resource: resource.to_owned() }
}
fn update() -> Command {
    Command::UpdateKey { key: 1 }
}
fn add_alias(key: u32, alias: &str) -> Command {
    Command::AddAlias { key, alias: alias.to_owned() }
}
fn remove_alias(alias: &str) -> Command {
    Command::RemoveAlias { key: 1, alias: alias.to_owned() }
}
fn set_rotation(every_ms: Option<u64>) -> Command {
    Command::SetRotation { key: 1, every_ms }
}
fn lengthen(windows: [Option<u64>; 4]) -> Command {
    let [grace_ms, restore_window_ms, purge_floor_ms, auto_purge_ms] = windows;
    Command::LengthenWindows { key: 1, grace_ms, restore_window_ms, purge_floor_ms, auto_purge_ms }
}

#[test]
fn story_of_naver() {
    let mut script = Script::with(Policy::scheduled(), None, Some(90 * DAY));
    script.at(DAY, rotate(), OK).at(2 * DAY, rotate(), OK).at(3 * DAY, switch(1, false), OK).at(
        4 * DAY,
        disable(),
        OK,
    );
    assert!(script.usable().is_empty());
    // The schedule runs while disabled, and counts from the due date, not from the rotation.
    script
        .at(90 * DAY - 1, scheduled_rotation(), NOT_DUE)
        .at(90 * DAY + HOUR, scheduled_rotation(), OK)
        .at(100 * DAY, delete(), OK)
        .is(100 * DAY, "PendingDeletion");
    assert_eq!(script.view().rotation, Some((90 * DAY, 180 * DAY, true)));
    script
        .at(101 * DAY, decrypt(2), KEY_STATE)
        .at(101 * DAY, enable(), KEY_STATE)
        .at(103 * DAY, cancel(), OK)
        .is(103 * DAY, "Disabled");
    assert_eq!(script.view().requested_at_ms, None);
    script.at(103 * DAY, enable(), OK).is(103 * DAY, "Enabled");
    assert_eq!(script.usable(), [2, 3, 4]);
    assert_eq!(script.view().primary_version, 4);
    script
        .at(104 * DAY, decrypt(1), VERSION_STATE)
        .at(104 * DAY, decrypt(2), OK)
        .at(104 * DAY, decrypt(5), NOT_FOUND)
        .at(105 * DAY, delete(), OK)
        .is(108 * DAY, "PendingDeletion")
        .is(108 * DAY + 1, "purged")
        .at(109 * DAY, restore(), NOT_FOUND);
}

#[test]
fn story_of_key_protect() {
    let mut script = Script::with(Policy::soft_delete(), Some(200 * DAY), Some(30 * DAY));
    script
        .at(HOUR, disable(), OK)
        .at(HOUR + 30 * SECOND, enable(), OK)
        .at(2 * HOUR, register(7, "crn:bucket", false), OK)
        .at(3 * HOUR, delete(), REGISTERED)
        .at(3 * HOUR, disable(), OK)
        .at(30 * DAY, scheduled_rotation(), NOT_DUE)
        .at(31 * DAY, force_delete(), OK)
        .is(31 * DAY, "Destroyed");
    assert!(script.view().registrations.is_empty());
    script
        .at(31 * DAY, encrypt(), KEY_STATE)
        .at(31 * DAY + MINUTE, restore(), OK)
        .is(31 * DAY + MINUTE, "Enabled")
        .at(32 * DAY, scheduled_rotation(), OK);
    assert_eq!(script.view().rotation, Some((30 * DAY, 62 * DAY, true)));
    // Past its expiry the key still decrypts and rotates, and neither encrypts nor comes back.
    script
        .is(200 * DAY, "Deactivated")
        .at(200 * DAY, encrypt(), KEY_STATE)
        .at(200 * DAY, decrypt(1), OK)
        .at(200 * DAY, rotate(), OK)
        .at(200 * DAY, disable(), KEY_STATE)
        .at(200 * DAY, scheduled_rotation(), NOT_DUE)
        .at(201 * DAY, delete(), OK)
        .at(201 * DAY, restore(), EXPIRED)
        .at(201 * DAY + 4 * HOUR - 1, purge(), TOO_EARLY)
        .at(201 * DAY + 4 * HOUR, purge(), OK)
        .is(201 * DAY + 4 * HOUR, "purged");
}

#[test]
fn grace_ends_after_72_hours_not_at_them() {
    for (late, answer, state) in
        [(0, OK, "Disabled"), (1, KEY_STATE, "Destroyed"), (SECOND, KEY_STATE, "Destroyed")]
    {
        let mut script = Script::new(Policy::layered());
        script.at(HOUR, delete(), OK).is(73 * HOUR - SECOND, "PendingDeletion");
        assert_eq!(script.view().destroys_at_ms, Some(73 * HOUR));
        script.at(73 * HOUR + late, cancel(), answer).is(73 * HOUR + late, state);
    }
}

#[test]
fn restore_works_until_30_days_and_returns_where_deletion_was_asked() {
    for (late, answer) in [(0, OK), (1, WINDOW_OVER), (SECOND, WINDOW_OVER)] {
        let mut script = Script::new(Policy::layered());
        script
            .at(HOUR, disable(), OK)
            .at(HOUR, delete(), OK)
            .at(2 * HOUR, delete_now(), OK)
            .is(2 * HOUR + 30 * DAY, "Destroyed");
        assert!(!script.view().versions[0].erased);
        script.at(2 * HOUR + 30 * DAY + late, restore(), answer);
        assert_eq!(script.view().versions[0].erased, answer != OK);
        script.is(40 * DAY, if answer == OK { "Disabled" } else { "Destroyed" });
    }
}

#[test]
fn purge_floor_and_auto_purge() {
    let mut script = Script::new(Policy::layered());
    script
        .at(0, delete(), OK)
        .at(0, delete_now(), OK)
        .at(4 * HOUR - SECOND, purge(), TOO_EARLY)
        .is(90 * DAY, "Destroyed");
    let view = script.view();
    assert_eq!(view.restore_until_ms, Some(30 * DAY));
    assert_eq!(view.purge_from_ms, Some(4 * HOUR));
    assert_eq!(view.purge_at_ms, Some(90 * DAY));
    script
        .is(90 * DAY + 1, "purged")
        .at(91 * DAY, Command::DisableKey { key: 1 }, NOT_FOUND)
        .at(91 * DAY, create(1, None, Policy::layered(), None, None), ALREADY_EXISTS)
        .at(91 * DAY, create(2, Some("orders".into()), Policy::layered(), None, None), OK);
}

#[test]
fn timers_noticed_late_are_dated_at_their_deadlines() {
    let mut script = Script::new(Policy::layered());
    script.at(0, delete(), OK).is(3 * DAY + 30 * DAY, "Destroyed");
    assert_eq!(script.view().destroyed_at_ms, Some(3 * DAY));
    assert!(!script.view().versions[0].erased);
    script.is(93 * DAY, "Destroyed");
    assert!(script.view().versions[0].erased);
    script.is(93 * DAY + 1, "purged");
    // Nobody looked for a year: the alias is as free as if somebody had.
    let mut script = Script::new(Policy::layered());
    script
        .at(0, delete(), OK)
        .at(365 * DAY, create(2, Some("orders".into()), Policy::layered(), None, None), OK)
        .is(365 * DAY, "purged");
}

#[test]
fn a_second_deletion_restarts_every_clock() {
    let mut script = Script::new(Policy::layered());
    script
        .at(0, delete(), OK)
        .at(DAY, delete_now(), OK)
        .at(10 * DAY, restore(), OK)
        .is(10 * DAY, "Enabled");
    assert_eq!((script.view().requested_at_ms, script.view().purge_at_ms), (None, None));
    script
        .at(20 * DAY, delete(), OK)
        .is(23 * DAY, "PendingDeletion")
        .is(23 * DAY + 1, "Destroyed")
        .at(53 * DAY, restore(), OK)
        .is(53 * DAY, "Enabled");
}

#[test]
fn cool_downs_end_at_their_boundary() {
    let mut script = Script::new(Policy::soft_delete());
    script
        .at(0, disable(), OK)
        .at(29 * SECOND, enable(), TOO_EARLY)
        .at(30 * SECOND - 1, enable(), TOO_EARLY)
        .at(30 * SECOND, enable(), OK)
        .at(HOUR, rotate(), OK)
        .at(2 * HOUR - SECOND, rotate(), TOO_EARLY)
        .at(2 * HOUR, rotate(), OK)
        .at(DAY, delete(), OK)
        .at(DAY + 29 * SECOND, restore(), TOO_EARLY)
        .at(DAY + 30 * SECOND, restore(), OK);
    // A cancel is no disable: only the older, real one counts.
    let policy = Policy { enable_cooldown_ms: DAY, ..Policy::layered() };
    let mut script = Script::new(policy);
    script
        .at(0, delete(), OK)
        .at(HOUR, cancel(), OK)
        .at(HOUR, enable(), OK)
        .at(2 * HOUR, disable(), OK)
        .at(3 * HOUR, delete(), OK)
        .at(4 * HOUR, cancel(), OK)
        .at(26 * HOUR - SECOND, enable(), TOO_EARLY)
        .at(26 * HOUR, enable(), OK);
}

#[test]
fn expiry_turns_only_an_enabled_key_and_marks_the_others() {
    let fresh = || Script::with(Policy::layered(), Some(DAY), None);
    fresh().is(DAY - SECOND, "Enabled").at(DAY - 1, encrypt(), OK).is(DAY, "Deactivated");
    fresh()
        .at(HOUR, disable(), OK)
        .is(DAY + SECOND, "Disabled")
        .at(DAY + SECOND, enable(), OK)
        .is(DAY + SECOND, "Deactivated")
        .at(2 * DAY, disable(), OK)
        .is(2 * DAY, "Disabled");
    fresh().at(HOUR, delete(), OK).at(DAY, cancel(), OK).is(DAY, "Deactivated");
    fresh().at(HOUR, delete(), OK).at(DAY - 1, cancel(), OK).is(DAY + 1, "Disabled");
    fresh().at(0, delete(), OK).at(0, delete_now(), OK).at(DAY - 1, restore(), OK);
    fresh().at(0, delete(), OK).at(0, delete_now(), OK).at(DAY, restore(), EXPIRED);
    fresh().at(5, create(2, None, Policy::layered(), Some(5), None), INVALID_ARGUMENT).at(
        5,
        create(2, None, Policy::layered(), Some(6), None),
        OK,
    );
}

#[test]
fn rotation_is_due_at_its_date_and_an_outage_runs_once() {
    let period = 30 * DAY;
    for (policy, next_at) in [
        (Policy::layered(), 3 * period + HOUR + period),
        (Policy::scheduled(), 4 * period), // from the due date
    ] {
        let mut script = Script::with(policy, None, Some(period));
        script
            .at(period - SECOND, scheduled_rotation(), NOT_DUE)
            .at(3 * period + HOUR, scheduled_rotation(), OK)
            .at(3 * period + HOUR, scheduled_rotation(), NOT_DUE);
        assert_eq!(script.view().primary_version, 2);
        assert_eq!(script.view().rotation, Some((period, next_at, true)));
    }
    let mut script = Script::with(Policy::scheduled(), None, Some(period));
    script.at(2 * period, scheduled_rotation(), OK);
    assert_eq!(script.view().rotation, Some((period, 3 * period, true)));
}

#[test]
fn a_manual_rotation_restarts_the_schedule_where_the_policy_says_so() {
    for (policy, next_at) in [(Policy::layered(), 31 * DAY), (Policy::scheduled(), 30 * DAY)] {
        let mut script = Script::with(policy, None, Some(30 * DAY));
        script.at(DAY, rotate(), OK);
        assert_eq!(script.view().rotation, Some((30 * DAY, next_at, true)));
    }
    let mut script = Script::new(Policy::layered());
    script
        .at(0, set_rotation(Some(DAY - 1)), INVALID_ARGUMENT)
        .at(0, set_rotation(Some(730 * DAY + 1)), INVALID_ARGUMENT)
        .at(0, set_rotation(Some(730 * DAY)), OK)
        .at(DAY, set_rotation(Some(DAY)), OK);
    assert_eq!(script.view().rotation, Some((DAY, 2 * DAY, true)));
    script.at(DAY, set_rotation(None), OK).at(9 * DAY, scheduled_rotation(), NOT_DUE);
    assert_eq!(script.view().rotation, None);
}

#[test]
fn version_101_is_refused_and_the_schedule_turns_itself_off() {
    let mut script = Script::with(Policy::layered(), None, Some(DAY));
    for _ in 1..100 {
        script.at(HOUR, rotate(), OK);
    }
    assert_eq!(script.view().primary_version, 100);
    script.at(2 * HOUR, rotate(), VERSION_LIMIT).at(2 * DAY, scheduled_rotation(), OK);
    assert_eq!(script.view().primary_version, 100);
    assert_eq!(script.view().rotation, Some((DAY, DAY + HOUR, false)));
    script.at(3 * DAY, scheduled_rotation(), NOT_DUE);
    // A raised cap brings versions back, but not the schedule.
    script.model.version_cap = 101;
    script.at(4 * DAY, rotate(), OK).at(9 * DAY, scheduled_rotation(), NOT_DUE);
    assert_eq!(script.view().rotation, Some((DAY, DAY + HOUR, false)));
}

#[test]
fn version_switches() {
    let mut script = Script::new(Policy::layered());
    script
        .at(0, switch(1, false), VERSION_STATE) // the newest
        .at(0, rotate(), OK)
        .at(0, switch(1, true), VERSION_STATE)
        .at(0, switch(1, false), OK)
        .at(0, switch(1, false), VERSION_STATE)
        .at(0, switch(0, false), NOT_FOUND)
        .at(0, switch(3, false), NOT_FOUND)
        .at(1, disable(), OK)
        .at(1, switch(1, true), KEY_STATE);
    assert!(script.usable().is_empty());
    script.at(2, enable(), OK);
    assert_eq!(script.usable(), [2]);
}

#[test]
fn registrations_hold_a_deletion_back() {
    let mut script = Script::new(Policy::layered());
    script
        .at(0, register(7, "urn:a", true), OK)
        .at(0, register(8, "urn:b", false), OK)
        .at(1, delete(), RETENTION)
        .at(1, force_delete(), RETENTION)
        .at(2, unregister(8, "urn:a"), RETENTION)
        .at(2, register(8, "urn:a", false), RETENTION)
        .at(3, register(7, "urn:a", false), OK)
        .at(4, delete(), REGISTERED)
        .at(5, unregister(8, "urn:c"), NOT_FOUND)
        .at(6, force_delete(), OK);
    // They go with the key, not with the request, so a cancel keeps them.
    assert_eq!(script.view().registrations, [("urn:a".into(), false), ("urn:b".into(), false)]);
    script.at(7, register(7, "urn:d", false), KEY_STATE).at(8, unregister(8, "urn:a"), OK).at(
        9,
        cancel(),
        OK,
    );
    assert_eq!(script.view().registrations, [("urn:b".into(), false)]);
    script.at(10, force_delete(), OK).at(11, delete_now(), OK);
    assert!(script.view().registrations.is_empty());
    script.at(12, unregister(8, "urn:b"), KEY_STATE);
}

/// The commands cannot bring a registration into a pending deletion, so this test plants one.
#[test]
fn retention_is_checked_again_at_the_end_of_the_grace() {
    for (expires_at, state) in
        [(None, "Disabled"), (Some(72 * HOUR), "Deactivated"), (Some(72 * HOUR + 1), "Disabled")]
    {
        let mut script = Script::with(Policy::layered(), expires_at, None);
        script.at(0, force_delete(), OK);
        let planted = Registration { principal: 7, prevent_deletion: true };
        let key = script.model.keys.get_mut(&1).expect("key 1 is there");
        key.registrations.insert("urn:a".into(), planted);
        script.at(DAY, delete_now(), RETENTION).is(80 * HOUR, state);
        assert_eq!(script.view().requested_at_ms, None);
        assert_eq!(script.view().registrations, [("urn:a".into(), true)]);
    }
}

#[test]
fn aliases_are_unique_and_five() {
    let mut script = Script::new(Policy::layered());
    script
        .at(0, create(2, Some("orders".into()), Policy::layered(), None, None), ALREADY_EXISTS)
        .at(0, create(2, Some("bills".into()), Policy::layered(), None, None), OK)
        .at(0, add_alias(1, "orders"), ALREADY_EXISTS)
        .at(0, add_alias(1, "bills"), ALREADY_EXISTS);
    for alias in ["a", "b", "c", "d"] {
        script.at(1, add_alias(1, alias), OK);
    }
    script
        .at(2, add_alias(1, "bills"), ALREADY_EXISTS)
        .at(2, add_alias(1, "e"), INVALID_ARGUMENT)
        .at(3, remove_alias("bills"), NOT_FOUND)
        .at(3, remove_alias("orders"), OK)
        .at(3, add_alias(2, "orders"), OK);
    assert_eq!(script.view().aliases, ["a", "b", "c", "d"]);
}

#[test]
fn own_windows_only_lengthen() {
    let mut script = Script::new(Policy::layered());
    script
        .at(0, lengthen([Some(72 * HOUR - 1), None, None, None]), POLICY_INVALID)
        .at(0, lengthen([None, Some(91 * DAY), None, None]), POLICY_INVALID)
        .at(0, lengthen([None, None, Some(91 * DAY), None]), POLICY_INVALID)
        .at(0, lengthen([None, Some(91 * DAY), None, Some(91 * DAY)]), OK)
        .at(0, lengthen([Some(4 * DAY), None, None, None]), OK)
        .at(1, delete(), OK)
        .at(1, lengthen([Some(5 * DAY), None, None, None]), KEY_STATE)
        .is(1 + 4 * DAY, "PendingDeletion")
        .is(2 + 4 * DAY, "Destroyed");
    assert_eq!(script.view().restore_until_ms, Some(1 + 95 * DAY));
}

#[test]
fn a_window_of_nothing_goes_straight_on() {
    let no_restore = Policy { restore_window_ms: 0, ..Policy::layered() };
    let mut script = Script::new(no_restore);
    script.at(0, delete(), OK).at(HOUR, delete_now(), OK).at(HOUR, restore(), KEY_STATE);
    assert!(script.view().versions[0].erased);
    let nothing = Policy { grace_ms: 0, ..Policy::scheduled() };
    Script::new(nothing).at(0, delete(), OK).is(0, "purged");
}

/// Whoever looks, and whenever, the answers and the end are the same.
#[test]
fn looking_changes_nothing() {
    let mut seed = 1_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    for _ in 0..3_000 {
        let (mut quiet, mut watched) = (Model::new(6), Model::new(6));
        let mut now = 0;
        for _ in 0..60 {
            now += random(4) * [1, HOUR, 12 * HOUR, 30 * DAY][random(4) as usize];
            let command = any_command(&mut random, now);
            watched.advance(now);
            let answers = (quiet.apply(now, &command), watched.apply(now, &command));
            assert_eq!(answers.0, answers.1, "{command:?}");
        }
        quiet.advance(now);
        watched.advance(now);
        for key in 0..3 {
            assert_eq!(quiet.view(key), watched.view(key));
        }
    }
}

fn any_command(random: &mut impl FnMut(u64) -> u64, now: u64) -> Command {
    let key = random(3) as u32;
    let alias = format!("alias{}", random(4));
    let policies = [Policy::layered(), Policy::scheduled(), Policy::soft_delete()];
    let policy = policies[random(3) as usize].clone();
    let (principal, resource) = (random(2) as u32, format!("urn:{}", random(2)));
    let flag = random(2) == 0;
    match random(20) {
        0 | 1 => {
            let expires_at_ms = flag.then_some(now + random(60) * DAY);
            create(key, Some(alias), policy, expires_at_ms, Some(30 * DAY))
        }
        2 => Command::Decrypt { key, version: random(4) as u32 },
        3 => Command::RotateKey { key },
        4 | 5 => Command::ScheduledRotation { key },
        6 => Command::EnableKey { key },
        7 => Command::DisableKey { key },
        8 => Command::SetVersionEnabled { key, version: random(4) as u32, enabled: flag },
        9 | 10 => Command::DeleteKey { key, force: flag },
        11 => Command::CancelDeletion { key },
        12 => Command::DeleteNow { key },
        13 => Command::RestoreKey { key },
        14 => Command::PurgeKey { key },
        15 => {
            let prevent_deletion = random(8) == 0;
            Command::RegisterResource { key, principal, resource, prevent_deletion }
        }
        16 => Command::UnregisterResource { key, principal, resource },
        17 => Command::AddAlias { key, alias },
        18 => Command::RemoveAlias { key, alias },
        _ => Command::Encrypt { key },
    }
}

/// The hour at which the matrix asks; the expired situations expired before it.
const ASKED: u64 = 48 * HOUR;

/// Brings a key into a situation by the default policy and only then gives it the preset's, so
/// that the rows a preset cannot reach can be asked too.
fn situation(preset: &str, name: &str) -> Model {
    let expired = name.ends_with("expired") || name == "Deactivated";
    let expires_at_ms = expired.then_some(36 * HOUR);
    let mut script = Script::with(Policy::layered(), expires_at_ms, Some(DAY));
    script.at(DAY, scheduled_rotation(), OK).at(DAY, register(7, "urn:a", false), OK);
    let steps: &[Command] = match name {
        "Enabled" | "Deactivated" => &[],
        "Disabled" | "Disabled expired" => &[disable()],
        "PendingDeletion from Enabled" | "PendingDeletion expired" => &[force_delete()],
        "PendingDeletion from Disabled" => &[disable(), force_delete()],
        "Destroyed from Enabled" | "Destroyed expired" => &[force_delete(), delete_now()],
        "Destroyed from Disabled" => &[disable(), force_delete(), delete_now()],
        other => panic!("no situation {other}"),
    };
    for step in steps {
        script.at(30 * HOUR, step.clone(), OK);
    }
    let state = name.split(' ').next().expect("a word");
    script.is(ASKED, state);
    let key = script.model.keys.get_mut(&1).expect("key 1 is there");
    key.policy = match preset {
        "layered" => Policy::layered(),
        "scheduled" => Policy::scheduled(),
        "soft-delete" => Policy::soft_delete(),
        other => panic!("no preset {other}"),
    };
    script.model
}

/// `None` where the model has no such command.
fn command(action: &str) -> Option<Vec<Command>> {
    Some(match action {
        "Encrypt" => vec![encrypt()],
        "Decrypt" => vec![decrypt(1)],
        "Rotate" => vec![rotate()],
        "ScheduledRotation" => vec![scheduled_rotation()],
        "Enable" => vec![enable()],
        "Disable" => vec![disable()],
        "Update" => vec![update()],
        "Alias" => vec![add_alias(1, "more"), remove_alias("orders")],
        "SetPolicy" => vec![lengthen([Some(80 * HOUR), None, None, None]), set_rotation(None)],
        "Move" => return None,
        "SwitchVersion" => vec![switch(1, false)],
        "Register" => vec![register(7, "urn:b", false)],
        "Unregister" => vec![unregister(7, "urn:a")],
        "Delete" => vec![force_delete()],
        "CancelDeletion" => vec![cancel()],
        "DeleteNow" => vec![delete_now()],
        "Restore" => vec![restore()],
        "Purge" => vec![purge()],
        "Read" => vec![],
        other => panic!("no action {other}"),
    })
}

fn timer(action: &str) -> Option<Timer> {
    let all = [Timer::ExpiryReached, Timer::GraceOver, Timer::RestoreWindowOver, Timer::AutoPurge];
    all.into_iter().find(|timer| format!("{timer:?}") == action)
}

/// What the model says to one cell, each command on a fresh copy of the situation.
fn cell(preset: &str, name: &str, action: &str) -> Option<String> {
    if let Some(timer) = timer(action) {
        let mut model = situation(preset, name);
        let before = model.view(1);
        model.keys.get_mut(&1).expect("key 1 is there").fire(timer, ASKED);
        model.sweep(1);
        return Some(change(before, model.view(1), "nothing"));
    }
    let mut results = BTreeSet::new();
    let commands = command(action)?;
    if commands.is_empty() {
        results.insert(situation(preset, name).view(1).map_or("refused", |_| "allowed").into());
    }
    for command in commands {
        let mut model = situation(preset, name);
        let before = model.view(1);
        // Past `apply`, whose timers would leave a situation that the preset cannot be in.
        results.insert(match model.decide(ASKED, &command) {
            Ok(()) => change(before, model.view(1), "allowed"),
            Err(KEY_STATE | NOT_DUE) => "refused".to_owned(),
            Err(reason) => format!("refused {reason}"),
        });
    }
    assert_eq!(results.len(), 1, "{preset} {name} {action}: {results:?}");
    results.pop_first()
}

fn change(before: Option<View>, after: Option<View>, same: &str) -> String {
    let erased = |view: &Option<View>| view.as_ref().is_some_and(|it| it.versions[0].erased);
    let state = |view: &Option<View>| view.as_ref().map_or("purged", |it| it.state);
    match () {
        () if state(&before) != state(&after) => format!("-> {}", state(&after)),
        () if erased(&before) != erased(&after) => "material erased".to_owned(),
        () => same.to_owned(),
    }
}

/// The golden file is written by hand from the design; this holds the model against it.
#[test]
fn golden_file_and_model_agree() {
    let golden = include_str!("../../../../../../tests/golden/lifecycle.txt");
    let (mut rows, mut asked) = (BTreeSet::new(), 0);
    for line in golden.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [preset, name, action, result] = cells[..] else { panic!("not a row: {line}") };
        assert!(rows.insert((preset, name, action)), "twice: {line}");
        if let Some(said) = cell(preset, name, action) {
            asked += 1;
            assert_eq!(said, result, "{line}");
        }
    }
    assert_eq!((rows.len(), asked), (3 * 10 * 23, 3 * 10 * 22));
}
