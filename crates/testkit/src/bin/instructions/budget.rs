//! What is written down: what each case takes, and for what that holds.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use conclave_testkit::measure::CASES;
use serde::Deserialize;

/// Where the budget lies in the source tree.
pub(super) const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.toml");

/// The compiler that has built this program.
pub(super) const RUSTC: &str = env!("CONCLAVE_RUSTC");

/// How to write the budget anew, from the root, with the program as CI builds it.
pub(super) const RECORD: &str = "target/release/instructions --record";

const HEAD: &str = "\
# Instructions of one operation of the hot path, as callgrind counts them; .ci/run instructions builds
# the program and compares. docs/adr/0017-instruction-budget.md says what the counts hold for.
# Written by: target/release/instructions --record
";

/// The budget.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Budget {
    /// How far instructions may be from what is written down, on either side.
    pub(super) tolerance_percent: u32,
    /// The compiler.
    rustc: String,
    /// What has counted.
    valgrind: String,
    cases: BTreeMap<String, Count>,
}

/// What one operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Count {
    /// Instructions, without those of the C library's allocator.
    pub(super) instructions: u64,
    /// How often memory is asked for.
    pub(super) allocations: u64,
}

impl Budget {
    /// Reads the file.
    pub(super) fn read(file: &Path) -> Result<Budget, String> {
        let text = std::fs::read_to_string(file).map_err(|error| error.to_string());
        let budget = text.and_then(|text| Budget::parse(&text));
        budget.map_err(|error| format!("{}: {error}", file.display()))
    }

    fn parse(text: &str) -> Result<Budget, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// Writes the file.
    pub(super) fn write(&self, file: &Path) -> Result<(), String> {
        std::fs::write(file, self.text()).map_err(|error| format!("{}: {error}", file.display()))
    }

    fn text(&self) -> String {
        let Budget { tolerance_percent, rustc, valgrind, cases } = self;
        let mut text = format!(
            "{HEAD}tolerance_percent = {tolerance_percent}\nrustc = \"{rustc}\"\nvalgrind = \
             \"{valgrind}\"\n\n[cases]\n"
        );
        for case in CASES {
            if let Some(Count { instructions, allocations }) = cases.get(case) {
                writeln!(
                    text,
                    "\"{case}\" = {{ instructions = {instructions}, allocations = {allocations} }}"
                )
                .expect("a string takes everything");
            }
        }
        text
    }

    /// The tolerance stays; everything else is to be set.
    pub(super) fn start_anew(&mut self, valgrind: String) {
        let rustc = RUSTC.to_owned();
        let tolerance_percent = self.tolerance_percent;
        *self = Budget { tolerance_percent, rustc, valgrind, cases: BTreeMap::new() };
    }

    pub(super) fn set(&mut self, case: &str, count: Count) {
        self.cases.insert(case.to_owned(), count);
    }

    /// What a case may take; `None`: it is not written down.
    pub(super) fn of(&self, case: &str) -> Option<Count> {
        self.cases.get(case).copied()
    }

    /// Another compiler makes other code: the difference would say nothing about a change.
    pub(super) fn check_compiler(&self, built_with: &str) -> Result<(), String> {
        if self.rustc == built_with {
            return Ok(());
        }
        Err(format!(
            "the budget was written with {}, this program was built with {built_with}; build it with \
             the compiler of the budget, or, if that is left for good, write the budget anew before \
             anything else changes: {RECORD}",
            self.rustc
        ))
    }

    /// What to do about complaints.
    pub(super) fn what_to_do(&self, valgrind: &str) -> String {
        let mut text = format!(
            "If that is meant, write the budget anew and say why in the commit: {RECORD}\nTo see where \
             the instructions are: CONTRIBUTING.md, Measuring."
        );
        if self.valgrind != valgrind {
            let _ = write!(
                text,
                "\nThe budget was counted by {}, this was {valgrind}: that may be the reason.",
                self.valgrind
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut budget = Budget {
            tolerance_percent: 3,
            rustc: "rustc 1.0".to_owned(),
            valgrind: "valgrind-3".to_owned(),
            cases: BTreeMap::new(),
        };
        for (case, instructions) in CASES.into_iter().zip(1..) {
            budget.set(case, Count { instructions, allocations: 100 - instructions });
        }
        assert_eq!(Budget::parse(&budget.text()), Ok(budget));
    }

    /// In the tree, every case has a budget, and nothing else has.
    #[test]
    fn the_budget_of_the_tree_has_every_case() {
        let budget = Budget::read(Path::new(FILE)).unwrap();
        let written: Vec<_> = budget.cases.keys().map(String::as_str).collect();
        let mut cases = CASES.to_vec();
        cases.sort_unstable();
        assert_eq!(written, cases);
    }

    #[test]
    fn another_compiler_is_refused_with_what_to_do() {
        let budget = Budget::read(Path::new(FILE)).unwrap();
        assert_eq!(budget.check_compiler(&budget.rustc), Ok(()));
        let refused = budget.check_compiler("rustc 0.1").unwrap_err();
        assert!(refused.contains("rustc 0.1") && refused.contains(RECORD), "{refused}");
    }
}
