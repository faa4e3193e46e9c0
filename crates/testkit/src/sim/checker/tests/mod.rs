//! The checkers against histories whose truth is known: drawn from a right cluster, spoilt on purpose,
//! or small enough to try everything.

mod brute;
pub(super) mod generator;
mod plants;

use std::collections::BTreeMap;

use super::*;
use crate::Dice;
use crate::sim::history::{Answer, State};
use generator::{Run, Shape};
use plants::{PLANTS, Plant, Seen, Site};

const HISTORIES: u64 = 1_000;

/// Of every kind: many and few unknown outcomes, crowded and calm, with and without equal times.
fn shape(dice: &mut Dice) -> Shape {
    Shape {
        clients: 2 + dice.below(5) as u32,
        operations: 8 + dice.below(8) as u32,
        keys: 1 + dice.below(2) as u32,
        tokens: 1,
        unknown_percent: [0, 10, 30][dice.below(3) as usize],
        longest: [20, 200, 2_000][dice.below(3) as usize],
        grain: [1, 50][dice.below(2) as usize],
    }
}

#[test]
fn what_a_right_cluster_answers_is_accepted() {
    let mut overlap = overlap::Overlap::default();
    for seed in 0..HISTORIES {
        let mut dice = Dice::new(seed);
        let shape = shape(&mut dice);
        let run = Run::draw(&mut dice, &shape);
        let violations = check_history(&run.history, Some(&run.orders));
        assert!(violations.is_empty(), "seed {seed}, {shape:?}: {}", text(&violations));
        let of_run = overlap::Overlap::of(&run.history);
        overlap.on_keys += of_run.on_keys;
        overlap.overlapping += of_run.overlapping;
        overlap.operations += of_run.operations;
        overlap.unknown += of_run.unknown;
    }
    assert!(overlap.overlap_percent() > 50.0 && overlap.unknown_percent() > 8.0, "{overlap}");
}

#[test]
fn what_cannot_be_is_rejected() {
    for seed in 0..HISTORIES {
        let plant = &PLANTS[seed as usize % PLANTS.len()];
        let site = planted(plant, seed);
        let by_search = check_history(&site.run.history, None);
        let operations: Vec<_> = site.run.on_key(site.key).collect();
        let by_oracle = version_oracle::check(&site.run.orders[&site.key], &operations);
        let seen = (!by_search.is_empty(), !by_oracle.is_empty());
        let expected = (plant.seen != Seen::Oracle, plant.seen != Seen::Search);
        let texts = (text(&by_search), text(&by_oracle));
        assert_eq!(seen, expected, "seed {seed}, {}: {} {}", plant.name, texts.0, texts.1);
        let undecided = by_search.iter().any(|violation| violation.invariant == UNDECIDED);
        assert!(!undecided, "seed {seed}, {}: {}", plant.name, texts.0);
    }
}

/// A history with this plant: not every one has a place for it.
fn planted(plant: &Plant, seed: u64) -> Site {
    let mut dice = Dice::new(seed);
    for _ in 0..200 {
        let shape = shape(&mut dice);
        let run = Run::draw(&mut dice, &shape);
        let key = dice.below(shape.keys.into()) as KeyNo;
        let mut site = Site { run, dice: Dice::new(dice.roll()), key };
        if (plant.plant)(&mut site) {
            return site;
        }
    }
    panic!("seed {seed}: no place for {}", plant.name);
}

#[test]
fn the_search_finds_what_trying_everything_finds() {
    let mut verdicts = BTreeMap::from([(false, 0), (true, 0)]);
    for seed in 0..2 * HISTORIES {
        let run = small(seed);
        for (key, operations) in by(&run.history, Action::key) {
            let telling = operations.iter().filter(|operation| is_telling::<KeyModel>(operation));
            let mut calls: Vec<_> = telling.map(|operation| call(operation)).collect();
            if seed % 2 == 0 {
                calls.iter_mut().for_each(|call| call.rank = None);
            }
            let expected = brute::is_linearizable::<KeyModel>(&calls);
            let verdict = wgl::check::<KeyModel>(&calls, BUDGET);
            let found = verdict == Verdict::Linearizable;
            assert_eq!(found, expected, "seed {seed}, key {key}: {verdict:?} of {calls:#?}");
            *verdicts.get_mut(&expected).unwrap() += 1;
        }
    }
    assert!(verdicts.values().all(|count| *count > 500), "{verdicts:?}");
}

#[test]
fn the_oracle_finds_what_trying_everything_in_order_finds() {
    let mut verdicts = BTreeMap::from([(false, 0), (true, 0)]);
    for seed in 0..2 * HISTORIES {
        let run = small(seed);
        let operations: Vec<_> = run.on_key(0).collect();
        let order = &run.orders[&0];
        let expected = brute::follows(order, &operations);
        let violations = version_oracle::check(order, &operations);
        let texts = text(&violations);
        assert_eq!(violations.is_empty(), expected, "seed {seed}: {texts} {run:#?}");
        // With an order, there is one.
        let searched = search::<KeyModel>("key 0", &operations, BUDGET);
        assert!(!expected || searched.is_none(), "seed {seed}: {searched:?}");
        *verdicts.get_mut(&expected).unwrap() += 1;
    }
    assert!(verdicts.values().all(|count| *count > 500), "{verdicts:?}");
}

