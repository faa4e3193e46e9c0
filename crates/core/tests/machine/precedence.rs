//! When several refusals apply, the one that stands first in the order of [`Refusal`] is the answer.

mod lifecycle;

use crate::examples::{place_of_refusal, refusals};
use crate::script::*;
use conclave_core::codec;
use conclave_core::command::{Command, CreateKey, RecordShare};
use conclave_core::ids::MemberId;
use conclave_core::lifecycle::PolicyProblem;
use conclave_core::limits;
use conclave_core::outcome::{Refusal, VersionProblem};
use conclave_core::roles::Role;
use std::collections::BTreeMap;

#[test]
fn the_order_of_refusals_and_what_each_says() {
    let mut table = String::new();
    for (place, refusal) in refusals().into_iter().enumerate() {
        assert_eq!(place_of_refusal(&refusal), place);
        assert_eq!(usize::from(codec::encode(&refusal)[1]), place, "{refusal:?} as encoded");
        let facts: Vec<_> =
            refusal.metadata().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        table.push_str(&format!(
            "{place:>2} {}: {refusal}\n   next: {} [{}]\n",
            refusal.reason(),
            refusal.next(),
            facts.join(" "),
        ));
    }
    insta::assert_snapshot!("refusals", table);
}

/// Where one refusal says different things.
#[test]
fn what_each_problem_of_a_policy_or_a_version_says() {
    let policies = [
        PolicyProblem::RestoreAfterPurge,
        PolicyProblem::FloorAfterPurge,
        PolicyProblem::TooLong,
        PolicyProblem::UnderFloor { floor_ms: DAY },
        PolicyProblem::Shortened,
    ];
    let versions = [VersionProblem::Newest, VersionProblem::AlreadySo];
    let switches = versions.map(|problem| Refusal::VersionSwitch { version: 2, problem });
    let mut table = String::new();
    for refusal in policies.map(Refusal::PolicyInvalid).into_iter().chain(switches) {
        table.push_str(&format!("{refusal}\n   next: {}\n", refusal.next()));
    }
    insta::assert_snapshot!("problems", table);
}

/// A situation with two faults, each of which can be left out.
type Situation = fn(first: bool, second: bool) -> Answer;

#[test]
fn of_two_refusals_the_first_in_the_order_is_the_answer() {
    let mut table = String::new();
    for (what, situation) in situations() {
        let clean = situation(false, false);
        assert!(clean.is_ok(), "{what}: without faults it is refused: {clean:?}");
        let first = situation(true, false).expect_err(what);
        let second = situation(false, true).expect_err(what);
        let both = situation(true, true).expect_err(what);
        assert!(place_of_refusal(&first) < place_of_refusal(&second), "{what}: the row is wrong");
        assert_eq!(place_of_refusal(&both), place_of_refusal(&first), "{what}: {both:?}");
        table.push_str(&format!("{what}: {} before {}\n", name(&first), name(&second)));
    }
    insta::assert_snapshot!("precedence", table);
}

