//! Only in a build with the feature `mutants`: the known bug that the environment names is switched on.

use std::ffi::OsString;

use crate::failure::Failure;

/// Names one of the mutants of `conclave-core`; without it the program has no known bug.
pub const VARIABLE: &str = "CONCLAVE_MUTANT";

/// Switches the named mutant on for this process.
///
/// # Errors
/// There is no mutant of this name (exit 2).
pub fn choose(name: Option<OsString>) -> Result<(), Failure> {
    let Some(name) = name else { return Ok(()) };
    conclave_core::mutants::choose(&name.to_string_lossy()).map_err(|error| {
        Failure::usage(format!("{VARIABLE}: {error}"), format!("correct {VARIABLE} or unset it"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit;

    #[test]
    fn only_known_names_are_taken() {
        assert!(choose(None).is_ok());
        let failure = choose(Some("no_such_bug".into())).unwrap_err();
        assert_eq!(failure.code, exit::USAGE);
        assert!(failure.to_string().contains("no_read_barrier"), "{failure}");
    }
}
