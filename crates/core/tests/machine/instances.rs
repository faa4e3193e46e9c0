//! Instances, key rings, policies: where keys lie, and what they copy.

use crate::script::*;
use conclave_core::command::{Command, CreateKey, Scope};
use conclave_core::digest::StateDigest;
use conclave_core::lifecycle::{
    DeletionPolicy, KeyState, PolicyChange, PolicyProblem, Preset, RestoreTo,
};
use conclave_core::limits;
use conclave_core::model::{Counts, EventKind, InstanceRecord};
use conclave_core::outcome::{Bounded, Effect, Refusal, Thing};
use conclave_core::roles::{Action, Role};
use conclave_core::state::StateMut;
use conclave_core::view::View;

type Change = fn(&mut PolicyChange);

fn change(change: Change) -> PolicyChange {
    let mut policy = PolicyChange::default();
    change(&mut policy);
    policy
}

/// With instances `shop` (layered) and `bank` (soft-delete), and a principal that may purge.
fn town() -> Script {
    let mut s = Script::unsealed();
    s.add("purger", &[Role::KeyPurge, Role::Manager, Role::Administrator]);
    s.admin().send(create_instance("shop", preset(Preset::Layered))).unwrap();
    s.admin().send(create_instance("bank", preset(Preset::SoftDelete))).unwrap();
    s
}

fn key_in(s: &mut Script, instance: &str, alias: &str) {
    s.admin().send(Command::CreateKey(create_in(instance, alias))).unwrap();
}

fn key_in_ring(s: &mut Script, ring: &str, alias: &str) {
    let create = CreateKey { ring: ring_id(ring), ..create_in("shop", alias) };
    s.admin().send(Command::CreateKey(create)).unwrap();
}

fn destroy(s: &mut Script, alias: &str) {
    s.admin().delete(alias).unwrap();
    s.admin().delete_now(alias).unwrap();
}

#[test]
fn init_makes_the_instance_default() {
    let mut s = Script::initialized();
    let found = s.machine.state().instance(home()).unwrap();
    assert_eq!((found.name.as_str(), found.rings), ("default", 1));
    assert_eq!(found.policy, Preset::Layered.policy());
    assert_eq!(found.created_by, principal_id("admin"));
    let ring = s.machine.state().ring(home(), home().default_ring()).unwrap();
    assert_eq!((ring.name.as_str(), ring.keys), ("default", 0));
    s.operator().send(init(2)).unwrap();
    assert_eq!(s.machine.state().instances().len(), 1, "a second init keeps the first one");
    s.unseal();
    s.by("admin-2").create_key("orders").unwrap();
    assert_eq!(s.key("orders").instance, home());
}

#[test]
fn before_an_unseal_confirms_the_init_there_are_no_other_instances() {
    let mut s = Script::initialized();
    for command in [
        create_instance("shop", PolicyChange::default()),
        set_instance_policy("default", PolicyChange::default()),
        create_ring("default", "till"),
        Command::SetDeletionFloor { floor_ms: DAY },
    ] {
        assert_eq!(s.admin().send(command.clone()), Err(Refusal::NotInitialized), "{command}");
    }
}

#[test]
fn names_of_instances_and_rings_are_taken_once() {
    let mut s = town();
    let taken = |what| Err(Refusal::AlreadyExists { what });
    let twin = Command::CreateInstance {
        id: instance_id("twin"),
        name: "shop".into(),
        policy: PolicyChange::default(),
    };
    assert_eq!(s.admin().send(twin), taken(Thing::Instance));
    let same_id = Command::CreateInstance {
        id: instance_id("shop"),
        name: "twin".into(),
        policy: PolicyChange::default(),
    };
    assert_eq!(s.admin().send(same_id), taken(Thing::Instance));
    s.admin().send(create_ring("shop", "till")).unwrap();
    let twin = |name: &str, id| Command::CreateRing {
        id: ring_id(id),
        instance: instance_id("shop"),
        name: name.into(),
    };
    assert_eq!(s.admin().send(twin("till", "twin")), taken(Thing::Ring));
    assert_eq!(s.admin().send(twin("twin", "till")), taken(Thing::Ring));
    assert_eq!(s.admin().send(twin("default", "twin")), taken(Thing::Ring));
    let elsewhere = Command::CreateRing {
        id: ring_id("till of the bank"),
        instance: instance_id("bank"),
        name: "till".into(),
    };
    s.admin().send(elsewhere).unwrap();
}

