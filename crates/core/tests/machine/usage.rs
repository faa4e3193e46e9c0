//! Whether a key may be used: permits.

use crate::script::*;
use conclave_core::access::{Authorized, Resource, authenticate, authorize};
use conclave_core::command::{Caller, CredentialRef};
use conclave_core::lifecycle::{KeyAction, KeyState};
use conclave_core::outcome::Refusal;
use conclave_core::roles::{Action, Role};
use conclave_core::usage::{UsePermit, permit_use};

/// A disabled key gives no permit, for no version and no operation; enabled again, it does.
pub fn check_a_disabled_key_is_not_used() -> Result<(), String> {
    let mut script = Script::unsealed();
    script.admin().create_key("orders").unwrap();
    script.admin().rotate("orders").unwrap();
    script.admin().disable("orders").unwrap();
    let pairs = [(Action::Encrypt, KeyAction::Encrypt), (Action::Decrypt, KeyAction::Decrypt)];
    for version in [1, 2] {
        for (asked, action) in pairs {
            let answer = ask(&script, asked, version);
            match answer {
                Err(Refusal::KeyState { state: KeyState::Disabled, action: refused, .. })
                    if refused == action => {}
                _ => return Err(format!("{asked} with version {version}: {answer:?}")),
            }
        }
    }
    script.admin().enable("orders").unwrap();
    ask(&script, Action::Encrypt, 2).map(drop).map_err(|refusal| refusal.to_string())
}

#[test]
fn a_disabled_key_is_not_used() {
    check_a_disabled_key_is_not_used().unwrap();
}

#[test]
fn a_permit_names_key_version_and_last_change_of_the_version() {
    let mut script = Script::unsealed();
    script.admin().create_key("orders").unwrap();
    let created = script.machine.index;
    script.admin().rotate("orders").unwrap();
    let rotated = script.machine.index;
    for (version, changed_at) in [(1, created), (2, rotated)] {
        let permit = ask(&script, Action::Decrypt, version).unwrap();
        let seen = (permit.key(), permit.version(), permit.changed_at());
        assert_eq!(seen, (key_id("orders"), version, changed_at));
    }
}

/// Whoever holds unwrapped material under an older number drops it.
#[test]
fn whatever_happens_to_a_version_is_a_change_of_the_version() {
    let mut script = Script::unsealed();
    script.admin().create_key("orders").unwrap();
    script.admin().rotate("orders").unwrap();
    let changed_at = |script: &Script| {
        let versions = script.machine.state().versions(key_id("orders"));
        versions.iter().map(|version| version.changed_at).collect::<Vec<_>>()
    };
    let [first, second] = changed_at(&script)[..] else { panic!("two versions") };
    script.admin().send(switch("orders", 1, false)).unwrap();
    let switched = script.machine.index;
    assert_eq!(changed_at(&script), [switched, second]);
    assert!(first < switched);
    script.admin().disable("orders").unwrap();
    assert_eq!(changed_at(&script), [switched, second], "what a version inherits is not stored");
    script.admin().delete("orders").unwrap();
    script.wait_ms(33 * DAY + 1);
    script.tick();
    assert_eq!(changed_at(&script), [script.machine.index; 2], "erased");
}

#[test]
fn a_version_that_is_switched_off_gives_no_permit() {
    let mut script = Script::unsealed();
    script.admin().create_key("orders").unwrap();
    let key = script.key("orders");
    let mut version = script.machine.state().version(key.id, 1).unwrap();
    version.enabled = false;
    for action in [Action::Encrypt, Action::Decrypt] {
        let answer = permit_use(authorized(&script, action), &key, &version, START_MS);
        assert_eq!(answer, Err(Refusal::VersionDisabled { version: 1 }));
    }
}

#[test]
fn permission_for_something_else_gives_no_permit() {
    let mut script = Script::unsealed();
    script.admin().create_key("orders").unwrap();
    for action in Action::ALL {
        if matches!(action, Action::Encrypt | Action::Decrypt) {
            continue;
        }
        let answer = ask(&script, action, 1);
        let denied = Refusal::PermissionDenied { action: Action::Encrypt };
        assert_eq!(answer, Err(denied), "with permission to {action}");
    }
}

#[test]
fn permission_on_something_else_gives_no_permit() {
    let mut script = Script::unsealed();
    script.admin().create_key("orders").unwrap();
    script.admin().create_key("bills").unwrap();
    let key = script.key("orders");
    let version = script.machine.state().version(key.id, 1).unwrap();
    let elsewhere = [
        Resource::Cluster,
        Resource::Instance(key.instance),
        Resource::Ring(key.instance, key.ring),
        Resource::Key(key.instance, ring_id("other"), key.id),
        Resource::Key(instance_id("other"), key.ring, key.id),
        Resource::of_key(&script.key("bills")),
        Resource::UnknownKey,
    ];
    for on in elsewhere {
        let proof = authorized_on(&script, Action::Decrypt, on);
        let denied = Refusal::PermissionDenied { action: Action::Decrypt };
        assert_eq!(permit_use(proof, &key, &version, START_MS), Err(denied), "on {on:?}");
    }
}

fn ask(script: &Script, action: Action, version: u32) -> Result<UsePermit, Refusal> {
    let version = script.machine.state().version(key_id("orders"), version).unwrap();
    permit_use(authorized(script, action), &script.key("orders"), &version, script.now_ms)
}

/// The proof of a principal that has every role, for the key.
fn authorized(script: &Script, action: Action) -> Authorized {
    authorized_on(script, action, Resource::of_key(&script.key("orders")))
}

fn authorized_on(script: &Script, action: Action, on: Resource) -> Authorized {
    let mut script = script.clone();
    script.add("all", &Role::ALL);
    let credential = CredentialRef::Token(token_id("all"));
    let caller = Caller::Principal { principal: principal_id("all"), credential };
    let who = authenticate(&script.machine.view, &caller, script.now_ms).unwrap();
    authorize(&script.machine.view, &who, action, on, script.now_ms).unwrap()
}
