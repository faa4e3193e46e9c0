//! The lock on a data directory: one directory serves one process.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::error::OpenError;

/// Name of the lock file inside the data directory.
pub const LOCK_FILE: &str = "LOCK";

/// The exclusive hold on a data directory, until it is dropped or the process ends. Taken before any
/// other file in the directory is touched.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock without waiting, and writes the process id into the lock file.
    ///
    /// # Errors
    /// [`OpenError::Locked`] with the holder's process id if another process has it.
    pub fn acquire(directory: &Path) -> Result<DirectoryLock, OpenError> {
        let path = directory.join(LOCK_FILE);
        let name = path.display().to_string();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(OpenError::file(&name, "open it"))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let holder = holder(&mut file);
                return Err(OpenError::Locked {
                    directory: directory.display().to_string(),
                    holder,
                });
            }
            Err(error) => return Err(OpenError::file(&name, "lock it")(error.into())),
        }
        write_pid(&mut file).map_err(OpenError::file(&name, "write it"))?;
        Ok(DirectoryLock { _file: file })
    }
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(32).read_to_string(&mut text);
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(pid)) => format!(" (pid {pid})"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_holder_is_refused_with_the_pid_of_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let held = DirectoryLock::acquire(directory.path()).unwrap();
        let error = DirectoryLock::acquire(directory.path()).unwrap_err();
        assert!(error.next().contains("stop that process or configure another"), "{error}");
        let error = error.to_string();
        assert!(error.contains(&format!("(pid {})", std::process::id())), "{error}");
        drop(held);
        DirectoryLock::acquire(directory.path()).unwrap();
    }
}