fn name(refusal: &Refusal) -> String {
    let text = format!("{refusal:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_owned()
}

fn situations() -> Vec<(&'static str, Situation)> {
    [first_situations(), lifecycle::situations()].concat()
}

fn first_situations() -> Vec<(&'static str, Situation)> {
    vec![
        ("credential: revoked, expired", |first, second| {
            let mut s = with_writer();
            if first {
                s.admin().send(revoke("bob")).unwrap();
            }
            s.wait_ms(if second { 30 * DAY } else { 0 });
            s.by("bob").create_key("new")
        }),
        ("expired, request id reused", |first, second| {
            let mut s = with_writer();
            if second {
                s.by("bob").request(1_000).create_key("before").unwrap();
            }
            s.wait_ms(if first { 30 * DAY } else { 0 });
            s.by("bob").request(1_000).create_key("new")
        }),
        ("request id reused, below the floor", |first, second| {
            let mut s = with_writer();
            s.admin().create_key("old").unwrap();
            s.wait_ms(limits::REQUEST_MEMORY_MS);
            if first {
                s.by("bob").request(1_000).create_key("before").unwrap();
            }
            s.by("bob").create_key("forgets").unwrap();
            let floor = s.machine.counters().memory_floor;
            s.by("bob").request(1_000).seen(floor - u64::from(second)).create_key("new")
        }),
        ("request id reused, no role", |first, second| {
            let mut s = with_writer();
            if first {
                s.by("bob").request(1_000).create_key("before").unwrap();
            }
            if second {
                s.admin().send(unbind(grant(Role::Writer, "bob"))).unwrap();
            }
            s.by("bob").request(1_000).create_key("new")
        }),
        ("below the floor, no role", |first, second| {
            let mut s = with_writer();
            s.wait_ms(limits::REQUEST_MEMORY_MS);
            s.admin().create_key("forgets").unwrap();
            let floor = s.machine.counters().memory_floor;
            if second {
                s.admin().send(unbind(grant(Role::Writer, "bob"))).unwrap();
            }
            s.by("bob").seen(if first { 0 } else { floor + 100 }).create_key("new")
        }),
        ("no role, not confirmed", |first, second| {
            let mut s = if second { Script::initialized() } else { Script::unsealed() };
            if first {
                return s.operator().create_key("new");
            }
            s.admin().create_key("new")
        }),
        ("no role, key not found", |first, second| {
            let mut s = with_writer();
            if first {
                s.admin().send(unbind(grant(Role::Writer, "bob"))).unwrap();
            }
            s.by("bob").rotate(if second { "unknown" } else { "present" })
        }),
        ("init: not an operator, confirmed", |first, second| {
            let mut s = if second { Script::unsealed() } else { Script::empty() };
            let caller = if first { s.custodian() } else { s.operator() };
            caller.send(init(1))
        }),
        ("init: confirmed, overtaken", |first, second| {
            let mut s = if first { Script::unsealed() } else { Script::initialized() };
            s.operator().send(init(if second { 7 } else { 2 }))
        }),
        ("init: no shares, overtaken", |first, second| {
            let mut s = Script::empty();
            let mut command = init_of(if second { 7 } else { 1 });
            if first {
                command.commitments.clear();
            }
            s.operator().send(Command::InitializeSeal(Box::new(command)))
        }),
        ("to oneself, a role not held", |first, second| {
            let mut s = with_manager();
            let role = if second { Role::KeyPurge } else { Role::Reader };
            s.by("bob").send(bind(grant(role, if first { "bob" } else { "taker" }), None))
        }),
        ("a role not held, unknown principal", |first, second| {
            let mut s = with_manager();
            let role = if first { Role::KeyPurge } else { Role::Reader };
            s.by("bob").send(bind(grant(role, if second { "unknown" } else { "taker" }), None))
        }),
        ("own group, not confirmed", |first, second| {
            let mut s = if second { Script::initialized() } else { with_manager() };
            s.admin().send(join("shop", if first { "admin" } else { "taker" }))
        }),
        ("share: of an old epoch, other collector", |first, second| {
            let mut s = Script::initialized();
            if second {
                s.custodian().send(share("running", 1, 1)).unwrap();
            }
            s.custodian().send(share("a", 2, if first { 0 } else { 1 }))
        }),
        ("share: other collector, given before", |first, second| {
            let mut s = Script::initialized();
            s.custodian().send(share("a", 1, 1)).unwrap();
            let index = if second { 1 } else { 2 };
            let there = share_of(if first { "b" } else { "a" }, index, 1);
            s.custodian().send(Command::RecordShare(there))
        }),
        ("share: other collector, never dealt", |first, second| {
            let mut s = Script::initialized();
            s.custodian().send(share("a", 1, 1)).unwrap();
            let index = if second { 9 } else { 2 };
            let there = share_of(if first { "b" } else { "a" }, index, 1);
            let there = RecordShare { collector: MemberId(2), ..there };
            s.custodian().send(Command::RecordShare(there))
        }),
        ("share: ceremony over, given before", |first, second| {
            let mut s = Script::initialized();
            s.custodian().send(share("a", 1, 1)).unwrap();
            s.wait_ms(if first { limits::CEREMONY_MS } else { 0 });
            s.custodian().send(share("a", if second { 1 } else { 2 }, 1))
        }),
        ("unseal: ceremony over, too few shares", |first, second| {
            let mut s = Script::initialized();
            s.custodian().send(share("a", 1, 1)).unwrap();
            let indexes: &[u8] = if second { &[1, 2] } else { &[1, 2, 3] };
            s.custodian().send(complete(if first { "b" } else { "a" }, indexes, 1))
        }),
        ("token: unknown owner, id taken", |first, second| {
            let mut s = with_writer();
            let (owner, token) =
                (if first { "unknown" } else { "bob" }, if second { "bob" } else { "new" });
            s.admin().send(create_token(owner, token, DAY))
        }),
        ("key: id taken, too many labels", |first, second| {
            create(|c| {
                c.key = key_id(if first { "present" } else { "new" });
                c.labels = labels(if second { limits::LABELS_PER_KEY + 1 } else { 1 });
            })
        }),
        ("key: alias taken, stale material", |first, second| {
            create(|c| {
                c.alias = Some(if first { "present" } else { "new" }.into());
                c.material.generation = if second { 0 } else { 1 };
            })
        }),
        ("key: too many labels, stale material", |first, second| {
            create(|c| {
                c.labels = labels(if first { limits::LABELS_PER_KEY + 1 } else { 1 });
                c.material.generation = if second { 0 } else { 1 };
            })
        }),
        ("rotate: not found, stale material", |first, second| {
            let mut s = with_writer();
            let key = if first { "unknown" } else { "present" };
            s.by("bob").send(rotate(key, 2, if second { 0 } else { 1 }))
        }),
        ("rotate: disabled, at the last version", |first, second| {
            let mut s = with_writer();
            if second {
                rotate_to_the_end(&mut s);
            }
            if first {
                s.admin().disable("present").unwrap();
            }
            s.by("bob").rotate("present")
        }),
        ("rotate: at the last version, stale number", |first, second| {
            let mut s = with_writer();
            if first {
                rotate_to_the_end(&mut s);
            }
            let next = s.key("present").primary_version + 1;
            s.by("bob").send(rotate("present", next + u32::from(second), 1))
        }),
        ("rotate: disabled, stale number", |first, second| {
            let mut s = with_writer();
            if first {
                s.admin().disable("present").unwrap();
            }
            s.by("bob").send(rotate("present", if second { 9 } else { 2 }, 1))
        }),
    ]
}

fn with_writer() -> Script {
    let mut script = Script::unsealed();
    script.add("bob", &[Role::Writer]);
    script.admin().create_key("present").unwrap();
    script
}

fn with_manager() -> Script {
    let mut script = Script::unsealed();
    script.add("bob", &[Role::Manager]);
    script.add("taker", &[]);
    script
}

fn create(change: impl FnOnce(&mut CreateKey)) -> Answer {
    let mut command = create_of("new");
    change(&mut command);
    with_writer().by("bob").send(Command::CreateKey(command))
}

fn labels(count: usize) -> BTreeMap<String, String> {
    (0..count).map(|n| (format!("label-{n}"), String::new())).collect()
}

/// Until no version is left.
fn rotate_to_the_end(script: &mut Script) {
    for _ in 1..limits::VERSIONS_PER_KEY {
        script.admin().rotate("present").unwrap();
    }
}