#[test]
fn a_key_is_made_in_an_instance_and_a_ring_that_are_there() {
    let mut s = town();
    s.admin().send(create_ring("shop", "till")).unwrap();
    let not_found = |what| Err(Refusal::NotFound { what });
    let unknown = Command::CreateKey(create_in("unknown", "k"));
    assert_eq!(s.admin().send(unknown), not_found(Thing::Instance));
    let elsewhere = CreateKey { ring: ring_id("till"), ..create_in("bank", "k") };
    assert_eq!(s.admin().send(Command::CreateKey(elsewhere)), not_found(Thing::Ring));
    key_in(&mut s, "bank", "k");
    assert_eq!(s.admin().send(move_to("k", ring_id("till"))), not_found(Thing::Ring));
}

#[test]
fn an_alias_is_unique_in_its_instance_and_a_key_has_five() {
    let mut s = town();
    key_in(&mut s, "shop", "orders");
    let same = CreateKey { key: key_id("other"), ..create_in("bank", "orders") };
    s.admin().send(Command::CreateKey(same)).expect("another instance has names of its own");
    assert_eq!(s.machine.state().alias(instance_id("shop"), "orders"), Some(key_id("orders")));
    assert_eq!(s.machine.state().alias(instance_id("bank"), "orders"), Some(key_id("other")));
    for n in 2..=limits::ALIASES_PER_KEY {
        s.admin().send(add_alias("orders", &format!("alias-{n}"))).unwrap();
    }
    let limit = limits::ALIASES_PER_KEY as u64;
    let full = Err(Refusal::Limit { what: Bounded::Aliases, limit });
    assert_eq!(s.admin().send(add_alias("orders", "one-more")), full);
    assert_eq!(
        s.admin().send(add_alias("orders", "alias-2")),
        Err(Refusal::AlreadyExists { what: Thing::Alias })
    );
    assert_eq!(
        s.admin().send(remove_alias("orders", "unknown")),
        Err(Refusal::NotFound { what: Thing::Alias })
    );
    s.admin().send(remove_alias("orders", "orders")).unwrap();
    s.admin().send(add_alias("orders", "one-more")).unwrap();
    key_in(&mut s, "shop", "bills");
    s.admin().send(add_alias("bills", "orders")).expect("who gives a name up frees it");
    let long = "a".repeat(limits::NAME_BYTES + 1);
    let limit = limits::NAME_BYTES as u64;
    assert_eq!(
        s.admin().send(add_alias("bills", &long)),
        Err(Refusal::Limit { what: Bounded::NameBytes, limit })
    );
}

#[test]
fn a_key_copies_the_policy_and_keeps_it() {
    let mut s = town();
    key_in(&mut s, "shop", "before");
    s.admin().send(set_instance_policy("shop", preset(Preset::SoftDelete))).unwrap();
    key_in(&mut s, "shop", "after");
    assert_eq!(s.key("before").policy, Preset::Layered.policy());
    assert_eq!(s.key("after").policy, Preset::SoftDelete.policy());
    s.admin().delete("before").unwrap();
    s.admin().delete("after").unwrap();
    assert_eq!(s.state_of("before"), Some(KeyState::PendingDeletion));
    assert_eq!(s.state_of("after"), Some(KeyState::Destroyed));
}

