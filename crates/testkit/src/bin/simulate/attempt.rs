//! Running a plan from here.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use clap::Args;
use conclave_testkit::sim::plan::Plan;
use conclave_testkit::sim::report::Report;
use conclave_testkit::sim::run;

/// What holds for every run.
#[derive(Args, Clone)]
pub(super) struct How {
    /// Where to put the plans of runs that fail
    #[arg(long, value_name = "DIR", default_value = "target/simulate")]
    pub(super) out: PathBuf,
    /// A known bug to build in
    #[cfg(feature = "mutants")]
    #[arg(long, value_name = "NAME", value_parser = super::mutants::parser())]
    pub(super) mutant: Option<conclave_core::mutants::Mutant>,
}

impl How {
    /// Makes the place for plans, so that one that cannot be written is known before the first run.
    pub(super) fn prepare(&self) -> Result<(), String> {
        let made = std::fs::create_dir_all(&self.out);
        made.map_err(|error| format!("{}: {error}", self.out.display()))
    }

    /// Runs a plan, with the bug that was asked for.
    pub(super) fn run(&self, plan: &Plan, with_lines: bool) -> Result<Report, String> {
        let run = || caught(plan.seed, || run::run(plan, with_lines));
        #[cfg(feature = "mutants")]
        if let Some(mutant) = self.mutant {
            return conclave_core::mutants::with(mutant, run);
        }
        run()
    }

    /// The options that a repeat needs.
    pub(super) fn options(&self) -> String {
        #[cfg(feature = "mutants")]
        if let Some(mutant) = self.mutant {
            return format!(" --mutant {}", mutant.name());
        }
        String::new()
    }
}

/// A panic of a node is part of its run. One that leaves the run tells nothing of the cluster: not even
/// its preparations have worked, or the simulator is broken.
pub(super) fn caught(seed: u64, run: impl FnOnce() -> Report) -> Result<Report, String> {
    catch_unwind(AssertUnwindSafe(run))
        .map_err(|panic| format!("seed {seed}: the run panicked: {}", text_of(&*panic)))
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_panics_is_told_by_its_seed() {
        let told = caught(7, || panic!("nobody leads after {} s", 60));
        assert_eq!(told, Err("seed 7: the run panicked: nobody leads after 60 s".to_owned()));
        let told = caught(8, || panic!("nobody leads"));
        assert_eq!(told, Err("seed 8: the run panicked: nobody leads".to_owned()));
    }
}
