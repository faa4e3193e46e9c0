//! What is left of a run that fails: its plan, and the smallest one that still fails.

use std::collections::BTreeSet;

use conclave_testkit::sim::invariants::overlap;
use conclave_testkit::sim::plan::Plan;
use conclave_testkit::sim::report::Report;
use conclave_testkit::sim::shrink;

use super::attempt::How;
use super::say::say;

/// What the plan of a seed is called, without the ending of a file.
pub(super) fn name(plan: &Plan) -> String {
    format!("seed-{}", plan.seed)
}

/// Writes the plan down.
pub(super) fn keep(plan: &Plan, how: &How) -> Result<(), String> {
    let again = write(plan, &name(plan), how)?;
    say(format_args!("  plan of seed {}; again by: {again}", plan.seed));
    Ok(())
}

/// Searches a smaller plan that fails in the same way, in at most so many runs, and writes it down.
pub(super) fn make_smaller(
    plan: &Plan,
    report: &Report,
    runs: usize,
    name: &str,
    how: &How,
) -> Result<(), String> {
    if runs == 0 {
        return Ok(());
    }
    say(format_args!("  looking for a smaller plan, in at most {runs} runs"));
    let mut done = 0;
    let fails = |candidate: &Plan| {
        if candidate == plan {
            return report.violated_by_ms;
        }
        done += 1;
        // One that cannot be run at all fails in another way.
        let smaller = how.run(candidate, false).ok()?;
        let is_the_same = is_the_same(violated(report), violated(&smaller));
        smaller.violated_by_ms.filter(|_| is_the_same)
    };
    // The first one is what is known already.
    let small = shrink::shrink(plan, fails, runs.saturating_add(1));
    if small == *plan {
        say(format_args!("  after {done} runs none was found"));
        return Ok(());
    }
    let again = write(&small, &format!("{name}-small"), how)?;
    say(format_args!(
        "  smaller: {} of {} faults, {} of {} ms, after {done} runs; again by: {again}",
        small.size(),
        plan.size(),
        small.safety_ms,
        plan.safety_ms
    ));
    Ok(())
}

/// Names of invariants.
type Names = BTreeSet<&'static str>;

fn violated(report: &Report) -> Names {
    report.violations.iter().map(|violation| violation.invariant).collect()
}

/// Whether a smaller run shows what the first one has shown: one of the invariants is violated again. A
/// run with hardly any clients has too little overlap with and without a bug, so that counts only if
/// there was nothing else.
fn is_the_same(mut first: Names, mut smaller: Names) -> bool {
    let showed_too_little = first.remove(overlap::NAME);
    let shows_too_little = smaller.remove(overlap::NAME);
    if first.is_empty() {
        return shows_too_little;
    }
    (showed_too_little || !shows_too_little) && !first.is_disjoint(&smaller)
}

/// Writes a plan down; gives the command that runs it.
fn write(plan: &Plan, name: &str, how: &How) -> Result<String, String> {
    let file = how.out.join(format!("{name}.json"));
    let written = std::fs::write(&file, plan.to_json());
    written.map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(format!("simulate replay {}{}", file.display(), how.options()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_plan_fails_in_the_same_way() {
        const A: &str = "a";
        const B: &str = "b";
        const FEW: &str = overlap::NAME;
        let cases: [(&[&str], &[&str], bool); 9] = [
            (&[A], &[A], true),
            (&[A, B], &[B], true),
            (&[A], &[A, B], true),
            (&[A], &[B], false),
            (&[A], &[], false),
            (&[A], &[A, FEW], false),
            (&[A, FEW], &[A, FEW], true),
            (&[A, FEW], &[FEW], false),
            (&[FEW], &[A, FEW], true),
        ];
        for (first, smaller, expected) in cases {
            let names = |names: &[&'static str]| names.iter().copied().collect();
            assert_eq!(
                is_the_same(names(first), names(smaller)),
                expected,
                "{first:?} {smaller:?}"
            );
        }
    }
}
