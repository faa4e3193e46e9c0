//! Deletion: what holds it up, what it leaves, and what is told of it.

use crate::script::*;
use conclave_core::command::{Command, CreateKey};
use conclave_core::ids::PrincipalId;
use conclave_core::lifecycle::{KeyState, PolicyChange, Preset, RestoreTo};
use conclave_core::limits;
use conclave_core::model::{EventKind, Tombstone};
use conclave_core::outcome::{Bounded, Effect, Refusal, Thing};
use conclave_core::records::{RecordsRead, Table};
use conclave_core::roles::{Action, Role};
use std::ops::Bound;

/// `bob` is a Manager, `purger` may purge; key `orders` is of the preset.
fn shop(policy: Preset) -> Script {
    let mut s = Script::unsealed();
    s.add("bob", &[Role::Manager]);
    s.add("purger", &[Role::KeyPurge]);
    s.admin().send(create_instance("shop", preset(policy))).unwrap();
    s.admin().send(Command::CreateKey(create_in("shop", "orders"))).unwrap();
    s
}

fn destroyed() -> Script {
    let mut s = shop(Preset::Layered);
    s.admin().delete("orders").unwrap();
    s.admin().delete_now("orders").unwrap();
    s
}

/// What prevents deletion stands, whoever asks and however.
pub fn check_retention_holds() -> Result<(), String> {
    let mut s = shop(Preset::Layered);
    s.admin().register("orders", "urn:a", true).unwrap();
    for (how, answer) in [
        ("by request", s.admin().delete("orders")),
        ("with force", s.admin().force_delete("orders")),
        ("by another", s.by("bob").force_delete("orders")),
    ] {
        if answer != Err(Refusal::Retention { registrations: 1 }) {
            return Err(format!("{how}: {answer:?}"));
        }
    }
    match s.state_of("orders") {
        Some(KeyState::Enabled) => Ok(()),
        other => Err(format!("the key is {other:?}")),
    }
}

#[test]
fn retention_holds_whoever_asks_and_however() {
    check_retention_holds().unwrap();
}

/// A destroyed key is not purged before its purge floor.
pub fn check_the_purge_floor() -> Result<(), String> {
    let mut s = destroyed();
    s.wait_ms(4 * HOUR - 1);
    match s.by("purger").purge("orders") {
        Err(Refusal::TooEarly { .. }) => Ok(()),
        other => Err(format!("1 ms before the floor: {other:?}")),
    }
}

#[test]
fn the_purge_floor_holds() {
    check_the_purge_floor().unwrap();
}

/// A destruction without a restore window erases all material at once.
pub fn check_material_goes() -> Result<(), String> {
    let mut s = Script::unsealed();
    let policy = PolicyChange { restore_window_ms: Some(0), ..preset(Preset::Layered) };
    s.admin().send(create_instance("shop", policy)).unwrap();
    s.admin().send(Command::CreateKey(create_in("shop", "orders"))).unwrap();
    s.admin().rotate("orders").unwrap();
    s.admin().delete("orders").unwrap();
    let versions = s.machine.state().versions(key_id("orders"));
    assert!(versions.iter().all(|version| version.material.is_some()));
    // Otherwise the check of all tables after each entry would notice first.
    s.unchecked = true;
    s.admin().delete_now("orders").unwrap();
    let versions = s.machine.state().versions(key_id("orders"));
    match versions.iter().find(|version| version.material.is_some()) {
        None => Ok(()),
        Some(version) => Err(format!("the material of version {} is there", version.version)),
    }
}

#[test]
fn material_goes_with_the_restore_window() {
    check_material_goes().unwrap();
}

#[test]
fn retention_is_lifted_only_by_who_registered_it() {
    let mut s = shop(Preset::Layered);
    s.by("bob").register("orders", "urn:a", true).unwrap();
    let held = Err(Refusal::Retention { registrations: 1 });
    assert_eq!(s.admin().unregister("orders", "urn:a"), held);
    assert_eq!(s.admin().register("orders", "urn:a", false), held);
    assert_eq!(s.admin().register("orders", "urn:a", true), held);
    s.by("bob").register("orders", "urn:a", false).unwrap();
    s.admin().unregister("orders", "urn:a").unwrap();
    assert_eq!(
        s.admin().unregister("orders", "urn:a"),
        Err(Refusal::NotFound { what: Thing::Registration })
    );
    s.admin().delete("orders").unwrap();
}

