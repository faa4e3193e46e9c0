//! Notes the commit, so that figures can name it.

use std::process::Command;

fn main() {
    println!("cargo:rustc-env=CONCLAVE_COMMIT={}", commit().unwrap_or("unknown".to_owned()));
    for moves in ["logs/HEAD", "HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", moves]) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
}

/// None outside of a clone.
fn commit() -> Option<String> {
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| output.status.success() && !text.is_empty())
}
