//! What all end-to-end tests share: the built program, found by its path and never linked.

use conclave_harness::binary::BINARY_VARIABLE;
use conclave_harness::{Binary, Result};

/// The program that cargo built for these tests, unless the environment names another: a release
/// build, for example.
pub fn binary() -> Result<Binary> {
    match std::env::var_os(BINARY_VARIABLE) {
        Some(_) => Binary::from_env(),
        None => Binary::new(env!("CARGO_BIN_EXE_conclave")),
    }
}