#[test]
fn a_change_starts_from_the_present_policy_or_a_preset() {
    let mut s = town();
    let longer = change(|policy| policy.grace_ms = Some(9 * DAY));
    s.admin().send(set_instance_policy("bank", longer)).unwrap();
    let policy = s.machine.state().instance(instance_id("bank")).unwrap().policy;
    assert_eq!(policy, DeletionPolicy { grace_ms: 9 * DAY, ..Preset::SoftDelete.policy() });
    assert_eq!(policy.preset_name(), "custom");
    let both = PolicyChange { delete_now: Some(false), ..preset(Preset::Scheduled) };
    s.admin().send(set_instance_policy("bank", both)).unwrap();
    let policy = s.machine.state().instance(instance_id("bank")).unwrap().policy;
    assert_eq!(policy, DeletionPolicy { delete_now: false, ..Preset::Scheduled.policy() });
    for preset in Preset::ALL {
        assert_eq!(preset.policy().preset(), Some(preset));
        assert_eq!(preset.policy().preset_name().parse(), Ok(preset));
        assert_eq!(preset.policy().check(0), Ok(()));
    }
}

/// Policies that cannot be, and next to them some that can.
#[test]
fn policies_are_validated() {
    let too_long = limits::LONGEST_WINDOW_MS + 1;
    assert_eq!(too_long, 3_650 * DAY + 1);
    let cases: [(&str, Change, Option<PolicyProblem>); 16] = [
        ("restore = purge", |p| p.restore_window_ms = Some(90 * DAY), None),
        (
            "restore after purge",
            |p| p.restore_window_ms = Some(90 * DAY + 1),
            Some(PolicyProblem::RestoreAfterPurge),
        ),
        ("floor = purge", |p| p.purge_floor_ms = Some(90 * DAY), None),
        (
            "floor after purge",
            |p| p.purge_floor_ms = Some(90 * DAY + 1),
            Some(PolicyProblem::FloorAfterPurge),
        ),
        ("no purge", |p| p.auto_purge_ms = Some(0), Some(PolicyProblem::RestoreAfterPurge)),
        (
            "no restore",
            |p| (p.auto_purge_ms, p.restore_window_ms) = (Some(HOUR), Some(0)),
            Some(PolicyProblem::FloorAfterPurge),
        ),
        ("no grace", |p| p.grace_ms = Some(0), None),
        ("ten years", |p| p.grace_ms = Some(3_650 * DAY), None),
        ("longer", |p| p.grace_ms = Some(3_650 * DAY + 1), Some(PolicyProblem::TooLong)),
        ("purge", |p| p.auto_purge_ms = Some(3_650 * DAY + 1), Some(PolicyProblem::TooLong)),
        ("restore", |p| p.restore_window_ms = Some(u64::MAX), Some(PolicyProblem::TooLong)),
        ("floor", |p| p.purge_floor_ms = Some(u64::MAX), Some(PolicyProblem::TooLong)),
        ("enable", |p| p.enable_cooldown_ms = Some(u64::MAX), Some(PolicyProblem::TooLong)),
        ("restore", |p| p.restore_cooldown_ms = Some(u64::MAX), Some(PolicyProblem::TooLong)),
        ("rotate", |p| p.rotate_cooldown_ms = Some(u64::MAX), Some(PolicyProblem::TooLong)),
        ("nothing", |_| (), None),
    ];
    for (what, by, problem) in cases {
        let expected = problem.map(Refusal::PolicyInvalid);
        let mut s = town();
        let new = s.admin().send(create_instance("new", change(by)));
        assert_eq!(new.err(), expected.clone(), "{what}");
        let changed = s.admin().send(set_instance_policy("shop", change(by)));
        assert_eq!(changed.err(), expected, "{what}");
    }
}

