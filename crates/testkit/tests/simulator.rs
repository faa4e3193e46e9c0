//! The program `simulate`, and that a seed says everything about a run.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;

use conclave_testkit::sim::plan::{Fault, Plan, Timed};
use conclave_testkit::sim::report::Report;
use conclave_testkit::sim::run::run;

/// What the program came to.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs the program in a directory of its own.
fn simulate(directory: &Path, arguments: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simulate"));
    let output = command.current_dir(directory).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// An empty directory for one test.
fn directory(test: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// The first seconds of a run.
fn short() -> Plan {
    let mut plan = Plan::from_seed(5);
    plan.safety_ms = 5_000;
    plan.faults.retain(|timed| timed.at_ms < plan.safety_ms);
    plan
}

/// A run that fails although nothing is wrong: a client and a node alone show too little.
fn lonely() -> Plan {
    let jump = Fault::WallJump { node: 1, by_ms: 10 };
    let faults = (1..=4).map(|n| Timed { at_ms: n * 100, fault: jump.clone() }).collect();
    Plan { voters: 1, learners: 0, clients: 1, stay_down: Vec::new(), faults, ..short() }
}

fn write(directory: &Path, name: &str, text: &str) {
    std::fs::write(directory.join(name), text).unwrap();
}

/// What a report begins with.
fn shown(report: &Report) -> String {
    format!("seed {} hash {} ", report.seed, &report.hash[..16])
}

/// The number after some words of the output.
fn number_after(out: &str, words: &str) -> f64 {
    let rest = out.split_once(words).unwrap_or_else(|| panic!("{words:?} is not in {out:?}")).1;
    let digits = rest.trim_start().split(|c: char| c != '.' && !c.is_ascii_digit()).next();
    digits.unwrap().parse().unwrap_or_else(|_| panic!("no number after {words:?} in {out:?}"))
}

/// In this process one after the other, in another one on two threads, each seed has its hash.
#[test]
fn a_seed_has_one_hash_wherever_and_whenever_it_runs() {
    let directory = directory("hashes");
    let mut reports = [3, 1, 2].map(|seed| run(&Plan::from_seed(seed), false));
    reports.sort_by_key(|report| report.seed);

    let many = simulate(&directory, &["--seeds", "1..4", "--jobs", "2"]);
    assert_eq!(many.code, Some(0), "{many:?}");
    for report in &reports {
        let shown = shown(report);
        assert!(many.out.lines().any(|line| line.starts_with(&shown)), "{shown}: {many:?}");
    }
    let mut combined = blake3::Hasher::new();
    for report in &reports {
        combined.update(report.hash.as_bytes());
    }
    let combined = format!("combined hash {}", combined.finalize().to_hex());
    assert!(many.out.lines().any(|line| line == combined), "{combined}: {many:?}");
    let [one, two, three] = &reports;
    assert!(one.hash != two.hash && two.hash != three.hash && three.hash != one.hash);

    // What a reader looks for.
    assert!(number_after(&many.out, "\n3 seeds, ") > 1_000.0, "{many:?}");
    assert!(number_after(&many.out, "operations, overlap") >= 20.0, "{many:?}");
    assert!(number_after(&many.out, ", unknown") < 50.0, "{many:?}");
    assert!(number_after(&many.out, "on 2 threads:") > 0.0, "{many:?}");
    assert!(many.out.contains("simulated seconds for each second of a core"), "{many:?}");
    assert!(many.out.contains(" 0 violations"), "{many:?}");
}

#[test]
fn a_plan_from_a_file_has_the_hash_of_the_plan() {
    let directory = directory("replay");
    let plan = short();
    let report = run(&plan, false);
    assert_eq!(report.violations, []);
    assert_eq!(run(&plan, false), report, "twice in one process");
    assert_eq!(run(&Plan::from_json(&plan.to_json()).unwrap(), false), report);

    write(&directory, "plan.json", &plan.to_json());
    let again = simulate(&directory, &["replay", "plan.json", "--narrative", "told"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(again.out.starts_with(&shown(&report)), "{}: {again:?}", shown(&report));
    let told = std::fs::read_to_string(directory.join("told")).unwrap();
    assert!(told.lines().any(|line| line.ends_with(" faults are over")), "{told}");
    assert!(!directory.join("target").exists(), "there is nothing to keep");
}

#[test]
fn a_plan_that_fails_ends_with_1_and_is_made_smaller_on_demand() {
    let directory = directory("fails");
    let plan = lonely().to_json();
    write(&directory, "lonely.json", &plan);
    let failed = simulate(&directory, &["replay", "lonely.json"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.out.contains("VIOLATION operations overlap"), "{failed:?}");
    assert!(!directory.join("target").exists(), "the plan is there already");

    let options = ["replay", "lonely.json", "--shrink", "6", "--out", "."];
    let failed = simulate(&directory, &options);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let again = "again by: simulate replay ./lonely-small.json\n";
    assert!(failed.out.contains(again), "{failed:?}");
    let small = std::fs::read_to_string(directory.join("lonely-small.json")).unwrap();
    assert!(Plan::from_json(&small).unwrap().size() < lonely().size(), "{small}");
    assert_eq!(std::fs::read_to_string(directory.join("lonely.json")).unwrap(), plan);
    assert_eq!(simulate(&directory, &["replay", "lonely-small.json"]).code, Some(1));
}

#[test]
fn what_cannot_be_run_ends_with_2_and_says_why() {
    let directory = directory("refused");
    write(&directory, "text", "once upon a time");
    write(&directory, "nobody.json", &Plan { voters: 0, ..short() }.to_json());
    write(&directory, "short.json", &short().to_json());
    let cases: [(&[&str], &str); 15] = [
        (&[], "<SEED|--seeds <A..B>>"),
        (&["one"], "a seed is a whole number"),
        (&["1", "--seeds", "1..3"], "cannot be used with"),
        (&["--seeds", "3"], "allowed is A..B, for example 1..201"),
        (&["--seeds", "3..3"], "there is no seed in it"),
        (&["--seeds", "a..3"], "a seed is a whole number"),
        (&["--seeds", "1..3", "--jobs", "0"], "0 is not in 1..=256"),
        (&["1", "--jobs", "2"], "cannot be used with '--jobs <N>'"),
        (&["--seeds", "1..3", "--narrative", "told"], "cannot be used with '--narrative <FILE>'"),
        (&["1", "--narrative", "text/told"], "text/told: "),
        (&["1", "--out", "text/plans"], "text/plans: "),
        (&["replay"], "<PLAN>"),
        (&["replay", "missing.json"], "missing.json: No such file"),
        (&["replay", "text"], "text: this is not a plan: expected value at line 1"),
        (&["replay", "nobody.json"], "nobody.json: "),
    ];
    for (arguments, why) in cases {
        let ended = simulate(&directory, arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
        assert!(ended.err.contains(why), "{arguments:?}: {ended:?}");
        assert_eq!(ended.out, "", "{arguments:?}");
    }
}

#[cfg(feature = "mutants")]
mod mutants {
    use super::*;

    #[test]
    fn the_table_says_what_caught_them() {
        let directory = directory("mutants");
        let chosen = ["no_read_barrier", "ignore_disabled"];
        let ended = simulate(&directory, &["mutants", chosen[0], chosen[1]]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let rows: Vec<&str> = ended.out.lines().collect();
        assert_eq!(rows.len(), 3, "{ended:?}");
        assert!(rows[0].ends_with("caught by"), "{ended:?}");
        for (row, name) in rows[1..].iter().zip(chosen) {
            assert!(row.starts_with(name) && row.contains("order of the log"), "{ended:?}");
            assert!(ended.err.contains(&format!("{name}: caught by seeds 1..=")), "{ended:?}");
        }

        let in_no_time = simulate(&directory, &["mutants", "--within", "0", "ignore_disabled"]);
        assert_eq!(in_no_time.code, Some(1), "{in_no_time:?}");
        assert!(in_no_time.out.contains("NOT CAUGHT"), "{in_no_time:?}");

        let misspelt = simulate(&directory, &["mutants", "ignore_disable"]);
        assert_eq!(misspelt.code, Some(2), "{misspelt:?}");
        assert!(misspelt.err.contains("a similar value exists: 'ignore_disabled'"), "{misspelt:?}");
    }

    #[test]
    fn a_seed_that_fails_leaves_its_plan_and_a_smaller_one_that_fails_as_well() {
        let directory = directory("kept");
        let bug = ["--mutant", "ignore_disabled"];
        let options = ["1", bug[0], bug[1], "--shrink", "1", "--out", "plans"];
        let failed = simulate(&directory, &options);
        assert_eq!(failed.code, Some(1), "{failed:?}");
        let read = |name: &str| {
            let text = std::fs::read_to_string(directory.join("plans").join(name)).unwrap();
            Plan::from_json(&text).unwrap()
        };
        assert_eq!(read("seed-1.json"), Plan::from_seed(1));
        assert!(read("seed-1-small.json").size() < Plan::from_seed(1).size());
        let command =
            "again by: simulate replay plans/seed-1-small.json --mutant ignore_disabled\n";
        assert!(failed.out.contains(command), "{failed:?}");

        let small = ["replay", "plans/seed-1-small.json"];
        let again = simulate(&directory, &[small[0], small[1], bug[0], bug[1]]);
        assert_eq!(again.code, Some(1), "{again:?}");
        let without = simulate(&directory, &small);
        assert_eq!(without.code, Some(0), "{without:?}");
    }
}
