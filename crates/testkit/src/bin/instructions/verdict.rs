//! Whether a count keeps the budget.

use std::fmt;

use super::budget::{Budget, Count};

/// The head of the table of verdicts.
pub(super) const HEAD: &str =
    "case                    instructions     budget  difference  allocations  budget";

/// A count beside its budget.
#[derive(Debug)]
pub(super) struct Verdict {
    case: String,
    count: Count,
    budget: Option<Count>,
    tolerance_percent: u32,
}

impl Verdict {
    pub(super) fn of(case: &str, count: Count, budget: &Budget) -> Verdict {
        let tolerance_percent = budget.tolerance_percent;
        Verdict { case: case.to_owned(), count, budget: budget.of(case), tolerance_percent }
    }

    /// What is wrong, if anything is. Less is wrong, too: the budget is out of date then, and what
    /// was gained could be lost again unseen.
    pub(super) fn complaint(&self) -> Option<String> {
        let Verdict { case, count, budget, tolerance_percent } = self;
        let Some(budget) = budget else { return Some(format!("{case}: it has no budget")) };
        let mut wrong = Vec::new();
        if !self.is_near(count.instructions, budget.instructions) {
            let side = side(count.instructions, budget.instructions);
            wrong.push(format!(
                "{} instructions, {side} the budget of {} by over {tolerance_percent} %",
                count.instructions, budget.instructions
            ));
        }
        if count.allocations != budget.allocations {
            let side = side(count.allocations, budget.allocations);
            wrong.push(format!(
                "{} allocations, {side} the budget of {}",
                count.allocations, budget.allocations
            ));
        }
        (!wrong.is_empty()).then(|| format!("{case}: {}", wrong.join("; ")))
    }

    fn is_near(&self, count: u64, budget: u64) -> bool {
        let allowed = u128::from(budget) * u128::from(self.tolerance_percent);
        u128::from(count.abs_diff(budget)) * 100 <= allowed
    }
}

fn side(count: u64, budget: u64) -> &'static str {
    if count > budget { "above" } else { "below" }
}

/// By how much a count is above its budget, in percent.
fn percent(count: u64, budget: u64) -> f64 {
    (count as f64 - budget as f64) / budget as f64 * 100.0
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count { instructions, allocations } = self.count;
        write!(f, "{:23} {instructions:>12} ", self.case)?;
        match self.budget {
            Some(budget) => write!(
                f,
                "{:>10} {:>+9.2} % {allocations:>12} {:>7}",
                budget.instructions,
                percent(instructions, budget.instructions),
                budget.allocations
            ),
            None => write!(f, "{:>10} {:>11} {allocations:>12} {:>7}", "-", "-", "-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(count: (u64, u64), budget: Option<(u64, u64)>) -> Verdict {
        let of = |(instructions, allocations)| Count { instructions, allocations };
        let (case, budget) = ("a/b".to_owned(), budget.map(of));
        Verdict { case, count: of(count), budget, tolerance_percent: 3 }
    }

    #[test]
    fn instructions_have_a_tolerance_on_both_sides_and_allocations_none() {
        let cases = [
            ((1_000, 10), None),
            ((1_030, 10), None),
            ((1_031, 10), Some("1031 instructions, above")),
            ((970, 10), None),
            ((969, 10), Some("969 instructions, below")),
            ((0, 10), Some("0 instructions, below")),
            ((1_000, 11), Some("11 allocations, above")),
            ((1_000, 9), Some("9 allocations, below")),
            ((1_031, 9), Some("3 %; 9 allocations")),
        ];
        for (count, expected) in cases {
            let complaint = verdict(count, Some((1_000, 10))).complaint();
            let found = complaint.as_deref().unwrap_or("");
            assert_eq!(complaint.is_some(), expected.is_some(), "{count:?}: {found}");
            assert!(found.contains(expected.unwrap_or("")), "{count:?}: {found}");
        }
        assert!(verdict((1, 1), None).complaint().unwrap().contains("no budget"));
    }

    #[test]
    fn the_lines_of_the_table_are_as_long_as_its_head() {
        for budget in [None, Some((1_000, 10))] {
            let line = verdict((1_031, 10), budget).to_string();
            assert_eq!(line.len(), HEAD.len(), "\n{HEAD}\n{line}");
        }
        assert!(verdict((1_031, 10), Some((1_000, 10))).to_string().contains("+3.10 %"));
    }
}