#[test]
fn the_floor_of_the_cluster_holds_for_new_policies() {
    let mut s = town();
    let floor_ms = 31 * DAY;
    let set = |floor_ms| Command::SetDeletionFloor { floor_ms };
    assert_eq!(s.admin().send(set(floor_ms)), Ok(Effect::DeletionFloor { floor_ms }));
    let under = Err(Refusal::PolicyInvalid(PolicyProblem::UnderFloor { floor_ms }));
    // Grace and restore window together: 33, 3, 30 days.
    s.admin().send(create_instance("layered", preset(Preset::Layered))).unwrap();
    assert_eq!(s.admin().send(create_instance("scheduled", preset(Preset::Scheduled))), under);
    assert_eq!(s.admin().send(create_instance("soft", preset(Preset::SoftDelete))), under);
    let grace = |ms| PolicyChange { grace_ms: Some(ms), ..preset(Preset::SoftDelete) };
    assert_eq!(s.admin().send(set_instance_policy("shop", grace(DAY - 1))), under);
    s.admin().send(set_instance_policy("shop", grace(DAY))).unwrap();
    key_in(&mut s, "bank", "k");
    assert_eq!(s.key("k").policy, Preset::SoftDelete.policy(), "what is there stays");
    s.admin().send(set(limits::LONGEST_WINDOW_MS)).unwrap();
    let too_long = Err(Refusal::PolicyInvalid(PolicyProblem::TooLong));
    assert_eq!(s.admin().send(set(limits::LONGEST_WINDOW_MS + 1)), too_long);
    s.admin().send(set(0)).unwrap();
    s.admin().send(create_instance("scheduled", preset(Preset::Scheduled))).unwrap();
}

/// The windows of a key are lengthened, and nothing else of its policy is changed.
#[test]
fn a_key_lengthens_its_own_windows() {
    let present = Preset::Layered.policy();
    let cases: [(Change, bool); 19] = [
        (|p| p.grace_ms = Some(72 * HOUR), true),
        (|p| p.grace_ms = Some(72 * HOUR + 1), true),
        (|p| p.grace_ms = Some(72 * HOUR - 1), false),
        (|p| p.restore_window_ms = Some(31 * DAY), true),
        (|p| p.restore_window_ms = Some(29 * DAY), false),
        (|p| p.purge_floor_ms = Some(5 * HOUR), true),
        (|p| p.purge_floor_ms = Some(3 * HOUR), false),
        (|p| p.auto_purge_ms = Some(91 * DAY), true),
        (|p| p.auto_purge_ms = Some(89 * DAY), false),
        (|p| (p.grace_ms, p.restore_window_ms) = (Some(9 * DAY), Some(DAY)), false),
        (|p| p.delete_now = Some(false), false),
        (|p| p.rotate_while_disabled = Some(false), false),
        (|p| p.rotate_while_pending = Some(false), false),
        (|p| p.restore_to = Some(RestoreTo::Enabled), false),
        (|p| p.disable_deactivated = Some(false), false),
        (|p| p.enable_cooldown_ms = Some(DAY), false),
        (|p| p.restore_cooldown_ms = Some(DAY), false),
        (|p| p.rotate_cooldown_ms = Some(DAY), false),
        (|p| p.rotation_restarts = Some(false), false),
    ];
    for (by, good) in cases {
        let mut s = town();
        key_in(&mut s, "shop", "k");
        let expected = if good { change(by).of(&present) } else { present.clone() };
        let answer = s.admin().send(set_windows("k", change(by)));
        let problem = Refusal::PolicyInvalid(PolicyProblem::Shortened);
        assert_eq!(answer.err(), (!good).then_some(problem), "{:?}", change(by));
        assert_eq!(s.key("k").policy, expected);
    }
    let mut s = town();
    key_in(&mut s, "shop", "k");
    let too_far = change(|policy| policy.restore_window_ms = Some(91 * DAY));
    let problem = Refusal::PolicyInvalid(PolicyProblem::RestoreAfterPurge);
    assert_eq!(s.admin().send(set_windows("k", too_far)), Err(problem));
}

