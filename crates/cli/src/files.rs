//! Files that a verb writes: whole or not at all, and readable by their owner alone.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::failure::Failure;

/// A file that is being written under a temporary name beside its own, mode 0600. Dropped before
/// [`OutFile::finish`], it leaves nothing.
pub(crate) struct OutFile {
    temporary: NamedTempFile,
    target: PathBuf,
}

/// Whether an existing file may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Replaced by the rename.
    Replace,
    /// Refused.
    Keep,
}

impl OutFile {
    /// Opens the temporary file, which shows that the directory can be written.
    pub(crate) fn create(target: &Path, existing: Existing) -> Result<Self, Failure> {
        match std::fs::metadata(target) {
            Ok(found) if !found.is_file() => {
                return Err(Failure::usage(
                    format!("{} is not a regular file", target.display()),
                    "give the path of a file",
                ));
            }
            Ok(_) if existing == Existing::Keep => return Err(exists(target)),
            _ => {}
        }
        let temporary = tempfile::Builder::new()
            .prefix(".conclave-")
            .suffix(".tmp")
            .tempfile_in(directory(target))
            .map_err(|error| Failure::file(target, "written", &error))?;
        Ok(OutFile { temporary, target: target.to_owned() })
    }

    /// Writes all of `bytes`.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let target = &self.target;
        self.temporary.write_all(bytes).map_err(|error| Failure::file(target, "written", &error))
    }

    /// A second handle to the temporary file, for a thread that writes it.
    pub(crate) fn handle(&self) -> Result<File, Failure> {
        self.temporary
            .as_file()
            .try_clone()
            .map_err(|error| Failure::file(&self.target, "written", &error))
    }

    /// Makes the content durable and gives it its name. With [`Existing::Keep`], fails if the name
    /// has been taken meanwhile.
    pub(crate) fn finish(self, existing: Existing) -> Result<PathBuf, Failure> {
        let OutFile { temporary, target } = self;
        let failed = |error: &dyn std::fmt::Display| Failure::file(&target, "written", error);
        temporary.as_file().sync_all().map_err(|error| failed(&error))?;
        match existing {
            Existing::Replace => temporary.persist(&target).map_err(|error| failed(&error))?,
            Existing::Keep => temporary.persist_noclobber(&target).map_err(|error| {
                let taken = error.error.kind() == std::io::ErrorKind::AlreadyExists;
                if taken { exists(&target) } else { failed(&error) }
            })?,
        };
        File::open(directory(&target))
            .and_then(|directory| directory.sync_all())
            .map_err(|error| failed(&error))?;
        Ok(target)
    }
}

/// Makes a directory for secrets, mode 0700, if there is none.
pub(crate) fn make_private_dir(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Failure::file(path, "created", &error))
}

/// A whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::file(path, "read", &error))
}

fn directory(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn exists(target: &Path) -> Failure {
    Failure::usage(
        format!("{} exists already and is never overwritten", target.display()),
        "move it away, or give another path",
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_finished_file_is_whole_private_and_alone() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out");
        std::fs::write(&target, "old").unwrap();
        let mut file = OutFile::create(&target, Existing::Replace).unwrap();
        file.write(b"new").unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
        file.finish(Existing::Replace).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
        assert_eq!(std::fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(dir.path()), ["out"]);
    }

    #[test]
    fn a_dropped_file_leaves_nothing_and_the_old_content() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out");
        std::fs::write(&target, "old").unwrap();
        let mut file = OutFile::create(&target, Existing::Replace).unwrap();
        file.write(b"half").unwrap();
        file.handle().unwrap().write_all(b"more").unwrap();
        drop(file);
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
        assert_eq!(names(dir.path()), ["out"]);
    }

    #[test]
    fn what_must_not_be_overwritten_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out");
        let early = OutFile::create(&target, Existing::Keep).unwrap();
        std::fs::write(&target, "old").unwrap();
        let refused = early.finish(Existing::Keep).unwrap_err();
        assert!(refused.error().message.contains("never overwritten"));
        assert_eq!(OutFile::create(&target, Existing::Keep).err().unwrap().exit_code(), 2);
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
        assert_eq!(names(dir.path()), ["out"]);
    }

    #[test]
    fn devices_directories_and_missing_directories_are_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        for (path, code) in [
            (Path::new("/dev/null").to_owned(), 2),
            (dir.path().to_owned(), 2),
            (dir.path().join("no/out"), 1),
        ] {
            let failure = OutFile::create(&path, Existing::Replace).err().unwrap();
            assert_eq!(failure.exit_code(), code, "{}", path.display());
        }
    }
}
