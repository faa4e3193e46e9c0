//! Situations of deletion, schedules, instances and rings.

use super::{Situation, create, labels, with_manager, with_writer};
use crate::script::*;
use conclave_core::command::{Command, CreateKey, RotationChange, Scope, SetKeyPolicy};
use conclave_core::lifecycle::{PolicyChange, Preset};
use conclave_core::limits;
use conclave_core::outcome::Refusal;
use conclave_core::roles::Role;

pub fn situations() -> Vec<(&'static str, Situation)> {
    vec![
        ("bind: to oneself, a role of the cluster in a part", |first, second| {
            let mut s = with_chief();
            let role = if second { Role::Operator } else { Role::Reader };
            let name = if first { "chief" } else { "taker" };
            s.by("chief").send(bind(grant_in(Scope::Instance(home()), role, name), None))
        }),
        ("bind: a role not held, a role of the cluster in a part", |first, second| {
            // A Manager may grant neither; an Administrator may grant both.
            let mut s = if first { with_manager() } else { with_chief() };
            let role = match (first, second) {
                (_, true) => Role::Operator,
                (true, _) => Role::KeyPurge,
                _ => Role::Reader,
            };
            let scope = if second { Scope::Instance(home()) } else { Scope::Cluster };
            let giver = if first { "bob" } else { "chief" };
            s.by(giver).send(bind(grant_in(scope, role, "taker"), None))
        }),
        ("bind: a role of the cluster in a part, unknown principal", |first, second| {
            let mut s = with_chief();
            let role = if first { Role::Operator } else { Role::Reader };
            let name = if second { "unknown" } else { "taker" };
            s.by("chief").send(bind(grant_in(Scope::Instance(home()), role, name), None))
        }),
        ("move: no role for it, unknown ring", |first, second| {
            let mut s = with_manager();
            s.admin().create_key("present").unwrap();
            s.admin().send(create_ring("default", "till")).unwrap();
            if first {
                s.admin().send(unbind(grant(Role::Manager, "bob"))).unwrap();
                s.admin().send(bind(grant(Role::Writer, "bob"), None)).unwrap();
            }
            s.by("bob").send(move_to("present", ring_id(if second { "unknown" } else { "till" })))
        }),
        ("key: unknown instance, id taken", |first, second| {
            create(|c| {
                c.instance = if first { instance_id("unknown") } else { home() };
                c.key = key_id(if second { "present" } else { "new" });
            })
        }),
        ("key: unknown ring, id taken", |first, second| {
            create(|c| {
                c.ring = if first { ring_id("unknown") } else { home().default_ring() };
                c.key = key_id(if second { "present" } else { "new" });
            })
        }),
        ("key: alias taken, period too short", |first, second| {
            create(|c| {
                c.alias = Some(if first { "present" } else { "new" }.into());
                c.rotate_every_ms = Some(if second { DAY - 1 } else { DAY });
            })
        }),
        ("key: period too short, expiry in the past", |first, second| {
            create(|c| {
                c.rotate_every_ms = Some(if first { DAY - 1 } else { DAY });
                c.expires_at_ms = Some(if second { START_MS } else { START_MS + 1 });
            })
        }),
        ("key: expiry in the past, too many labels", |first, second| {
            create(|c| {
                c.expires_at_ms = Some(if first { START_MS } else { START_MS + 1 });
                c.labels = labels(if second { limits::LABELS_PER_KEY + 1 } else { 1 });
            })
        }),
        ("restore: pending, expired", |first, second| {
            let mut s = with_deletion(Preset::Layered, !first);
            s.wait_ms(if second { DAY } else { 0 });
            s.admin().restore("present")
        }),
        ("restore: expired, window over", |first, second| {
            let mut s = with_deletion(Preset::Layered, true);
            if !first {
                // The same, of a key that does not expire.
                s = with_deletion_of(Preset::Layered, true, None);
            }
            s.wait_ms(match (first, second) {
                (_, true) => 30 * DAY + 1,
                (true, false) => DAY,
                (false, false) => 0,
            });
            s.admin().restore("present")
        }),
        ("restore: expired, cool-down", |first, second| {
            let mut s = Script::unsealed();
            s.admin().send(create_instance("soft", preset(Preset::SoftDelete))).unwrap();
            let expires_at_ms = first.then_some(START_MS + SECOND);
            let create = CreateKey { expires_at_ms, ..create_in("soft", "present") };
            s.admin().send(Command::CreateKey(create)).unwrap();
            s.admin().delete("present").unwrap();
            s.wait_ms(if second { SECOND } else { 30 * SECOND });
            s.admin().restore("present")
        }),
        ("delete: pending, retention", |first, second| {
            let mut s = with_deletion_of(Preset::Layered, false, None);
            if !first {
                s.admin().cancel("present").unwrap();
                s.admin().enable("present").unwrap();
            }
            if second {
                plant(&mut s, "present", "urn:a", true);
            }
            s.admin().force_delete("present")
        }),
        ("delete: retention, registered", |first, second| {
            let mut s = with_writer();
            if second {
                s.admin().register("present", "urn:a", false).unwrap();
            }
            if first {
                s.admin().register("present", "urn:b", true).unwrap();
            }
            s.admin().delete("present")
        }),
        ("delete now: destroyed, retention", |first, second| {
            let mut s = with_deletion_of(Preset::Layered, first, None);
            if second {
                plant(&mut s, "present", "urn:a", true);
            }
            s.admin().delete_now("present")
        }),
        ("purge: pending, too early", |first, second| {
            let mut s = with_deletion_of(Preset::Layered, !first, None);
            s.add("purger", &[Role::KeyPurge]);
            s.wait_ms(if second { HOUR } else { 4 * HOUR });
            s.by("purger").purge("present")
        }),
        ("register: disabled, retention of another", |first, second| {
            let mut s = with_manager();
            s.admin().create_key("present").unwrap();
            if second {
                s.admin().register("present", "urn:a", true).unwrap();
            }
            if first {
                s.admin().disable("present").unwrap();
            }
            s.by("bob").register("present", "urn:a", false)
        }),
        ("register: retention of another, name too long", |first, second| {
            let mut s = with_manager();
            s.admin().create_key("present").unwrap();
            let text = "d".repeat(limits::DESCRIPTION_BYTES + usize::from(second));
            if first {
                s.admin().register("present", "urn:a", true).unwrap();
            }
            let Command::RegisterResource(mut command) = register("present", "urn:a", false) else {
                unreachable!()
            };
            command.description = text;
            s.by("bob").send(Command::RegisterResource(command))
        }),
        ("enable: enabled, cool-down", |first, second| {
            let mut s = soft();
            s.admin().disable("present").unwrap();
            if first {
                s.wait_ms(30 * SECOND);
                s.admin().enable("present").unwrap();
                s.wait_ms(DAY);
                s.admin().disable("present").unwrap();
                s.admin().force_delete("present").unwrap();
            }
            s.wait_ms(if second { SECOND } else { 30 * SECOND });
            s.admin().enable("present")
        }),
        ("rotate: at the last version, cool-down", |first, second| {
            let mut s = soft();
            for _ in 1..if first { limits::VERSIONS_PER_KEY } else { 50 } {
                s.wait_ms(HOUR);
                s.admin().rotate("present").unwrap();
            }
            s.wait_ms(if second { 0 } else { HOUR });
            s.admin().rotate("present")
        }),
        ("rotate: cool-down, stale number", |first, second| {
            let mut s = soft();
            s.admin().rotate("present").unwrap();
            s.wait_ms(if first { 0 } else { HOUR });
            s.admin().send(rotate("present", if second { 9 } else { 3 }, 1))
        }),
        ("scheduled rotation: not due, stale number", |first, second| {
            let mut s = with_writer();
            s.admin().send(set_rotation("present", RotationChange::Every(DAY))).unwrap();
            s.wait_ms(if first { 0 } else { DAY });
            s.cluster().send(scheduled_rotation("present", if second { 9 } else { 2 }))
        }),
        ("switch: disabled, newest version", |first, second| {
            let mut s = with_writer();
            s.admin().rotate("present").unwrap();
            if first {
                s.admin().disable("present").unwrap();
            }
            s.admin().send(switch("present", if second { 2 } else { 1 }, false))
        }),
        ("policy of a key: disabled for good, shortened", |first, second| {
            let mut s = with_deletion_of(Preset::Layered, false, None);
            if !first {
                s.admin().cancel("present").unwrap();
            }
            let grace_ms = Some(if second { HOUR } else { 4 * DAY });
            s.admin().send(set_windows("present", PolicyChange { grace_ms, ..Default::default() }))
        }),
        ("policy of a key: shortened, period too short", |first, second| {
            let mut s = with_writer();
            let grace_ms = Some(if first { HOUR } else { 4 * DAY });
            let every_ms = if second { HOUR } else { DAY };
            s.admin().send(Command::SetKeyPolicy(SetKeyPolicy {
                key: key_id("present"),
                rotation: Some(RotationChange::Every(every_ms)),
                windows: PolicyChange { grace_ms, ..Default::default() },
            }))
        }),
        ("instance: name taken, policy that cannot be", |first, second| {
            let mut s = Script::unsealed();
            let name = if first { "default" } else { "shop" };
            let auto_purge_ms = second.then_some(DAY);
            let policy = PolicyChange { auto_purge_ms, ..Default::default() };
            let id = instance_id("shop");
            s.admin().send(Command::CreateInstance { id, name: name.into(), policy })
        }),
        ("instance: policy that cannot be, name too long", |first, second| {
            let mut s = Script::unsealed();
            let name = "n".repeat(limits::NAME_BYTES + usize::from(second));
            let auto_purge_ms = first.then_some(DAY);
            let policy = PolicyChange { auto_purge_ms, ..Default::default() };
            s.admin().send(create_instance(&name, policy))
        }),
        ("policy of an instance: unknown, cannot be", |first, second| {
            let mut s = Script::unsealed();
            let auto_purge_ms = second.then_some(DAY);
            let policy = PolicyChange { auto_purge_ms, ..Default::default() };
            s.admin().send(set_instance_policy(if first { "unknown" } else { "default" }, policy))
        }),
        ("delete instance: the one that stays, keys in it", |first, second| {
            let mut s = Script::unsealed();
            let name = if first { "default" } else { "shop" };
            s.admin().send(create_instance("shop", PolicyChange::default())).unwrap();
            if second {
                s.admin().send(Command::CreateKey(create_in(name, "present"))).unwrap();
            }
            s.admin().send(delete_instance(name))
        }),
        ("delete ring: unknown, keys in it", |first, second| {
            let mut s = Script::unsealed();
            s.admin().send(create_ring("default", "till")).unwrap();
            if second {
                let create = CreateKey { ring: ring_id("till"), ..create_of("present") };
                s.admin().send(Command::CreateKey(create)).unwrap();
            }
            s.admin().send(delete_ring("default", if first { "unknown" } else { "till" }, false))
        }),
        ("delete ring: the one that stays, keys in it", |first, second| {
            let mut s = Script::unsealed();
            s.admin().send(create_ring("default", "till")).unwrap();
            let ring = if first { home().default_ring() } else { ring_id("till") };
            if second {
                let create = CreateKey { ring, ..create_of("present") };
                s.admin().send(Command::CreateKey(create)).unwrap();
            }
            s.admin().send(Command::DeleteRing { instance: home(), ring, force: true })
        }),
        ("alias: taken, too many", |first, second| {
            let mut s = with_writer();
            s.admin().create_key("other").unwrap();
            for n in 2..limits::ALIASES_PER_KEY + usize::from(second) {
                s.admin().send(add_alias("present", &format!("alias-{n}"))).unwrap();
            }
            s.admin().send(add_alias("present", if first { "other" } else { "new" }))
        }),
    ]
}

