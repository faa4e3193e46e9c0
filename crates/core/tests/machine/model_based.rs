//! The state machine against an independent model of the lifecycle: random commands and clock steps,
//! and after each the same answer and the same key. A seed names a whole episode.

mod compare;
mod episode;
mod model;
mod moves;

use conclave_core::lifecycle::KeyState;
use episode::{Asked, Episode};
use std::collections::{BTreeMap, BTreeSet};

/// How many commands an episode gives.
const STEPS: u64 = 500;

#[allow(clippy::disallowed_methods, reason = "tests read their scale from the environment")]
fn episodes() -> u64 {
    let scale = std::env::var("CONCLAVE_TEST_SCALE");
    if scale.as_deref() == Ok("full") { 4_000 } else { 200 }
}

#[test]
fn the_state_machine_is_the_model() {
    let mut asked = BTreeMap::<Asked, u64>::new();
    for seed in 0..episodes() {
        match Episode::new(seed).run(STEPS) {
            Ok(seen) => seen.into_iter().for_each(|(what, n)| *asked.entry(what).or_default() += n),
            Err(difference) => panic!("{difference}"),
        }
    }
    let table: Vec<_> = asked.iter().map(|(what, n)| format!("{n:>7} {what:?}")).collect();
    println!("{}", table.join("\n"));
    // Otherwise all that would say little.
    let of = |state: &str, name: &str| -> u64 {
        let is_it = |asked: &&Asked| (asked.0, asked.1) == (state, name);
        asked.keys().filter(is_it).filter_map(|what| asked.get(what)).sum()
    };
    for state in KeyState::ALL.map(|state| state.to_string()) {
        for name in moves::NAMES.into_iter().filter(|name| *name != "CreateKey") {
            assert!(of(&state, name) > 50, "{name} was hardly asked of an {state} key");
        }
    }
    let came_to: BTreeSet<_> = asked.keys().map(|(_, _, what)| *what).collect();
    assert_eq!(came_to, BTreeSet::from(ANSWERS));
}

/// All that a command can come to.
const ANSWERS: [&str; 14] = [
    "done",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "KEY_STATE",
    "VERSION_STATE",
    "VERSION_LIMIT",
    "TOO_EARLY",
    "WINDOW_OVER",
    "EXPIRED",
    "RETENTION",
    "REGISTERED",
    "POLICY_INVALID",
    "INVALID_ARGUMENT",
    "NOT_DUE",
];

/// Each cell of the table, flipped, is noticed. What chance would notice only by reading is listed.
#[cfg(feature = "mutants")]
#[test]
fn each_flipped_cell_of_the_table_is_noticed() {
    use conclave_core::lifecycle::{KeyAction, Timer};
    use conclave_core::mutants::{TableCell, with_flipped};

    let actions = KeyState::ALL.into_iter().flat_map(|state| {
        KeyAction::ALL.into_iter().map(move |action| TableCell::Action(state, action))
    });
    let timers = [
        TableCell::Timer(KeyState::Enabled, Timer::ExpiryReached),
        TableCell::Timer(KeyState::PendingDeletion, Timer::GraceOver),
        TableCell::Timer(KeyState::Destroyed, Timer::RestoreWindowOver),
        TableCell::Timer(KeyState::Destroyed, Timer::AutoPurge),
    ];
    let mut missed = Vec::new();
    for cell in actions.chain(timers) {
        let noticed = (0..MUTANT_EPISODES)
            .find_map(|seed| with_flipped(cell, || Episode::new(seed).run(STEPS)).err());
        match noticed {
            Some(difference) => println!("{cell:?}: {}", difference.what),
            None => missed.push(cell),
        }
    }
    assert_eq!(missed, out_of_reach());
}

/// Episodes that are tried for one mutant before it counts as missed.
#[cfg(feature = "mutants")]
const MUTANT_EPISODES: u64 = 30;

/// Cells of which no command shows what they say; the golden file holds them.
#[cfg(feature = "mutants")]
fn out_of_reach() -> Vec<conclave_core::mutants::TableCell> {
    use conclave_core::lifecycle::KeyAction;
    use conclave_core::mutants::TableCell;

    let mut cells = Vec::new();
    for state in KeyState::ALL {
        // A move is an update, and where it is refused, that is refused first.
        if matches!(state, KeyState::PendingDeletion | KeyState::Destroyed) {
            cells.push(TableCell::Action(state, KeyAction::Move));
        }
        // No command reads: reading is judged by roles alone.
        cells.push(TableCell::Action(state, KeyAction::Read));
    }
    cells
}