#[test]
fn counts_follow_every_key_through_its_life() {
    let mut s = town();
    let counts = |s: &Script| s.machine.state().counts(instance_id("shop"));
    key_in(&mut s, "shop", "a");
    key_in(&mut s, "shop", "b");
    key_in(&mut s, "bank", "elsewhere");
    s.admin().rotate("a").unwrap();
    assert_eq!(counts(&s), Counts { keys: [2, 0, 0, 0, 0], versions: [3, 0, 0, 0, 0] });
    s.admin().disable("a").unwrap();
    assert_eq!(counts(&s), Counts { keys: [1, 1, 0, 0, 0], versions: [1, 2, 0, 0, 0] });
    s.admin().delete("a").unwrap();
    assert_eq!(counts(&s), Counts { keys: [1, 0, 0, 1, 0], versions: [1, 0, 0, 2, 0] });
    s.wait_ms(73 * HOUR);
    s.tick();
    assert_eq!(counts(&s), Counts { keys: [1, 0, 0, 0, 1], versions: [1, 0, 0, 0, 2] });
    s.wait_ms(90 * DAY);
    s.tick();
    assert_eq!(counts(&s), Counts { keys: [1, 0, 0, 0, 0], versions: [1, 0, 0, 0, 0] });
    let expires_at_ms = Some(s.now_ms + 1);
    let create = CreateKey { expires_at_ms, ..create_in("shop", "c") };
    s.admin().send(Command::CreateKey(create)).unwrap();
    s.wait_ms(1);
    s.tick();
    assert_eq!(counts(&s), Counts { keys: [1, 0, 1, 0, 0], versions: [1, 0, 1, 0, 0] });
}

#[test]
fn a_key_moves_between_the_rings_of_its_instance() {
    let mut s = town();
    s.admin().send(create_ring("shop", "till")).unwrap();
    let (shop, till) = (instance_id("shop"), ring_id("till"));
    key_in(&mut s, "shop", "k");
    let keys_in = |s: &Script, ring| {
        let state = s.machine.state();
        (state.ring(shop, ring).unwrap().keys, state.keys_in(ring, None, 10))
    };
    s.admin().send(move_to("k", till)).unwrap();
    assert_eq!(s.key("k").ring, till);
    assert_eq!(keys_in(&s, till), (1, vec![key_id("k")]));
    assert_eq!(keys_in(&s, shop.default_ring()), (0, vec![]));
    s.admin().send(move_to("k", till)).expect("where it lies already");
    assert_eq!(keys_in(&s, till), (1, vec![key_id("k")]));
}

#[test]
fn a_ring_goes_when_no_live_key_is_in_it() {
    let mut s = town();
    s.admin().send(create_ring("shop", "till")).unwrap();
    assert_eq!(s.machine.state().instance(instance_id("shop")).unwrap().rings, 2);
    key_in_ring(&mut s, "till", "k");
    let not_empty = Err(Refusal::NotEmpty { what: Thing::Ring });
    for force in [false, true] {
        assert_eq!(s.admin().send(delete_ring("shop", "till", force)), not_empty, "alive");
    }
    s.admin().delete("k").unwrap();
    assert_eq!(s.admin().send(delete_ring("shop", "till", true)), not_empty, "pending");
    s.wait_ms(73 * HOUR);
    assert_eq!(s.admin().send(delete_ring("shop", "till", false)), not_empty, "no force");
    let revision = s.key("k").revision;
    s.admin().send(delete_ring("shop", "till", true)).unwrap();
    let key = s.key("k");
    assert_eq!((key.ring, key.state), (instance_id("shop").default_ring(), KeyState::Destroyed));
    assert_eq!(key.revision, revision + 1);
    assert_eq!(s.machine.state().instance(instance_id("shop")).unwrap().rings, 1);
    let gone = Err(Refusal::NotFound { what: Thing::Ring });
    assert_eq!(s.admin().send(delete_ring("shop", "till", true)), gone);
    s.admin().restore("k").expect("the key outlives its ring");
    let again = Command::CreateRing {
        id: ring_id("another"),
        instance: instance_id("shop"),
        name: "till".into(),
    };
    s.admin().send(again).expect("the name is free");
}

