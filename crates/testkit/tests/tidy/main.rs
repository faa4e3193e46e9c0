//! Rules of the tree that compilers do not know: who may import whom, where the clock and the disk
//! are touched, nothing left unfinished. Each rule is a function over a path and a text, and shows
//! on a planted example that it can fail.

#![allow(clippy::unwrap_used, clippy::panic)]

mod documents;
mod imports;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};

/// A rule over single files.
struct Rule {
    name: &'static str,
    why: &'static str,
    /// Whether it looks at the file with this path (from the root, with `/`).
    applies: fn(&str) -> bool,
    /// The lines (from 1) that break it.
    broken_lines: fn(&str, &str) -> Vec<usize>,
    /// A path and a text that break it.
    planted: (&'static str, &'static str),
    /// A path and a text close to it that do not.
    clean: (&'static str, &'static str),
}

const RULES: [Rule; 8] = [
    imports::OUR_CRATES_IN_MANIFESTS,
    imports::OUR_CRATES_IN_SOURCES,
    imports::FOREIGN_CRATES,
    sources::UNFINISHED,
    sources::LONG_FILES,
    sources::CLOCK,
    sources::ENTROPY,
    sources::SYNCING,
];

impl Rule {
    /// `file:line: what stands there (name: why)`, for each broken line.
    fn findings(&self, path: &str, text: &str) -> Vec<String> {
        if !(self.applies)(path) {
            return Vec::new();
        }
        let said = |line: usize| text.lines().nth(line - 1).unwrap_or_default().trim().to_owned();
        let (name, why) = (self.name, self.why);
        let lines = (self.broken_lines)(path, text).into_iter();
        lines.map(|line| format!("{path}:{line}: {} ({name}: {why})", said(line))).collect()
    }
}

#[test]
fn the_tree_is_tidy() {
    let files = tree();
    let mut findings = Vec::new();
    for (path, text) in &files {
        findings.extend(RULES.iter().flat_map(|rule| rule.findings(path, text)));
    }
    findings.extend(documents::findings(&files));
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

#[test]
fn every_rule_finds_what_is_planted() {
    for rule in RULES {
        let (path, text) = rule.planted;
        assert!(!rule.findings(path, text).is_empty(), "{}: the planted text passes", rule.name);
        let (path, text) = rule.clean;
        assert_eq!(rule.findings(path, text), [""; 0], "{}: the clean text fails", rule.name);
    }
}

#[test]
fn a_finding_names_file_line_and_reason() {
    let found =
        sources::SYNCING.findings("crates/api/src/x.rs", "fn f() {\n    file.sync_all();\n}");
    assert_eq!(
        found,
        ["crates/api/src/x.rs:2: file.sync_all(); (syncing: only storage makes bytes durable)"]
    );
}

/// A rule that looks at nothing would hold for ever.
#[test]
fn every_rule_looks_at_something() {
    let files = tree();
    for rule in RULES {
        let seen = files.iter().filter(|(path, _)| (rule.applies)(path)).count();
        assert!(seen >= 10, "{} looks at {seen} files", rule.name);
    }
}

/// Paths from the root with `/`, and texts, of everything that a rule may look at.
fn tree() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let mut files = Vec::new();
    for folder in ["crates", "jepsen-like", "tests", "benches", "docs"] {
        collect(root, &root.join(folder), &mut files);
    }
    files.sort();
    files
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect(root, &path, files);
        } else if let Some(text) = text_of(&path) {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            files.push((name, text));
        }
    }
}

/// The text of Rust files, manifests and pages.
fn text_of(path: &PathBuf) -> Option<String> {
    let kind = path.extension()?.to_str()?;
    ["rs", "toml", "md"].contains(&kind).then(|| fs::read_to_string(path).unwrap())
}