#[test]
fn registrations_hold_a_deletion_up_and_force_removes_them_with_the_key() {
    let mut s = shop(Preset::Layered);
    s.admin().rotate("orders").unwrap();
    s.by("bob").register("orders", "urn:a", false).unwrap();
    s.by("bob").register("orders", "urn:b", false).unwrap();
    let found = s.machine.state().registration(key_id("orders"), "urn:b").unwrap();
    let seen = (found.version, found.registered_by, found.registered_at_ms);
    assert_eq!(seen, (2, principal_id("bob"), START_MS));
    assert_eq!(s.admin().delete("orders"), Err(Refusal::Registered { registrations: 2 }));
    s.admin().force_delete("orders").unwrap();
    assert_eq!(s.key("orders").registrations, 2, "they go with the key, not with the request");
    s.admin().unregister("orders", "urn:a").unwrap();
    s.admin().cancel("orders").unwrap();
    assert_eq!(s.machine.state().registrations(key_id("orders")).len(), 1);
    s.admin().force_delete("orders").unwrap();
    s.admin().delete_now("orders").unwrap();
    assert_eq!(s.machine.state().registrations(key_id("orders")), []);
    s.admin().restore("orders").unwrap();
    assert_eq!(s.key("orders").registrations, 0);
}

#[test]
fn a_key_has_at_most_1000_registrations() {
    let mut s = shop(Preset::Layered);
    for n in 0..limits::REGISTRATIONS_PER_KEY {
        plant(&mut s, "orders", &format!("urn:{n}"), false);
    }
    let limit = limits::REGISTRATIONS_PER_KEY as u64;
    assert_eq!(
        s.admin().register("orders", "urn:one-more", false),
        Err(Refusal::Limit { what: Bounded::Registrations, limit })
    );
    s.admin().register("orders", "urn:0", false).expect("a change is none more");
    let long = "u".repeat(limits::RESOURCE_BYTES + 1);
    let limit = limits::RESOURCE_BYTES as u64;
    assert_eq!(
        s.admin().register("orders", &long, false),
        Err(Refusal::Limit { what: Bounded::ResourceBytes, limit })
    );
}

/// Checked again at the end: no command brings a registration to a key in deletion, but another version
/// of this program may.
#[test]
fn what_protects_a_key_at_the_end_of_the_grace_period_calls_the_deletion_off() {
    let cases = [
        // Forced, prevents deletion, expires after; the state and whether it is an alarm.
        (false, true, None, KeyState::Disabled, true),
        (true, true, None, KeyState::Disabled, true),
        (false, false, None, KeyState::Disabled, true),
        (true, false, None, KeyState::Destroyed, false),
        (true, true, Some(72 * HOUR), KeyState::Deactivated, true),
        (true, true, Some(72 * HOUR + 1), KeyState::Disabled, true),
    ];
    for (force, prevents, expires_ms, state, alarm) in cases {
        let mut s = shop(Preset::Layered);
        let expires_at_ms = expires_ms.map(|ms| START_MS + ms);
        let create = CreateKey { expires_at_ms, ..create_in("shop", "k") };
        s.admin().send(Command::CreateKey(create)).unwrap();
        let command = Command::DeleteKey { key: key_id("k"), force };
        s.admin().send(command).unwrap();
        plant(&mut s, "k", "urn:a", prevents);
        s.wait_ms(80 * HOUR);
        s.tick();
        let case = format!("force {force}, prevents {prevents}, expires {expires_ms:?}");
        assert_eq!(s.key("k").state, state, "{case}");
        assert_eq!(s.told("k").contains(&EventKind::DeletionHeld), alarm, "{case}");
        let last = s.history("k").pop().unwrap();
        let refused = alarm.then_some("RETENTION");
        assert_eq!((last.action.as_str(), last.refused.as_deref()), ("GraceOver", refused));
        let audited = s.audit().into_iter().rfind(|found| found.action == "GraceOver").unwrap();
        assert_eq!((audited.key, audited.refused.as_deref()), (Some(key_id("k")), refused));
        assert_eq!(last.at_ms, START_MS + 72 * HOUR);
        assert_eq!(s.key("k").deletion.is_none(), alarm, "{case}");
    }
}