/// A purge that is due has emptied the ring, whether somebody has noticed or not.
#[test]
fn a_ring_is_empty_when_its_keys_are_due_to_be_purged() {
    let mut s = town();
    s.admin().send(create_ring("shop", "till")).unwrap();
    key_in_ring(&mut s, "till", "k");
    destroy(&mut s, "k");
    s.wait_ms(90 * DAY + 1);
    s.admin().send(delete_ring("shop", "till", false)).unwrap();
}

#[test]
fn the_instance_and_the_rings_called_default_stay() {
    let mut s = town();
    s.admin().send(create_ring("shop", "till")).unwrap();
    let stays = |what| Err(Refusal::Permanent { what });
    assert_eq!(s.admin().send(delete_instance("default")), stays(Thing::Instance));
    for instance in ["default", "shop"] {
        let instance = instance_id(instance);
        let ring = instance.default_ring();
        let delete = Command::DeleteRing { instance, ring, force: true };
        assert_eq!(s.admin().send(delete), stays(Thing::Ring));
    }
}

#[test]
fn an_instance_without_keys_is_deleted_and_its_id_never_comes_back() {
    let mut s = town();
    s.admin().send(create_ring("shop", "till")).unwrap();
    assert_eq!(s.admin().send(delete_instance("shop")), Ok(Effect::Instance(instance_id("shop"))));
    let state = s.machine.state();
    assert!(state.tombstone(instance_id("shop").0).is_some());
    assert_eq!(state.rings(instance_id("shop")), []);
    assert_eq!(s.machine.view.instance_named("shop"), None);
    let gone = Err(Refusal::NotFound { what: Thing::Instance });
    assert_eq!(s.admin().send(delete_instance("shop")), gone);
    assert_eq!(s.admin().send(Command::CreateKey(create_in("shop", "k"))), gone);
    let again = create_instance("shop", PolicyChange::default());
    assert_eq!(s.admin().send(again), Err(Refusal::AlreadyExists { what: Thing::Instance }));
    let same_name = Command::CreateInstance {
        id: instance_id("new"),
        name: "shop".into(),
        policy: PolicyChange::default(),
    };
    s.admin().send(same_name).expect("the name is free");
}

/// Destroyed keys past their purge floor go with their instance, if the caller may purge them.
#[test]
fn an_instance_is_deleted_with_destroyed_keys_by_who_may_purge() {
    let mut s = town();
    key_in(&mut s, "shop", "a");
    key_in(&mut s, "shop", "b");
    let not_empty = Err(Refusal::NotEmpty { what: Thing::Instance });
    destroy(&mut s, "a");
    assert_eq!(s.by("purger").send(delete_instance("shop")), not_empty, "b is alive");
    s.wait_ms(HOUR);
    destroy(&mut s, "b");
    s.wait_ms(3 * HOUR);
    let denied = Err(Refusal::PermissionDenied { action: Action::PurgeKey });
    assert_eq!(s.admin().send(delete_instance("shop")), denied);
    let early = s.by("purger").send(delete_instance("shop"));
    assert!(matches!(early, Err(Refusal::TooEarly { .. })), "b is not past its floor: {early:?}");
    assert!(s.as_of_now("a").is_some(), "all or nothing");
    s.wait_ms(HOUR);
    s.by("purger").send(delete_instance("shop")).unwrap();
    for key in ["a", "b"] {
        assert_eq!(s.state_of(key), None);
        let tombstone = s.machine.state().tombstone(key_id(key).0).unwrap();
        assert_eq!((tombstone.purged_at_ms, tombstone.index), (s.now_ms, s.machine.index));
        assert_eq!(s.history(key), []);
        let purged = EventKind::StateChanged { from: Some(KeyState::Destroyed), to: None };
        assert_eq!(s.told(key).last(), Some(&purged));
    }
    assert_eq!(s.machine.state().counts(instance_id("shop")), Counts::default());
}

