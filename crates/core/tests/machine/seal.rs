//! Init, ceremonies, seal.

use crate::script::*;
use conclave_core::command::{Command, FirstAdmin, InitializeSeal, RecordShare};
use conclave_core::ids::{KeyspaceId, MemberId};
use conclave_core::limits;
use conclave_core::outcome::{Bounded, Effect, Refusal, Thing};
use conclave_core::roles::Role;

#[test]
fn init_writes_the_seal_and_the_first_credential() {
    let mut script = Script::empty();
    let done = script.operator().send(init(1)).unwrap();
    let end = START_MS + 3_650 * DAY;
    assert_eq!(done, Effect::SealInitialized { admin_expires_at_ms: Some(end) });
    let seal = script.seal();
    assert!(!seal.confirmed);
    assert_eq!((seal.epoch, seal.generation, seal.threshold, seal.shares()), (1, 1, 3, 5));
    assert_eq!(seal.last_proven_ms, [None; 5]);
    assert_eq!(script.machine.view.principal_named("admin"), Some(principal_id("admin")));
    assert_eq!(roles_of(&script, "admin"), [Role::Manager, Role::Administrator]);
}

#[test]
fn only_an_operator_certificate_initializes() {
    let mut script = Script::empty();
    assert_eq!(script.custodian().send(init(1)), Err(Refusal::WrongCaller));
    script.operator().send(init(1)).unwrap();
    assert_eq!(script.admin().send(init(2)), Err(Refusal::WrongCaller));
}

#[test]
fn before_confirmation_init_runs_again_and_replaces_everything() {
    let mut script = Script::initialized();
    script.custodian().send(share("first", 1, 1)).unwrap();
    script.operator().send(init(2)).unwrap();
    let seal = script.seal();
    assert_eq!((seal.epoch, seal.generation), (2, 2));
    assert_eq!(seal.ceremony, None);
    assert_eq!(script.machine.view.principal_named("admin"), Some(principal_id("admin-2")));
    assert_eq!(script.admin().create_key("k"), Err(Refusal::CredentialInvalid));
    assert_eq!(roles_of(&script, "admin"), []);
    assert_eq!(roles_of(&script, "admin-2"), [Role::Manager, Role::Administrator]);
    let old = Refusal::OldEpoch { given: 1, current: 2 };
    assert_eq!(script.custodian().send(share("first", 2, 1)), Err(old.clone()));
    assert_eq!(script.custodian().send(complete("first", &[1, 2, 3], 1)), Err(old));
    script.unseal();
    script.by("admin-2").create_key("k").unwrap();
}

#[test]
fn init_again_takes_the_certificate_of_the_first_credential_away() {
    let uri = "conclave://test/principal/admin";
    let mut script = Script::empty();
    let mut command = init_of(1);
    command.admin.certificate = Some(uri.into());
    script.operator().send(Command::InitializeSeal(Box::new(command))).unwrap();
    assert_eq!(script.machine.state().principal_of_certificate(uri), Some(principal_id("admin")));
    script.operator().send(init(2)).unwrap();
    assert_eq!(script.machine.state().principal_of_certificate(uri), None);
}

#[test]
fn after_confirmation_init_never_runs_again() {
    let mut script = Script::unsealed();
    for epoch in [1, 2, 3] {
        assert_eq!(script.operator().send(init(epoch)), Err(Refusal::AlreadyInitialized));
    }
    script.admin().send(Command::Seal).unwrap();
    assert_eq!(script.operator().send(init(2)), Err(Refusal::AlreadyInitialized));
}

#[test]
fn nothing_made_by_an_unconfirmed_credential_outlives_it() {
    let mut script = Script::initialized();
    let refused = Err(Refusal::NotInitialized);
    assert_eq!(script.admin().send(create_principal("eve")), refused);
    assert_eq!(script.admin().send(create_token("admin", "second", DAY)), refused);
    assert_eq!(script.admin().send(disable_principal("admin")), refused);
    assert_eq!(script.admin().send(join("ops", "eve")), refused);
    assert_eq!(script.admin().send(bind(group_grant(Role::Manager, "ops"), None)), refused);
    assert_eq!(script.admin().send(unbind(group_grant(Role::Manager, "ops"))), refused);
    assert_eq!(script.admin().send(revoke("admin")), refused);
    assert_eq!(script.admin().create_key("orders"), refused);
}

