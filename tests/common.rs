//! What all end-to-end tests share: the built program, found by its path and never linked.

use conclave_harness::{Binary, Result};

/// The program that cargo built for these tests.
pub fn binary() -> Result<Binary> {
    Binary::new(env!("CARGO_BIN_EXE_conclave"))
}