/// At most seven operations on one key, mostly at the same time; up to four times one of them is
/// spoilt, which may or may not show.
fn small(seed: u64) -> Run {
    let mut dice = Dice::new(seed);
    let (clients, operations) = [(7, 1), (3, 2), (2, 3), (1, 7)][dice.below(4) as usize];
    let shape = Shape {
        clients,
        operations,
        keys: 1,
        tokens: 0,
        unknown_percent: 20,
        longest: 40,
        grain: [1, 10][dice.below(2) as usize],
    };
    let mut run = Run::draw(&mut dice, &shape);
    for _ in 0..dice.below(5) {
        spoil(&mut run, &mut dice);
    }
    run
}

fn spoil(run: &mut Run, dice: &mut Dice) {
    let place = dice.below(run.history.operations.len() as u64) as usize;
    let operation = &mut run.history.operations[place];
    match dice.below(8) {
        0 => operation.outcome = Outcome::Unknown,
        1 => {
            let reasons = ["KEY_STATE", "NOT_FOUND", "ALREADY_EXISTS", "CIPHERTEXT_INVALID"];
            let reasons = reasons.into_iter().chain(["VERSION_STATE"]);
            let reason = reasons.collect::<Vec<_>>()[dice.below(5) as usize];
            operation.outcome = Outcome::Refused(reason.to_owned());
        }
        2 => {
            let answer =
                Answer { index: run.index, version: 1, state: State::Enabled, ..Answer::default() };
            operation.outcome = Outcome::Done(answer);
        }
        3 => {
            operation.invoked = operation.invoked.saturating_sub(dice.below(60));
            operation.returned -= (operation.returned - operation.invoked) / 2;
        }
        4 => {
            operation.returned += dice.below(60);
            operation.invoked += (operation.returned - operation.invoked) / 2;
        }
        5 => {
            let order = run.orders.get_mut(&0).unwrap();
            let at = dice.below(order.len().max(1) as u64) as usize;
            if at + 1 < order.len() {
                order.swap(at, at + 1);
            } else {
                order.pop();
            }
        }
        _ => spoil_answer(operation, dice),
    }
}

fn spoil_answer(operation: &mut Operation, dice: &mut Dice) {
    let Outcome::Done(answer) = &mut operation.outcome else { return };
    let sign = if dice.chance(50) { 1 } else { -1 };
    match dice.below(5) {
        3 => answer.off = answer.off.set(1, dice.chance(50)),
        0 => answer.version = answer.version.saturating_add_signed(sign),
        1 => answer.revision = answer.revision.saturating_add_signed(sign.into()),
        2 => {
            let states = [State::Enabled, State::Disabled, State::PendingDeletion];
            answer.state = states[dice.below(3) as usize];
        }
        _ => answer.index = answer.index.saturating_add_signed(sign.into()),
    }
}

/// As a run of a minute makes it: ten thousand operations, of which one in seven has an unknown outcome.
fn long(dice: &mut Dice) -> Run {
    let shape = Shape {
        clients: 20,
        operations: 500,
        keys: 4,
        tokens: 1,
        unknown_percent: 15,
        longest: 200_000,
        grain: 1,
    };
    Run::draw(dice, &shape)
}

#[test]
fn a_long_history_takes_a_few_steps_an_operation() {
    for seed in 0..3 {
        let run = long(&mut Dice::new(seed));
        assert_eq!(check_history(&run.history, Some(&run.orders)), [], "seed {seed}");
        for (key, operations) in by(&run.history, Action::key) {
            let steps = 10 * operations.len() as u64;
            let found = search::<KeyModel>("", &operations, steps);
            assert_eq!(found, None, "seed {seed}, key {key}");
        }
    }
}

#[test]
fn a_violation_in_a_long_history_is_decided() {
    let is_searched = |plant: &&Plant| plant.seen == Seen::Both;
    let mut planted = 0;
    for (seed, plant) in (0..).zip(PLANTS.iter().filter(is_searched)) {
        let mut sites = (0..8).map(|attempt| {
            let mut dice = Dice::new(1_000 * attempt + seed);
            Site { run: long(&mut dice), dice, key: 0 }
        });
        let Some(site) = sites.find_map(|mut site| (plant.plant)(&mut site).then_some(site)) else {
            continue;
        };
        let operations: Vec<_> = site.run.on_key(0).collect();
        let found = search::<KeyModel>("", &operations, BUDGET).map(|found| found.invariant);
        assert_eq!(found, Some(KeyModel::INVARIANT), "seed {seed}, {}", plant.name);
        planted += 1;
    }
    // Two need a key without unknown outcomes, of which there is none.
    assert_eq!(planted, PLANTS.iter().filter(is_searched).count() - 2);
}

#[test]
fn a_search_without_an_end_is_no_success() {
    let mut dice = Dice::new(7);
    let shape = shape(&mut dice);
    let run = Run::draw(&mut dice, &shape);
    let operations: Vec<_> = run.on_key(0).collect();
    let undecided = search::<KeyModel>("key 0", &operations, 10).unwrap();
    assert_eq!(undecided.invariant, UNDECIDED);
    assert_eq!(search::<KeyModel>("key 0", &operations, BUDGET), None);
}

fn text(violations: &[Violation]) -> String {
    violations.iter().map(|violation| format!("\n{violation}")).collect()
}