#[test]
fn an_init_that_another_init_overtook_is_superseded() {
    let mut script = Script::initialized();
    assert_eq!(script.operator().send(init(1)), Err(Refusal::Superseded));
    assert_eq!(script.operator().send(init(3)), Err(Refusal::Superseded));
    let elsewhere = InitializeSeal { keyspace: KeyspaceId(id("keyspace", "other")), ..init_of(2) };
    assert_eq!(
        script.operator().send(Command::InitializeSeal(Box::new(elsewhere))),
        Err(Refusal::Superseded)
    );
}

#[test]
fn the_first_credential_ends_or_never_does() {
    let mut script = Script::empty();
    let admin = FirstAdmin { ttl_ms: None, ..init_of(1).admin };
    let forever = InitializeSeal { admin, ..init_of(1) };
    let done = script.operator().send(Command::InitializeSeal(Box::new(forever)));
    assert_eq!(done, Ok(Effect::SealInitialized { admin_expires_at_ms: None }));
    script.unseal();
    script.wait_ms(10_000 * DAY);
    script.admin().create_key("orders").unwrap();
}

#[test]
fn shares_and_threshold_have_bounds() {
    let mut script = Script::empty();
    let try_init = |threshold: u8, shares: usize| {
        let commitments = vec![[7; 32]; shares];
        let command = InitializeSeal { threshold, commitments, ..init_of(1) };
        script.clone().operator().send(Command::InitializeSeal(Box::new(command)))
    };
    let limit = |what, limit| Err(Refusal::Limit { what, limit });
    assert_eq!(try_init(1, 0), limit(Bounded::Shares, 255));
    assert_eq!(try_init(3, 256), limit(Bounded::Shares, 255));
    assert_eq!(try_init(0, 5), limit(Bounded::Threshold, 5));
    assert_eq!(try_init(6, 5), limit(Bounded::Threshold, 5));
    assert!(try_init(5, 5).is_ok());
    assert!(try_init(255, 255).is_ok());
    assert_eq!(script.machine.state().seal(), None);
    script.operator().send(init(1)).unwrap();
}

#[test]
fn shares_are_counted_until_the_threshold() {
    let mut script = Script::initialized();
    let recorded = |accepted: &[u8]| {
        let ceremony = ceremony_id("a");
        let accepted = accepted.iter().copied().collect();
        Ok(Effect::ShareRecorded { ceremony, accepted, needed: 3 })
    };
    assert_eq!(script.custodian().send(share("a", 4, 1)), recorded(&[4]));
    assert_eq!(script.custodian().send(share("a", 1, 1)), recorded(&[1, 4]));
    assert_eq!(script.custodian().send(share("a", 5, 1)), recorded(&[1, 4, 5]));
}

/// What happens to a share while ceremony `a` of member 1 runs, which holds share 1.
#[test]
fn the_table_of_a_running_ceremony() {
    let running = |after_ms: u64, command: RecordShare| {
        let mut script = Script::initialized();
        script.custodian().send(share("a", 1, 1)).unwrap();
        script.wait_ms(after_ms);
        let answer = script.custodian().send(Command::RecordShare(command));
        let ceremony = script.seal().ceremony.expect("a running ceremony");
        let name = ["a", "b"].into_iter().find(|name| ceremony_id(name) == ceremony.id).unwrap();
        let members: Vec<_> = ceremony.accepted.iter().map(u8::to_string).collect();
        let answer = answer.map_or_else(|refusal| refusal.to_string(), |_| "recorded".to_owned());
        format!("{answer}; {name} of member {} holds {}", ceremony.collector.0, members.join(","))
    };
    let there = |index| share_of("a", index, 1);
    let here = |index| RecordShare { collector: MemberId(2), ..share_of("b", index, 1) };
    let instead = |index, of| RecordShare { replaces: Some(ceremony_id(of)), ..here(index) };
    let rows = [
        ("another share", running(0, there(2))),
        ("the same share again", running(0, there(1))),
        ("share 0", running(0, there(0))),
        ("share 6 of 5", running(0, there(6))),
        ("share of epoch 0", running(0, RecordShare { epoch: 0, ..there(2) })),
        ("share of epoch 2", running(0, RecordShare { epoch: 2, ..there(2) })),
        ("at another collector", running(0, here(2))),
        ("at another collector, same share", running(0, here(1))),
        ("at another that replaces it", running(0, instead(2, "a"))),
        ("at another that replaces it, same share", running(0, instead(1, "a"))),
        ("at another that replaces a third", running(0, instead(2, "c"))),
        ("1 ms before the end", running(limits::CEREMONY_MS - 1, there(2))),
        ("at the end", running(limits::CEREMONY_MS, there(2))),
        ("at another, 1 ms before the end", running(limits::CEREMONY_MS - 1, here(2))),
        ("at another, at the end", running(limits::CEREMONY_MS, here(2))),
    ];
    let table: String = rows.iter().map(|(row, seen)| format!("{row}: {seen}\n")).collect();
    insta::assert_snapshot!("ceremony", table);
}