#[test]
fn an_instance_deletes_at_most_256_keys_at_once() {
    let mut s = town();
    s.unchecked = true;
    let keys: Vec<_> = (0..=limits::KEYS_PER_BULK).map(|n| format!("k{n}")).collect();
    for key in &keys {
        key_in(&mut s, "shop", key);
        destroy(&mut s, key);
    }
    s.wait_ms(4 * HOUR);
    let limit = limits::KEYS_PER_BULK as u64;
    assert_eq!(
        s.by("purger").send(delete_instance("shop")),
        Err(Refusal::Limit { what: Bounded::KeysAtOnce, limit })
    );
    s.by("purger").purge("k0").unwrap();
    s.unchecked = false;
    s.by("purger").send(delete_instance("shop")).unwrap();
    assert_eq!(s.machine.state().keys(None, 10), []);
}

#[test]
fn a_ring_moves_at_most_256_keys_at_once() {
    let mut s = town();
    s.admin().send(create_ring("shop", "till")).unwrap();
    s.unchecked = true;
    for n in 0..=limits::KEYS_PER_BULK {
        key_in_ring(&mut s, "till", &format!("k{n}"));
        destroy(&mut s, &format!("k{n}"));
    }
    let limit = limits::KEYS_PER_BULK as u64;
    assert_eq!(
        s.admin().send(delete_ring("shop", "till", true)),
        Err(Refusal::Limit { what: Bounded::KeysAtOnce, limit })
    );
    s.wait_ms(4 * HOUR);
    s.by("purger").purge("k0").unwrap();
    s.unchecked = false;
    s.admin().send(delete_ring("shop", "till", true)).unwrap();
    let home = s.machine.state().ring(instance_id("shop"), instance_id("shop").default_ring());
    assert_eq!(home.unwrap().keys, limit);
}

/// Written past all commands, so that the bounds are near.
fn with_instances(count: u32, rings: u32) -> Script {
    let mut s = town();
    let template = s.machine.state().instance(instance_id("shop")).unwrap();
    let mut state = StateMut(&mut s.machine.records);
    for n in s.machine.view.instances().count() as u32..count {
        let (id, name) = (instance_id(&format!("i{n}")), format!("i{n}"));
        state.put_instance(&InstanceRecord { id, name, ..template.clone() });
    }
    state.put_instance(&InstanceRecord { rings, ..template });
    s.machine.digest = StateDigest::of(&s.machine.records);
    s.machine.view = View::load(&s.machine.records, s.machine.index);
    s.unchecked = true;
    s
}

#[test]
fn there_are_at_most_1000_instances_and_1000_rings_in_each() {
    let mut s = with_instances(limits::INSTANCES - 1, limits::RINGS_PER_INSTANCE - 1);
    s.admin().send(create_instance("the last", PolicyChange::default())).unwrap();
    let limit = u64::from(limits::INSTANCES);
    assert_eq!(
        s.admin().send(create_instance("one more", PolicyChange::default())),
        Err(Refusal::Limit { what: Bounded::Instances, limit })
    );
    s.admin().send(create_ring("shop", "the last")).unwrap();
    let limit = u64::from(limits::RINGS_PER_INSTANCE);
    assert_eq!(
        s.admin().send(create_ring("shop", "one more")),
        Err(Refusal::Limit { what: Bounded::Rings, limit })
    );
    let long = "n".repeat(limits::NAME_BYTES + 1);
    let limit = limits::NAME_BYTES as u64;
    assert_eq!(
        s.admin().send(create_ring("bank", &long)),
        Err(Refusal::Limit { what: Bounded::NameBytes, limit })
    );
}

