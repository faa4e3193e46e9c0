//! `conclave encrypt`, `decrypt`, `data-key`, `random`.

mod data_key;
mod decrypt;
mod encrypt;
mod random;

pub use data_key::DataKeyArgs;
pub use decrypt::DecryptArgs;
pub use encrypt::EncryptArgs;
pub use random::RandomArgs;

pub(crate) use data_key::run as data_key;
pub(crate) use decrypt::run as decrypt;
pub(crate) use encrypt::run as encrypt;
pub(crate) use random::run as random;

use std::io::Write;

use conclave_client::{Error, Reason};

use crate::failure::Failure;
use crate::files::{Existing, OutFile};
use crate::output;

/// Where a result of bytes goes.
enum Target {
    File(OutFile),
    Stdout,
}

impl Target {
    /// Opens the file, if one is named, so that nothing is asked of the cluster that could not be
    /// kept.
    fn open(path: Option<&std::path::Path>) -> Result<Self, Failure> {
        Ok(match path {
            Some(path) => Target::File(OutFile::create(path, Existing::Replace)?),
            None => Target::Stdout,
        })
    }

    /// What a thread writes to.
    fn writer(&self) -> Result<Box<dyn Write + Send>, Failure> {
        Ok(match self {
            Target::File(file) => Box::new(file.handle()?),
            Target::Stdout => Box::new(std::io::stdout()),
        })
    }

    /// Writes all of `bytes` and finishes.
    fn put(mut self, bytes: &[u8]) -> Result<(), Failure> {
        match &mut self {
            Target::File(file) => file.write(bytes)?,
            Target::Stdout => output::to_stdout(bytes).map_err(|error| {
                let text = format!("stdout cannot be written: {error}");
                Error::new(Reason::LocalFile, text, "give a file with --out")
            })?,
        }
        self.finish()
    }

    /// Gives a file its name.
    fn finish(self) -> Result<(), Failure> {
        if let Target::File(file) = self {
            file.finish(Existing::Replace)?;
        }
        Ok(())
    }
}
