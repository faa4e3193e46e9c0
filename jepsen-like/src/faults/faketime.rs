//! One node with another wall clock; its monotonic clocks stay true (libfaketime).

use std::fs;
use std::path::{Path, PathBuf};

use super::need_file;
use crate::binary::Binary;
use crate::failure::{Failure, Result};

/// A wall clock that can be moved while the process runs.
pub struct FakeClock {
    file: PathBuf,
    library: PathBuf,
}

/// Fails unless libfaketime is installed; the path of the library.
pub fn preflight() -> Result<PathBuf> {
    let tuple = format!("{}-linux-gnu", std::env::consts::ARCH);
    let library = PathBuf::from(format!("/usr/lib/{tuple}/faketime/libfaketimeMT.so.1"));
    need_file(&library, "faketime")?;
    Ok(library)
}

impl FakeClock {
    /// A clock that tells the true time until it is moved; its file lies in `dir`.
    pub fn new(dir: &Path) -> Result<FakeClock> {
        let clock = FakeClock { library: preflight()?, file: dir.join("wall-clock") };
        clock.shift("+0")?;
        Ok(clock)
    }

    /// Moves the wall clock against the true time: `+1d`, `-3h`, `+90s`.
    pub fn shift(&self, offset: &str) -> Result<()> {
        // Renamed into place: the library must never read half a file.
        let fresh = self.file.with_extension("new");
        fs::write(&fresh, offset)?;
        fs::rename(&fresh, &self.file)
            .map_err(|error| Failure::harness(format!("cannot move the clock: {error}")))
    }

    /// The program under this clock.
    pub fn on(&self, binary: Binary) -> Binary {
        binary
            .with_env("LD_PRELOAD", &self.library)
            .with_env("FAKETIME_TIMESTAMP_FILE", &self.file)
            .with_env("FAKETIME_NO_CACHE", "1")
            .with_env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }
}