#[test]
fn a_role_is_bound_to_a_place_that_is_there_and_to_one_that_it_means_something_in() {
    let mut s = town();
    s.add("bob", &[]);
    let (shop, key) = (instance_id("shop"), key_id("k"));
    let places = [
        (Scope::Instance(instance_id("unknown")), Thing::Instance),
        (Scope::Ring(shop, ring_id("unknown")), Thing::Ring),
        (Scope::Ring(instance_id("bank"), shop.default_ring()), Thing::Ring),
        (Scope::Key(key), Thing::Key),
    ];
    for (scope, what) in places {
        let bind = bind(grant_in(scope, Role::Reader, "bob"), None);
        assert_eq!(s.admin().send(bind), Err(Refusal::NotFound { what }), "{scope:?}");
    }
    key_in(&mut s, "shop", "k");
    for scope in [Scope::Instance(shop), Scope::Ring(shop, shop.default_ring()), Scope::Key(key)] {
        for role in Role::ALL {
            let answer = s.admin().send(bind(grant_in(scope, role, "bob"), None));
            let only = matches!(role, Role::Operator | Role::Administrator);
            assert_eq!(answer.err(), only.then_some(Refusal::RoleScope { role }), "{scope:?}");
        }
    }
}

/// Who manages a part of the cluster grants in it, and nowhere else.
#[test]
fn a_manager_grants_inside_the_scope_of_the_role() {
    let mut s = town();
    s.admin().send(create_ring("shop", "till")).unwrap();
    key_in_ring(&mut s, "till", "orders");
    key_in(&mut s, "shop", "stock");
    s.add("bob", &[]);
    s.add("taker", &[]);
    let (shop, till) = (instance_id("shop"), ring_id("till"));
    let in_ring = Scope::Ring(shop, till);
    s.admin().send(bind(grant_in(in_ring, Role::Manager, "bob"), None)).unwrap();
    let mut give = |scope, role| s.by("bob").send(bind(grant_in(scope, role, "taker"), None));
    give(in_ring, Role::Reader).unwrap();
    give(Scope::Key(key_id("orders")), Role::Manager).unwrap();
    let not_found = |what| Err(Refusal::NotFound { what });
    assert_eq!(give(Scope::Key(key_id("stock")), Role::Reader), not_found(Thing::Key));
    assert_eq!(give(Scope::Instance(shop), Role::Reader), not_found(Thing::Instance));
    let denied = Err(Refusal::PermissionDenied { action: Action::BindRole });
    assert_eq!(give(Scope::Cluster, Role::Reader), denied);
    assert_eq!(give(in_ring, Role::KeyPurge), Err(Refusal::GrantNotHeld { role: Role::KeyPurge }));
}

/// Without any role nothing is told of what exists.
#[test]
fn who_has_no_role_is_told_so_whatever_exists() {
    let mut s = town();
    key_in(&mut s, "shop", "k");
    s.add("stranger", &[]);
    let denied = Err(Refusal::PermissionDenied { action: Action::DisableKey });
    assert_eq!(s.by("stranger").disable("k"), denied);
    assert_eq!(s.by("stranger").disable("unknown"), denied);
}

#[test]
fn what_is_out_of_scope_answers_as_if_it_did_not_exist() {
    let mut s = town();
    key_in(&mut s, "shop", "k");
    s.add("banker", &[]);
    let scope = Scope::Instance(instance_id("bank"));
    s.admin().send(bind(grant_in(scope, Role::Manager, "banker"), None)).unwrap();
    let not_found = Err(Refusal::NotFound { what: Thing::Key });
    assert_eq!(s.by("banker").disable("k"), not_found);
    assert_eq!(s.by("banker").disable("unknown"), not_found);
    key_in(&mut s, "bank", "mine");
    s.by("banker").disable("mine").unwrap();
}
