use super::*;
use crate::sim::invariants::testing::{STEP, Script};

/// A key, and a use of it while the cluster is unsealed.
fn script() -> Script {
    let mut script = Script::unsealed();
    script.mutate(Action::Create(0));
    script.encrypt(2, 0);
    script
}

fn found(script: &Script) -> Vec<String> {
    check(&script.evidence()).into_iter().map(|violation| violation.text).collect()
}

#[test]
fn a_node_is_used_while_it_is_unsealed() {
    let mut script = script();
    assert_eq!(found(&script), [""; 0]);
    script.seal();
    script.unseal();
    script.encrypt(1, 0);
    script.encrypt(3, 0);
    script.restart(2);
    script.unseal();
    script.encrypt(2, 0);
    assert_eq!(found(&script), [""; 0]);
}

#[test]
fn a_use_after_a_seal_is_seen() {
    let mut script = script();
    script.seal();
    script.encrypt(2, 0);
    assert_eq!(found(&script).len(), 1);
    assert!(found(&script)[0].contains("only shares {} were given since the seal"));
}

#[test]
fn a_use_after_a_seal_and_too_few_shares_is_seen() {
    let mut script = script();
    script.seal();
    let ceremony = script.ceremony();
    script.submit(1, ceremony, 4);
    script.submit(2, ceremony, 5);
    script.encrypt(2, 0);
    assert!(found(&script)[0].contains("only shares {4, 5} were given"));
    // The same share twice is no third one.
    script.submit_refused(5, "CEREMONY_EXPIRED");
    script.encrypt(2, 0);
    assert_eq!(found(&script).len(), 2);
}

#[test]
fn shares_of_before_the_seal_do_not_count() {
    let mut script = script();
    let ceremony = script.ceremony();
    script.submit(1, ceremony, 1);
    script.submit(1, ceremony, 2);
    script.seal();
    let ceremony = script.ceremony();
    script.submit(1, ceremony, 3);
    script.encrypt(1, 0);
    assert!(found(&script)[0].contains("only shares {3} were given"));
}

#[test]
fn a_use_that_met_the_seal_may_have_been_before_it() {
    let mut script = script();
    script.seal();
    let sealed_at = script.last().returned;
    script.encrypt(2, 0);
    // Invoked in the microsecond in which the seal was answered, or before.
    for invoked in [sealed_at, sealed_at - STEP / 2] {
        script.last().invoked = invoked;
        assert_eq!(found(&script), [""; 0]);
    }
    script.last().invoked = sealed_at + 1;
    assert_eq!(found(&script).len(), 1);
}

#[test]
fn a_seal_of_unknown_outcome_proves_nothing() {
    let mut script = script();
    script.seal();
    script.last().outcome = Outcome::Unknown;
    script.encrypt(2, 0);
    assert_eq!(found(&script), [""; 0]);
}

#[test]
fn shares_that_were_refused_for_what_they_are_open_nothing() {
    for (reason, counts) in [
        ("SHARE_WRONG", false),
        ("SHARE_REPEATED", false),
        ("SHARE_OLD_EPOCH", false),
        ("NO_QUORUM", true),
        ("CEREMONY_EXPIRED", true),
    ] {
        let mut script = script();
        script.seal();
        for share in 1..=3 {
            script.submit_refused(share, reason);
        }
        script.encrypt(1, 0);
        let found = found(&script);
        let by_shares = found.iter().any(|text| text.contains("were given"));
        assert_eq!(by_shares, !counts, "{reason}: {found:?}");
        // The log knows of none of them.
        assert_eq!(found.len(), 1, "{reason}");
    }
}

/// Of an old share nobody has heard: it may still be on its way. The log tells that it was not.
#[test]
fn the_log_sees_what_unknown_shares_hide() {
    let mut script = script();
    for share in 1..=3 {
        script.pretend(Action::SubmitShare(share), Outcome::Unknown);
    }
    script.seal();
    script.encrypt(2, 0);
    let too_soon = script.last().clone();
    assert!(found(&script)[0].contains("the log had at most 0 shares behind the seal"));
    // They come after all, and after something else.
    script.mutate(Action::Update(0));
    script.unseal();
    script.encrypt(2, 0);
    let found = found(&script);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with(&told(&too_soon)), "{found:?}");
}

#[test]
fn a_share_in_the_log_is_no_older_than_what_stands_before_it() {
    let mut script = script();
    for share in 1..=3 {
        script.pretend(Action::SubmitShare(share), Outcome::Unknown);
    }
    script.seal();
    script.mutate(Action::Update(0));
    let updated = script.last().clone();
    script.unseal();
    script.encrypt(2, 0);
    script.last().invoked = updated.invoked - STEP / 2;
    for (returned, is_seen) in [(updated.invoked - 1, true), (updated.invoked, false)] {
        script.last().returned = returned;
        assert_eq!(found(&script).len(), usize::from(is_seen), "returned at {returned}");
    }
}

#[test]
fn a_use_after_a_restart_without_any_share_is_seen() {
    let mut script = script();
    script.restart(2);
    script.encrypt(2, 0);
    assert_eq!(found(&script).len(), 1);
    assert!(found(&script)[0].contains("no share was given since the node started"));
    // The others have not restarted.
    script.encrypt(1, 0);
    assert_eq!(found(&script).len(), 1);
}

/// A ceremony that was begun before the restart of a node opens it with its last share.
#[test]
fn one_share_after_a_restart_may_open_a_node() {
    let mut script = script();
    script.restart(3);
    let ceremony = script.ceremony();
    script.submit(1, ceremony, 1);
    script.submit(1, ceremony, 2);
    script.restart(2);
    script.submit(1, ceremony, 3);
    script.encrypt(2, 0);
    assert_eq!(found(&script), [""; 0]);
}

#[test]
fn a_share_that_is_being_answered_when_a_node_starts_may_open_it() {
    let mut script = script();
    let ceremony = script.ceremony();
    script.submit(1, ceremony, 1);
    let started = script.now() + STEP;
    script.last().returned = started;
    script.restart(2);
    script.encrypt(2, 0);
    assert_eq!(found(&script), [""; 0]);
}

/// An answer may outlive the life that gave it.
#[test]
fn a_use_that_met_two_lives_may_be_of_the_first() {
    let mut script = script();
    script.restart(2);
    script.encrypt(2, 0);
    let used = script.last();
    used.invoked -= 3 * STEP;
    assert_eq!(found(&script), [""; 0]);
}

#[test]
fn a_use_of_a_node_that_is_down_is_seen() {
    let mut script = script();
    script.restart(2);
    let mut evidence = script.evidence();
    evidence.lives.pop();
    assert_eq!(check(&evidence), []);
    script.encrypt(2, 0);
    evidence.history = script.evidence().history;
    assert!(check(&evidence)[0].text.contains("the node was down all the time"));
}

/// Before anybody has given a share.
#[test]
fn a_use_before_the_first_unseal_is_seen() {
    let mut script = script();
    script.last().invoked = 0;
    script.last().returned = 0;
    assert!(found(&script)[0].contains("no share was given since the node started at 0"));
}

#[test]
fn only_uses_that_worked_count() {
    let mut script = script();
    script.seal();
    for outcome in [Outcome::Unknown, Outcome::Refused("SEALED".to_owned())] {
        script.pretend(Action::Encrypt(0), outcome.clone());
        script.pretend(Action::Decrypt(0, 1), outcome);
    }
    script.get(0);
    script.mutate(Action::Update(0));
    assert_eq!(found(&script), [""; 0]);
    script.pretend_done(Action::Decrypt(0, 1), 0);
    assert_eq!(found(&script).len(), 1);
}