/// What belongs to a key is looked up only in a state that allows the action: the one exception from the
/// order.
#[test]
fn of_a_refused_action_the_state_is_told_before_what_is_missing() {
    let mut s = with_writer();
    s.admin().disable("present").unwrap();
    let missing = switch("present", 9, true);
    assert!(matches!(s.admin().send(missing), Err(Refusal::KeyState { .. })));
    s.admin().delete("present").unwrap();
    let missing = [
        add_alias("present", "present"),
        remove_alias("present", "x"),
        move_to("present", ring_id("x")),
    ];
    for command in missing {
        let answer = s.admin().send(command.clone());
        assert!(matches!(answer, Err(Refusal::KeyState { .. })), "{command}: {answer:?}");
    }
    s.admin().delete_now("present").unwrap();
    let answer = s.admin().unregister("present", "urn:a");
    assert!(matches!(answer, Err(Refusal::KeyState { .. })), "{answer:?}");
}

/// A key of the preset, in deletion from START_MS on: pending, or destroyed. It expires a day later.
fn with_deletion(policy: Preset, destroyed: bool) -> Script {
    with_deletion_of(policy, destroyed, Some(START_MS + DAY))
}

fn with_deletion_of(policy: Preset, destroyed: bool, expires_at_ms: Option<u64>) -> Script {
    let mut s = Script::unsealed();
    s.admin().send(create_instance("shop", preset(policy))).unwrap();
    let create = CreateKey { expires_at_ms, ..create_in("shop", "present") };
    s.admin().send(Command::CreateKey(create)).unwrap();
    s.admin().delete("present").unwrap();
    if destroyed {
        s.admin().delete_now("present").unwrap();
    }
    s
}

/// A key as Key Protect has them.
fn soft() -> Script {
    let mut s = Script::unsealed();
    s.admin().send(create_instance("soft", preset(Preset::SoftDelete))).unwrap();
    s.admin().send(Command::CreateKey(create_in("soft", "present"))).unwrap();
    s
}

fn with_chief() -> Script {
    let mut script = Script::unsealed();
    script.add("chief", &[Role::Administrator]);
    script.add("taker", &[]);
    script
}