#[test]
fn delete_now_asks_again_what_protects_the_key() {
    for (force, prevents, refusal) in [
        (true, true, Some(Refusal::Retention { registrations: 1 })),
        (false, true, Some(Refusal::Retention { registrations: 1 })),
        (false, false, Some(Refusal::Registered { registrations: 1 })),
        (true, false, None),
    ] {
        let mut s = shop(Preset::Layered);
        s.admin().send(Command::DeleteKey { key: key_id("orders"), force }).unwrap();
        plant(&mut s, "orders", "urn:a", prevents);
        assert_eq!(s.admin().delete_now("orders").err(), refusal, "{force} {prevents}");
    }
}

#[test]
fn a_restored_key_becomes_what_the_policy_says() {
    for (to, disabled, state) in [
        (RestoreTo::AskedFrom, false, KeyState::Enabled),
        (RestoreTo::AskedFrom, true, KeyState::Disabled),
        (RestoreTo::Enabled, false, KeyState::Enabled),
        (RestoreTo::Enabled, true, KeyState::Enabled),
    ] {
        let mut s = Script::unsealed();
        let policy = PolicyChange { restore_to: Some(to), ..preset(Preset::Layered) };
        s.admin().send(create_instance("shop", policy)).unwrap();
        s.admin().send(Command::CreateKey(create_in("shop", "k"))).unwrap();
        if disabled {
            s.admin().disable("k").unwrap();
        }
        s.admin().delete("k").unwrap();
        s.admin().delete_now("k").unwrap();
        s.admin().restore("k").unwrap();
        assert_eq!(s.state_of("k"), Some(state), "{to:?}, disabled: {disabled}");
    }
}

/// What a refusal says that could be asked instead.
#[test]
fn of_an_erased_key_no_restore_is_offered() {
    for (wait_ms, offered) in [(30 * DAY, "Restore,Purge"), (30 * DAY + 1, "Purge")] {
        let mut s = destroyed();
        s.wait_ms(wait_ms);
        let refusal = s.admin().disable("orders").unwrap_err();
        assert_eq!(refusal.metadata()["allowed"], offered, "after {wait_ms} ms");
    }
}

#[test]
fn a_second_deletion_restarts_every_clock() {
    let mut s = destroyed();
    s.wait_ms(29 * DAY);
    s.admin().restore("orders").unwrap();
    assert_eq!(s.key("orders").deletion, None);
    s.admin().delete("orders").unwrap();
    s.admin().delete_now("orders").unwrap();
    s.wait_ms(30 * DAY);
    s.admin().restore("orders").unwrap();
}

#[test]
fn only_the_role_key_purge_purges() {
    let mut s = destroyed();
    s.wait_ms(4 * HOUR);
    s.add("chief", &[Role::Administrator]);
    let denied = Err(Refusal::PermissionDenied { action: Action::PurgeKey });
    for name in ["admin", "bob", "chief"] {
        assert_eq!(s.by(name).purge("orders"), denied, "{name}");
    }
    assert_eq!(s.by("purger").purge("orders"), Ok(Effect::Purged { key: key_id("orders") }));
}

#[test]
fn of_a_purged_key_only_a_tombstone_is_left() {
    let mut s = destroyed();
    s.admin().send(Command::CreateKey(create_in("shop", "bills"))).unwrap();
    s.wait_ms(5 * HOUR);
    s.by("purger").purge("orders").unwrap();
    let tombstone = Tombstone {
        instance: instance_id("shop"),
        index: s.machine.index,
        purged_at_ms: START_MS + 5 * HOUR,
    };
    assert_eq!(s.machine.state().tombstone(key_id("orders").0), Some(tombstone));
    for table in Table::ALL {
        let left = s.machine.records.range(table, Bound::Unbounded, Bound::Unbounded, usize::MAX);
        let id = key_id("orders");
        let names_it = |key: &[u8]| key.windows(16).any(|part| part == id.bytes());
        let by_itself = [Table::Tombstones, Table::Events, Table::Audit, Table::Requests];
        let found = left.iter().any(|(key, value)| names_it(key) || names_it(value));
        assert!(!found || by_itself.contains(&table), "{} names the key", table.name());
    }
    assert_eq!(s.machine.state().alias(instance_id("shop"), "orders"), None);
}

