//! Writes the figures of a run into `docs/performance.md`:
//!
//!     conclave bench --dir DEVDIR --json bench.json
//!     cargo run -p conclave-bench --example performance-page bench.json docs/performance.md

use std::error::Error;
use std::fs;

fn main() -> Result<(), Box<dyn Error>> {
    let mut paths = std::env::args().skip(1);
    let (Some(json), Some(page), None) = (paths.next(), paths.next(), paths.next()) else {
        return Err("two files are needed: the JSON of a run, and the page".into());
    };
    let report = serde_json::from_str(&fs::read_to_string(json)?)?;
    let renewed = conclave_bench::page::renewed(&fs::read_to_string(&page)?, &report)?;
    Ok(fs::write(page, renewed)?)
}
