//! Rules on Rust sources.

use crate::Rule;

/// Longest file: beyond it nobody reads from the first line to the last.
const MOST_LINES: usize = 800;

// Split, so that this file does not break the rule that it states.
const UNFINISHED_WORDS: [&str; 4] = [
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("not imple", "mented"),
    concat!("#[", "ignore"),
];

pub const UNFINISHED: Rule = Rule {
    name: "unfinished",
    why: "what is not finished is not in the tree; a test that cannot run fails",
    applies: |path| path.ends_with(".rs"),
    broken_lines: |_, text| {
        let found = |line: &str| UNFINISHED_WORDS.iter().any(|word| line.contains(word));
        (1..).zip(text.lines()).filter(|(_, line)| found(line)).map(|(n, _)| n).collect()
    },
    planted: ("crates/api/src/x.rs", concat!("fn f() {\n    to", "do!(\"later\")\n}")),
    clean: ("crates/api/src/x.rs", "fn f() {\n    let todo = Vec::new();\n}"),
};

pub const LONG_FILES: Rule = Rule {
    name: "length",
    why: "a file of more than 800 lines has more than one subject: split it",
    applies: |path| path.ends_with(".rs"),
    broken_lines: |_, text| {
        if text.lines().count() > MOST_LINES { vec![MOST_LINES + 1] } else { vec![] }
    },
    planted: ("crates/api/src/x.rs", LONG),
    clean: ("crates/api/src/x.rs", "fn f() {}\n"),
};

/// One line too many.
const LONG: &str = {
    const BYTES: [u8; MOST_LINES + 1] = [b'\n'; MOST_LINES + 1];
    match std::str::from_utf8(&BYTES) {
        Ok(text) => text,
        Err(_) => "",
    }
};

pub const CLOCK: Rule = Rule {
    name: "clock",
    why: "time comes through core's Clock; only server's system.rs reads it, so that the simulator can replace it",
    applies: is_node_code,
    broken_lines: |path, text| {
        let wall = ["SystemTime::now", "Timestamp::now", "Zoned::now", "UNIX_EPOCH.elapsed"];
        let simulated = imports_tokio_instant(text);
        lines_with(path, text, |line| {
            let elapsed = line.contains("Instant::now") && !line.contains("tokio::time::Instant");
            wall.iter().any(|word| line.contains(word)) || (elapsed && !simulated)
        })
    },
    planted: ("crates/raft/src/x.rs", "fn f() {\n    let t = std::time::Instant::now();\n}"),
    clean: (
        "crates/raft/src/x.rs",
        "use tokio::time::{Duration, Instant};\n// not SystemTime::now\nfn f() { Instant::now(); }\n",
    ),
};

pub const ENTROPY: Rule = Rule {
    name: "entropy",
    why: "randomness comes through core's Entropy; only server's system.rs draws it",
    applies: is_node_code,
    broken_lines: |path, text| {
        let sources =
            ["getrandom::", "SystemRandom", "OsRng", "SysRng", "new_v4(", "now_v7(", "rand::rng("];
        lines_with(path, text, |line| sources.iter().any(|word| line.contains(word)))
    },
    planted: ("crates/api/src/x.rs", "fn f() {\n    let id = Uuid::new_v4();\n}"),
    clean: ("crates/server/src/system.rs", "fn f() {\n    getrandom::fill(&mut b);\n}"),
};

pub const SYNCING: Rule = Rule {
    name: "syncing",
    why: "only storage makes bytes durable",
    applies: |path| {
        // A file that the user asked for is synced by the command line; a probe measures what a sync
        // takes; the simulated disk of the test kit syncs nothing.
        let elsewhere = [
            "crates/storage/",
            "crates/cli/",
            "crates/bench/src/fsync.rs",
            "crates/testkit/",
            "jepsen-like/",
        ];
        is_source(path) && !elsewhere.iter().any(|folder| path.starts_with(folder))
    },
    broken_lines: |path, text| {
        let calls = [".sync_all(", ".sync_data(", "fsync(", "fdatasync(", "syncfs("];
        lines_with(path, text, |line| calls.iter().any(|word| line.contains(word)))
    },
    planted: ("crates/server/src/x.rs", "fn f() {\n    file.sync_all()?;\n}"),
    clean: ("crates/storage/src/x.rs", "fn f() {\n    file.sync_all()?;\n}"),
};

/// What runs in a node, but for the one file that meets the operating system. What runs at the
/// user's side (`client`, `cli`) has a clock of its own.
fn is_node_code(path: &str) -> bool {
    const NODE: [&str; 8] =
        ["core", "crypto", "formats", "storage", "raft", "proto", "api", "server"];
    let inside = |name: &&str| path.starts_with(&format!("crates/{name}/src/"));
    is_source(path) && path != "crates/server/src/system.rs" && NODE.iter().any(inside)
}

fn is_source(path: &str) -> bool {
    path.ends_with(".rs") && path.contains("/src/")
}

/// Lines of production code that break a rule; comments cannot.
fn lines_with(path: &str, text: &str, breaks: impl Fn(&str) -> bool) -> Vec<usize> {
    let code = production_lines(path, text).filter(|(_, line)| !line.trim().starts_with("//"));
    code.filter(|(_, line)| breaks(line)).map(|(number, _)| number).collect()
}

/// The lines (from 1) of a file that are not tests. Tests stand last in a file, or in files of theirs.
pub fn production_lines<'a>(
    path: &str,
    text: &'a str,
) -> impl Iterator<Item = (usize, &'a str)> + use<'a> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let all_tests = path.contains("/tests/")
        || path.contains("/testing/")
        || name.ends_with("tests.rs")
        || name == "testing.rs";
    let lines: Vec<_> = (1..).zip(text.lines()).collect();
    let is_test_module = |pair: &[(usize, &str)]| {
        pair[0].1.trim_start().starts_with("#[cfg(test)]")
            && pair[1].1.trim_start().starts_with("mod ")
            && pair[1].1.trim_end().ends_with('{')
    };
    let end = lines.windows(2).position(is_test_module).unwrap_or(lines.len());
    lines.into_iter().take(if all_tests { 0 } else { end })
}

/// Whether `Instant` in this file is tokio's, which the simulator stops and moves.
fn imports_tokio_instant(text: &str) -> bool {
    text.split(';').any(|part| {
        let import = part.rsplit("use ").next().unwrap_or_default();
        import.trim_start().starts_with("tokio::time::") && import.contains("Instant")
    })
}

#[test]
fn tests_are_not_production() {
    let text = "fn a() {}\n#[cfg(test)]\nmod helpers;\nfn b() {}\n#[cfg(test)]\nmod tests {\n}\n";
    let seen: Vec<_> = production_lines("crates/x/src/a.rs", text).map(|(n, _)| n).collect();
    assert_eq!(seen, [1, 2, 3, 4]);
    assert_eq!(production_lines("crates/x/src/a/tests.rs", text).count(), 0);
}

#[test]
fn an_instant_of_the_standard_library_is_no_tokio_instant() {
    assert!(imports_tokio_instant("use a::b;\nuse tokio::time::{Duration, Instant};\n"));
    assert!(!imports_tokio_instant("use tokio::time::sleep;\nuse std::time::Instant;\n"));
}