/// Every command on a purged key answers as on one that never existed.
#[test]
fn a_purged_key_answers_as_one_that_never_was() {
    let mut s = destroyed();
    s.wait_ms(5 * HOUR);
    s.by("purger").purge("orders").unwrap();
    for name in ["orders", "unknown"] {
        let key = key_id(name);
        let commands = [
            rotate(name, 2, 1),
            Command::EnableKey { key },
            Command::DisableKey { key },
            Command::UpdateKey(update(name, "")),
            switch(name, 1, true),
            Command::DeleteKey { key, force: true },
            Command::CancelDeletion { key },
            Command::DeleteNow { key },
            Command::RestoreKey { key },
            add_alias(name, "alias"),
            remove_alias(name, "alias"),
            register(name, "urn:a", false),
            unregister(name, "urn:a"),
            set_windows(name, PolicyChange::default()),
        ];
        for command in commands {
            let answer = s.admin().send(command.clone());
            assert_eq!(answer, Err(Refusal::NotFound { what: Thing::Key }), "{name}: {command}");
        }
        assert_eq!(s.by("purger").purge(name), Err(Refusal::NotFound { what: Thing::Key }));
        let answer = s.cluster().send(scheduled_rotation(name, 2));
        assert_eq!(answer, Err(Refusal::NotFound { what: Thing::Key }));
    }
}

#[test]
fn the_id_of_a_purged_key_never_comes_back_but_its_alias_does() {
    let mut s = destroyed();
    s.wait_ms(5 * HOUR);
    s.by("purger").purge("orders").unwrap();
    let again = Command::CreateKey(create_in("shop", "orders"));
    assert_eq!(s.admin().send(again), Err(Refusal::AlreadyExists { what: Thing::Key }));
    let other = CreateKey { key: key_id("new"), ..create_in("shop", "orders") };
    s.admin().send(Command::CreateKey(other)).unwrap();
    assert_eq!(s.machine.state().alias(instance_id("shop"), "orders"), Some(key_id("new")));
}

/// A purge that nobody has noticed yet has freed the alias all the same.
#[test]
fn an_alias_is_free_from_the_purge_on() {
    for (wait_ms, free) in [(93 * DAY, false), (93 * DAY + 1, true)] {
        let mut s = shop(Preset::Layered);
        s.admin().delete("orders").unwrap();
        s.wait_ms(wait_ms);
        let other = CreateKey { key: key_id("new"), ..create_in("shop", "orders") };
        assert_eq!(s.admin().send(Command::CreateKey(other)).is_ok(), free);
        s.admin().send(Command::CreateKey(create_in("shop", "bills"))).unwrap();
        let answer = s.admin().send(add_alias("bills", "orders"));
        assert_eq!(answer, Err(Refusal::AlreadyExists { what: Thing::Alias }));
    }
}

