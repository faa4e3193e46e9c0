//! The lifecycle table against the golden file, which is written by hand from the design.

use conclave_core::lifecycle::{
    self, DeletionPolicy, Denied, KeyAction, KeyState, Next, Preset, Situation, Timer, on_timer,
    transition,
};
use conclave_core::outcome::Refusal;
use std::collections::BTreeMap;

const GOLDEN: &str = include_str!("../../../../tests/golden/lifecycle.txt");

/// Whoever changes the table changes the golden file by hand, and says why.
#[test]
fn the_table_is_that_of_the_golden_file() {
    let written: Vec<String> = GOLDEN.lines().filter_map(row).collect();
    let rendered: Vec<String> = Preset::ALL.into_iter().flat_map(matrix).collect();
    let missing = written.iter().filter(|row| !rendered.contains(row));
    let added = rendered.iter().filter(|row| !written.contains(row));
    let differences: Vec<_> = missing
        .map(|row| format!("the file says  {row}"))
        .chain(added.map(|row| format!("the table says {row}")))
        .collect();
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
    assert_eq!(written, rendered, "the same rows, in another order");
}

/// What each refused action is told to do next. The preset `soft-delete` does not let the grace period be
/// skipped, and `scheduled` restores nothing.
#[test]
fn every_refused_action_is_told_what_to_do_next() {
    let mut table = String::new();
    for preset in Preset::ALL {
        let policy = preset.policy();
        for (name, at) in situations() {
            let refused = KeyAction::ALL
                .into_iter()
                .filter(|action| transition(&policy, at, *action) == Err(Denied::State));
            let mut next = BTreeMap::<&str, Vec<String>>::new();
            let allowed = lifecycle::allowed(&policy, at);
            for action in refused {
                let refusal = Refusal::KeyState { state: at.state, action, allowed };
                next.entry(refusal.next()).or_default().push(action.to_string());
            }
            table.push_str(&format!("{preset}, {name} (allowed: {})\n", allowed.list(" ")));
            for (text, actions) in next {
                table.push_str(&format!("    {}: {text}\n", actions.join(" ")));
            }
        }
    }
    insta::assert_snapshot!("next", table);
}

/// A row without the spaces that line up its columns; `None`: a comment.
fn row(line: &str) -> Option<String> {
    let is_row = !line.is_empty() && !line.starts_with('#');
    is_row.then(|| line.split('|').map(str::trim).collect::<Vec<_>>().join(" | "))
}

/// State, whether it has expired, where deletion was asked from.
fn situations() -> [(&'static str, Situation); 10] {
    use KeyState::{Deactivated, Destroyed, Disabled, Enabled, PendingDeletion};
    let at = |state, expired, asked_from| Situation { state, expired, asked_from };
    [
        ("Enabled", at(Enabled, false, Enabled)),
        ("Disabled", at(Disabled, false, Disabled)),
        ("Disabled expired", at(Disabled, true, Disabled)),
        ("Deactivated", at(Deactivated, true, Deactivated)),
        ("PendingDeletion from Enabled", at(PendingDeletion, false, Enabled)),
        ("PendingDeletion from Disabled", at(PendingDeletion, false, Disabled)),
        ("PendingDeletion expired", at(PendingDeletion, true, Enabled)),
        ("Destroyed from Enabled", at(Destroyed, false, Enabled)),
        ("Destroyed from Disabled", at(Destroyed, false, Disabled)),
        ("Destroyed expired", at(Destroyed, true, Enabled)),
    ]
}

fn matrix(preset: Preset) -> Vec<String> {
    let policy = preset.policy();
    let mut rows = Vec::new();
    for (name, at) in situations() {
        for action in KeyAction::ALL {
            let cell = by_action(&policy, at, action);
            rows.push(format!("{preset} | {name} | {action} | {cell}"));
        }
        for timer in Timer::ALL {
            let cell = by_timer(&policy, at, timer);
            rows.push(format!("{preset} | {name} | {timer} | {cell}"));
        }
    }
    rows
}

fn by_action(policy: &DeletionPolicy, at: Situation, action: KeyAction) -> String {
    match transition(policy, at, action) {
        Ok(Next::State(next)) if next == at.state => "allowed".to_owned(),
        Ok(Next::State(next)) => format!("-> {next}"),
        Ok(Next::Purged) => "-> purged".to_owned(),
        Err(Denied::State) => "refused".to_owned(),
        Err(Denied::Expired) => "refused EXPIRED".to_owned(),
    }
}

fn by_timer(policy: &DeletionPolicy, at: Situation, timer: Timer) -> String {
    match on_timer(policy, at, timer) {
        None => "nothing".to_owned(),
        Some(Next::State(next)) if next == at.state => "material erased".to_owned(),
        Some(Next::State(next)) => format!("-> {next}"),
        Some(Next::Purged) => "-> purged".to_owned(),
    }
}
