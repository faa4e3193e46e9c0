//! What the disk can do at best.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use conclave_client::{Error, Reason};

/// About what a command takes up in the log.
const RECORD: [u8; 300] = [0x5a; 300];

/// Appends a record to a file in `directory` and makes it durable, each time it is called. The file is
/// gone with it.
pub(crate) fn probe(
    directory: &Path,
) -> Result<impl FnMut() -> Result<(), Error> + Send + 'static, Error> {
    let mut file: File = tempfile::tempfile_in(directory).map_err(|error| failed(&error))?;
    Ok(move || {
        file.write_all(&RECORD).and_then(|()| file.sync_data()).map_err(|error| failed(&error))
    })
}

fn failed(error: &std::io::Error) -> Error {
    let text = format!("the probe file cannot be written: {error}");
    Error::new(Reason::LocalFile, text, "check the disk of the cluster's folder")
}