#[test]
fn the_history_of_a_key_has_every_command_refused_ones_included() {
    let mut s = shop(Preset::Layered);
    s.by("bob").rotate("orders").unwrap();
    s.by("bob").enable("orders").unwrap_err();
    s.admin().send(rotate("orders", 9, 1)).unwrap_err();
    s.by("purger").disable("orders").unwrap_err();
    s.wait_ms(HOUR);
    s.by("bob").delete("orders").unwrap();
    s.wait_ms(73 * HOUR);
    s.admin().restore("orders").unwrap();
    let who = |principal: PrincipalId| {
        let known = ["admin", "bob"].into_iter().find(|name| principal_id(name) == principal);
        known.unwrap_or(if principal == PrincipalId::NOBODY { "-" } else { "?" })
    };
    let state = |state: Option<KeyState>| state.map_or("-".to_owned(), |state| state.to_string());
    let lines: Vec<_> = s
        .history("orders")
        .iter()
        .map(|entry| {
            format!(
                "+{} h {} {} v{}: {} -> {} {}",
                (entry.at_ms - START_MS) / HOUR,
                who(entry.principal),
                entry.action,
                entry.version,
                state(entry.from),
                state(entry.to),
                entry.refused.as_deref().unwrap_or("done"),
            )
        })
        .collect();
    // What was prepared for another state is tried again, and who may not is told in the audit log.
    assert_eq!(
        lines,
        [
            "+0 h admin CreateKey v1: - -> Enabled done",
            "+0 h bob RotateKey v2: Enabled -> Enabled done",
            "+0 h bob EnableKey v2: Enabled -> Enabled KEY_STATE",
            "+1 h bob DeleteKey v2: Enabled -> PendingDeletion done",
            "+73 h - GraceOver v2: PendingDeletion -> Destroyed done",
            "+74 h admin RestoreKey v2: Destroyed -> Enabled done",
        ]
    );
}

#[test]
fn the_history_keeps_the_newest_1000_entries_and_goes_with_the_key() {
    let mut s = shop(Preset::Layered);
    s.unchecked = true;
    for _ in 0..limits::HISTORY_PER_KEY + 4 {
        s.admin().enable("orders").unwrap_err();
    }
    s.unchecked = false;
    let history = s.history("orders");
    assert_eq!(history.len() as u64, limits::HISTORY_PER_KEY);
    assert!(history.iter().all(|entry| entry.action == "EnableKey"), "the creation fell out");
    assert_eq!(s.key("orders").history, limits::HISTORY_PER_KEY + 5);
    s.admin().delete("orders").unwrap();
    s.admin().delete_now("orders").unwrap();
    s.wait_ms(4 * HOUR);
    s.by("purger").purge("orders").unwrap();
    assert_eq!(s.history("orders"), []);
}

#[test]
fn a_refusal_raises_neither_revision_nor_event() {
    let mut s = shop(Preset::Layered);
    let (before, events) = (s.key("orders"), s.events());
    s.admin().enable("orders").unwrap_err();
    let after = s.key("orders");
    assert_eq!((after.revision, after.changed_at), (before.revision, before.changed_at));
    assert_eq!(s.events(), events);
}

#[test]
fn every_change_of_state_raises_an_event() {
    let mut s = shop(Preset::Layered);
    s.admin().disable("orders").unwrap();
    s.admin().enable("orders").unwrap();
    s.admin().update("orders").unwrap();
    s.admin().delete("orders").unwrap();
    s.admin().cancel("orders").unwrap();
    s.admin().delete("orders").unwrap();
    s.wait_ms(200 * DAY);
    s.tick();
    use KeyState::{Destroyed, Disabled, Enabled, PendingDeletion};
    let changed = |from, to| EventKind::StateChanged { from, to };
    assert_eq!(
        s.told("orders"),
        [
            changed(None, Some(Enabled)),
            changed(Some(Enabled), Some(Disabled)),
            changed(Some(Disabled), Some(Enabled)),
            changed(Some(Enabled), Some(PendingDeletion)),
            changed(Some(PendingDeletion), Some(Disabled)),
            changed(Some(Disabled), Some(PendingDeletion)),
            changed(Some(PendingDeletion), Some(Destroyed)),
            EventKind::MaterialErased,
            changed(Some(Destroyed), None),
        ]
    );
    let numbers: Vec<_> = s.events().iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (0..9).collect::<Vec<_>>());
    assert!(s.events().iter().all(|event| event.instance == instance_id("shop")));
}

#[test]
fn the_oldest_events_fall_out() {
    let mut s = shop(Preset::Layered);
    crate::requests::pretend(&mut s, |machine| machine.next_event = limits::EVENTS);
    s.admin().disable("orders").unwrap();
    let numbers: Vec<_> = s.events().iter().map(|event| event.seq).collect();
    assert_eq!(numbers, [limits::EVENTS], "event 0 has fallen out");
}
