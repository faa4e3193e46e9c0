//! Who may import whom (`docs/ARCHITECTURE.md`). Dev-dependencies and tests are free.

use crate::Rule;
use crate::sources::production_lines;

/// What each of our crates may import of ours. What is not listed imports nothing of ours.
const ALLOWED: [(&str, &[&str]); 11] = [
    ("crypto", &["core", "formats"]),
    ("storage", &["core"]),
    ("raft", &["core", "storage", "proto"]),
    ("api", &["core", "crypto", "formats", "proto"]),
    ("server", &["core", "crypto", "formats", "storage", "raft", "proto", "api", "client", "cli"]),
    ("client", &["proto", "formats"]),
    ("bench", &["client", "proto"]),
    ("cli", &["bench", "client", "proto", "formats"]),
    ("testkit", &["core", "crypto", "formats", "storage", "raft", "proto", "api"]),
    ("harness", &["client"]),
    ("core", &[]),
];

/// Crates of others that stay behind some of ours.
const FOREIGN: [(&str, &[&str]); 9] = [
    // A pre-release stays behind one crate.
    ("openraft", &["raft"]),
    // Only storage makes bytes durable.
    ("redb", &["storage", "testkit"]),
    // Core, storage, raft and api never see a cipher; clients encrypt streams and make certificates.
    ("aws-lc-rs", &["crypto", "client", "cli", "bench"]),
    ("aes-siv", &["crypto"]),
    // Only crypto handles shares.
    ("sharks", &["crypto"]),
    ("age", &["crypto"]),
    // One file of the server draws entropy; all others get it as an argument.
    ("getrandom", &["server"]),
    ("rand", &["harness"]),
    // Only benches measure by it.
    ("criterion", &[]),
];

pub const OUR_CRATES_IN_MANIFESTS: Rule = Rule {
    name: "imports",
    why: "this crate may not import that one; see docs/ARCHITECTURE.md, who may import whom",
    applies: is_manifest,
    broken_lines: |path, text| {
        let allowed = allowed(crate_of(path));
        let ours = |name: &str| name.strip_prefix("conclave-").map(str::to_owned);
        lines_of(text, |name| ours(name).is_some_and(|name| !allowed.contains(&name.as_str())))
    },
    planted: (
        "crates/raft/Cargo.toml",
        "[dependencies]\nconclave-core.workspace = true\nconclave-api.workspace = true\n",
    ),
    clean: (
        "crates/raft/Cargo.toml",
        "[dependencies]\nconclave-core.workspace = true\n[dev-dependencies]\nconclave-api.workspace = true\n",
    ),
};

pub const OUR_CRATES_IN_SOURCES: Rule = Rule {
    name: "imports",
    why: "this crate may not import that one; see docs/ARCHITECTURE.md, who may import whom",
    applies: |path| path.ends_with(".rs") && path.contains("/src/"),
    broken_lines: |path, text| {
        let own = crate_of(path);
        let foreign = |name: &&str| *name != own && !allowed(own).contains(name);
        let breaks = |line: &str| names_in(line).iter().any(&foreign);
        production_lines(path, text).filter(|(_, line)| breaks(line)).map(|(n, _)| n).collect()
    },
    planted: (
        "crates/storage/src/lib.rs",
        "use conclave_core::ids::KeyId;\nuse conclave_crypto::x;\n",
    ),
    clean: (
        "crates/storage/src/lib.rs",
        "use conclave_core::ids::KeyId;\n#[cfg(test)]\nmod tests {\n    use conclave_testkit::SimDisk;\n}\n",
    ),
};

pub const FOREIGN_CRATES: Rule = Rule {
    name: "imports",
    why: "this dependency belongs to other crates only; see crates/testkit/tests/tidy/imports.rs",
    applies: is_manifest,
    broken_lines: |path, text| {
        let own = crate_of(path);
        let elsewhere =
            |name: &str| FOREIGN.iter().any(|(it, homes)| *it == name && !homes.contains(&own));
        lines_of(text, elsewhere)
    },
    planted: ("crates/core/Cargo.toml", "[dependencies]\naws-lc-rs.workspace = true\n"),
    clean: ("crates/crypto/Cargo.toml", "[dependencies]\naws-lc-rs.workspace = true\n"),
};

fn is_manifest(path: &str) -> bool {
    path.ends_with("/Cargo.toml")
}

/// `crates/api/src/lib.rs` -> `api`; the black-box harness lives beside them.
fn crate_of(path: &str) -> &str {
    match path.strip_prefix("crates/") {
        Some(rest) => rest.split('/').next().unwrap_or_default(),
        None => "harness",
    }
}

fn allowed(own: &str) -> &'static [&'static str] {
    ALLOWED.iter().find(|(name, _)| *name == own).map_or(&[], |(_, allowed)| allowed)
}

/// The lines of the dependencies (build dependencies too) whose package breaks a rule.
fn lines_of(manifest: &str, breaks: impl Fn(&str) -> bool) -> Vec<usize> {
    let mut counts = false;
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(manifest.lines().map(str::trim)) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            counts = section.contains("dependencies") && !section.contains("dev-dependencies");
            let single = section.split_once("dependencies.").map(|(_, name)| name);
            if counts && single.is_some_and(&breaks) {
                lines.push(number);
            }
        } else if counts && packages(line).any(&breaks) {
            lines.push(number);
        }
    }
    lines
}

/// The packages that a line of dependencies names: by its key, or renamed by `package = "…"`.
fn packages(line: &str) -> impl Iterator<Item = &str> {
    let key = line.split(['.', '=', ' ']).next().filter(|key| !key.starts_with('#'));
    let renamed = line.split_once("package = \"").and_then(|(_, rest)| rest.split('"').next());
    key.into_iter().chain(renamed)
}

/// Our crates that a line of Rust names: `conclave_core` -> `core`.
fn names_in(line: &str) -> Vec<&str> {
    let ends = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    let words = line.split(ends).filter_map(|word| word.strip_prefix("conclave_"));
    let known = |name: &&str| *name == "formats" || *name == "proto" || is_ours(name);
    words.filter(known).collect()
}

fn is_ours(name: &str) -> bool {
    ALLOWED.iter().any(|(it, _)| *it == name)
}

#[test]
fn renamed_and_single_sections_are_seen_too() {
    let manifest = "[dependencies.conclave-api]\npath = \"x\"\n[target.'cfg(unix)'.dependencies]\nx = { package = \"conclave-api\" }\n# conclave-api\n";
    assert_eq!(lines_of(manifest, |name| name == "conclave-api"), [1, 4]);
}
