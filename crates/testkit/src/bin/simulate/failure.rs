//! What is left of a run that fails: its plan, and the smallest one that still fails.

use conclave_testkit::sim::plan::Plan;
use conclave_testkit::sim::{run, shrink};

use super::How;

/// Writes the plan down, makes it smaller and writes that down.
pub(super) fn keep(plan: &Plan, how: &How) -> Result<(), String> {
    let whole = write(plan, how, "")?;
    println!("  plan: {whole}; again by: simulate replay {whole}");
    if how.shrink == 0 {
        return Ok(());
    }
    let mut runs = 0;
    let fails = |plan: &Plan| {
        runs += 1;
        how.with(|| run::run(plan, false)).violated_by_ms
    };
    let small = shrink::shrink(plan, fails, how.shrink);
    let file = write(&small, how, "-small")?;
    println!(
        "  smaller: {} of {} faults, {} of {} ms, after {runs} runs: simulate replay {file}",
        small.size(),
        plan.size(),
        small.safety_ms,
        plan.safety_ms
    );
    Ok(())
}

fn write(plan: &Plan, how: &How, suffix: &str) -> Result<String, String> {
    let file = how.out.join(format!("seed-{}{suffix}.json", plan.seed));
    let written =
        std::fs::create_dir_all(&how.out).and_then(|()| std::fs::write(&file, plan.to_json()));
    written.map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(file.display().to_string())
}
