//! Credentials are judged again at the entry's place in the log and at its time.

use crate::script::*;
use conclave_core::outcome::Refusal;
use conclave_core::roles::Role;

const URI: &str = "conclave://test/principal/bob";

type Attempt = fn(&mut Script) -> Answer;

/// Credentials that are worth nothing, with the answer that each gets.
fn dead_credentials() -> [(&'static str, Refusal, Attempt); 11] {
    let invalid = Refusal::CredentialInvalid;
    let expired = Refusal::CredentialExpired;
    [
        ("unknown principal", invalid.clone(), |s| s.by("nobody").create_key("stolen")),
        ("unknown token", invalid.clone(), |s| s.by_token("bob", "none").create_key("stolen")),
        ("token of another", invalid.clone(), |s| s.by_token("bob", "admin").create_key("stolen")),
        ("revoked token", invalid.clone(), |s| {
            s.admin().send(revoke("bob")).unwrap();
            s.by("bob").create_key("stolen")
        }),
        ("revoked, and expired", invalid.clone(), |s| {
            s.admin().send(revoke("bob")).unwrap();
            s.wait_ms(30 * DAY);
            s.by("bob").create_key("stolen")
        }),
        ("expired at its end", expired.clone(), |s| {
            s.wait_ms(30 * DAY);
            s.by("bob").create_key("stolen")
        }),
        ("expired long ago", expired.clone(), |s| {
            s.wait_ms(300 * DAY);
            s.by("bob").create_key("stolen")
        }),
        ("disabled, by token", invalid.clone(), |s| {
            s.admin().send(disable_principal("bob")).unwrap();
            s.by("bob").create_key("stolen")
        }),
        ("disabled, by certificate", invalid.clone(), |s| {
            s.admin().send(disable_principal("bob")).unwrap();
            s.by_certificate("bob", URI).create_key("stolen")
        }),
        ("certificate of another", invalid.clone(), |s| {
            s.by_certificate("admin", URI).create_key("stolen")
        }),
        ("unknown certificate", invalid, |s| {
            s.by_certificate("bob", "conclave://test/principal/eve").create_key("stolen")
        }),
    ]
}

/// `bob` is a Writer with a certificate and a token of 30 days.
fn with_bob() -> Script {
    let mut script = Script::unsealed();
    script.admin().send(create_principal_with_certificate("bob", URI)).unwrap();
    script.admin().send(create_token("bob", "bob", 30 * DAY)).unwrap();
    script.admin().send(bind(grant(Role::Writer, "bob"), None)).unwrap();
    script
}

/// A credential that is worth nothing is refused and changes nothing.
pub fn check_dead_credentials_are_refused() -> Result<(), String> {
    for (what, refusal, attempt) in dead_credentials() {
        let mut script = with_bob();
        let answer = attempt(&mut script);
        if answer != Err(refusal.clone()) {
            return Err(format!("{what}: {answer:?} instead of {refusal:?}"));
        }
        if script.machine.state().key(key_id("stolen")).is_some() {
            return Err(format!("{what}: the key was created"));
        }
    }
    Ok(())
}

#[test]
fn dead_credentials_are_refused_and_change_nothing() {
    check_dead_credentials_are_refused().unwrap();
}

#[test]
fn a_token_is_good_until_1_ms_before_its_end() {
    let mut script = with_bob();
    script.wait_ms(30 * DAY - 1);
    script.by("bob").create_key("just in time").unwrap();
    script.wait_ms(1);
    assert_eq!(script.by("bob").create_key("too late"), Err(Refusal::CredentialExpired));
}

#[test]
fn a_certificate_stands_for_its_principal() {
    let mut script = with_bob();
    script.by_certificate("bob", URI).create_key("orders").unwrap();
    assert_eq!(script.key("orders").created_by, principal_id("bob"));
}

#[test]
fn time_that_goes_back_revives_nothing() {
    let mut script = with_bob();
    script.wait_ms(30 * DAY);
    assert_eq!(script.by("bob").create_key("late"), Err(Refusal::CredentialExpired));
    script.now_ms -= DAY;
    assert_eq!(script.by("bob").create_key("late"), Err(Refusal::CredentialExpired));
}

#[test]
fn a_revoked_token_leaves_the_others_good() {
    let mut script = with_bob();
    script.admin().send(create_token("bob", "spare", DAY)).unwrap();
    script.admin().send(revoke("bob")).unwrap();
    script.admin().send(revoke("bob")).unwrap();
    script.by_token("bob", "spare").create_key("orders").unwrap();
    assert_eq!(script.machine.state().principal(principal_id("bob")).unwrap().tokens, 1);
}

#[test]
fn names_and_certificates_are_taken_once() {
    use conclave_core::outcome::Thing;
    let mut script = with_bob();
    let taken = |what| Err(Refusal::AlreadyExists { what });
    assert_eq!(script.admin().send(create_principal("bob")), taken(Thing::Principal));
    let twin = create_principal_with_certificate("twin", URI);
    assert_eq!(script.admin().send(twin), taken(Thing::Certificate));
    let again = create_token("admin", "bob", DAY);
    assert_eq!(script.admin().send(again), taken(Thing::Token));
}

#[test]
fn a_principal_has_at_most_1000_live_tokens() {
    use conclave_core::limits::TOKENS_PER_PRINCIPAL;
    use conclave_core::outcome::Bounded;
    let mut script = with_bob();
    let mut owner = script.machine.state().principal(principal_id("bob")).unwrap();
    owner.tokens = TOKENS_PER_PRINCIPAL as u32 - 1;
    conclave_core::state::StateMut(&mut script.machine.records).put_principal(&owner);
    script.machine.digest = conclave_core::digest::StateDigest::of(&script.machine.records);
    let index = script.machine.index;
    script.machine.view = conclave_core::view::View::load(&script.machine.records, index);
    script.admin().send(create_token("bob", "the last", DAY)).unwrap();
    let limit = TOKENS_PER_PRINCIPAL as u64;
    assert_eq!(
        script.admin().send(create_token("bob", "one more", DAY)),
        Err(Refusal::Limit { what: Bounded::Tokens, limit })
    );
    script.admin().send(revoke("the last")).unwrap();
    script.admin().send(create_token("bob", "one more", DAY)).unwrap();
}