#[test]
fn an_unseal_confirms_once_enough_different_shares_came_back() {
    let mut script = Script::initialized();
    script.custodian().send(share("a", 1, 1)).unwrap();
    let not_met = |given| Err(Refusal::ThresholdNotMet { given, needed: 3 });
    assert_eq!(script.custodian().send(complete("a", &[], 1)), not_met(0));
    assert_eq!(script.custodian().send(complete("a", &[1, 1, 1], 1)), not_met(1));
    assert_eq!(script.custodian().send(complete("a", &[0, 1, 2, 6], 1)), not_met(2));
    assert!(!script.seal().confirmed);
    script.wait_ms(SECOND);
    let done = script.custodian().send(complete("a", &[5, 1, 2], 1));
    assert_eq!(done, Ok(Effect::UnsealRecorded));
    let seal = script.seal();
    assert!(seal.confirmed);
    assert_eq!(seal.ceremony, None);
    let now = Some(START_MS + SECOND);
    assert_eq!(seal.last_proven_ms, [now, now, None, None, now]);
    assert_eq!(seal.generation, 1, "an unseal is no seal");
}

#[test]
fn only_the_running_ceremony_completes() {
    let mut script = Script::initialized();
    let over = Err(Refusal::CeremonyOver);
    assert_eq!(script.custodian().send(complete("a", &[1, 2, 3], 1)), over);
    script.custodian().send(share("a", 1, 1)).unwrap();
    assert_eq!(script.custodian().send(complete("b", &[1, 2, 3], 1)), over);
    script.custodian().send(complete("a", &[1, 2, 3], 1)).unwrap();
    assert_eq!(script.custodian().send(complete("a", &[1, 2, 3], 1)), over);
}

/// A node opens first; the fact follows when there is a quorum, be it after the ceremony's time.
#[test]
fn the_fact_of_an_unseal_may_come_late() {
    let mut script = Script::initialized();
    script.custodian().send(share("a", 1, 1)).unwrap();
    script.wait_ms(2 * limits::CEREMONY_MS);
    script.custodian().send(complete("a", &[1, 2, 3], 1)).unwrap();
    assert!(script.seal().confirmed);
}

#[test]
fn a_seal_raises_the_generation_and_ends_the_ceremony() {
    let mut script = Script::unsealed();
    script.custodian().send(share("a", 1, 1)).unwrap();
    assert_eq!(script.admin().send(Command::Seal), Ok(Effect::Sealed { generation: 2 }));
    assert_eq!(script.seal().ceremony, None);
    assert_eq!(script.custodian().send(complete("a", &[1, 2, 3], 1)), Err(Refusal::CeremonyOver));
    assert_eq!(script.admin().send(Command::Seal), Ok(Effect::Sealed { generation: 3 }));
    assert!(script.seal().confirmed);
    script.unseal();
    assert_eq!(script.seal().generation, 3);
}

#[test]
fn only_an_administrator_seals() {
    let mut script = Script::unsealed();
    script.add("manager", &[Role::Manager]);
    script.add("operator", &[Role::Operator]);
    for name in ["manager", "operator"] {
        let refusal = script.by(name).send(Command::Seal).unwrap_err();
        assert!(matches!(refusal, Refusal::PermissionDenied { .. }), "{name}: {refusal}");
    }
    assert!(matches!(script.operator().send(Command::Seal), Err(Refusal::PermissionDenied { .. })));
    assert_eq!(script.seal().generation, 1);
}

#[test]
fn without_init_there_is_nothing_to_open_or_seal() {
    let mut script = Script::empty();
    assert_eq!(script.custodian().send(share("a", 1, 1)), Err(Refusal::NotInitialized));
    let complete = complete("a", &[1, 2, 3], 1);
    assert_eq!(script.custodian().send(complete), Err(Refusal::NotInitialized));
}

#[test]
fn a_share_that_was_never_dealt_is_not_found() {
    let mut script = Script::initialized();
    let not_found = Err(Refusal::NotFound { what: Thing::Share });
    assert_eq!(script.custodian().send(share("a", 0, 1)), not_found);
    assert_eq!(script.custodian().send(share("a", 6, 1)), not_found);
    assert_eq!(script.seal().ceremony, None);
}

fn roles_of(script: &Script, name: &str) -> Vec<Role> {
    use conclave_core::command::Subject;
    let bindings = script.machine.state().bindings_of(&Subject::Principal(principal_id(name)));
    bindings.into_iter().map(|binding| binding.grant.role).collect()
}
