//! A real directory behind the disk seam.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use redb::StorageBackend;
use redb::backends::FileBackend;

use crate::error::OpenError;
use crate::seams::{Disk, OpenMode};

/// Mode of every file.
const FILE_MODE: u32 = 0o600;

/// Mode of every directory.
const DIRECTORY_MODE: u32 = 0o700;

/// Permission bits of everybody but the owner.
const OTHERS: u32 = 0o077;

/// A data directory in the file system: files 0600, directories 0700, redb's own file locking.
#[derive(Clone, Debug)]
pub struct FsDisk {
    root: PathBuf,
}

impl FsDisk {
    /// Opens the directory, making it if needed (its parent must exist).
    ///
    /// # Errors
    /// [`OpenError::Permissions`] if the directory or anything in it is open to other users, with the
    /// `chmod` to run; [`OpenError::Io`] otherwise.
    pub fn open(root: impl Into<PathBuf>) -> Result<FsDisk, OpenError> {
        let root = root.into();
        let name = root.display().to_string();
        match DirBuilder::new().mode(DIRECTORY_MODE).create(&root) {
            Ok(()) => sync_parent(&root).map_err(OpenError::directory(&name, "make it durable"))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(OpenError::directory(&name, "create it")(error)),
        }
        refuse_open_to_others(&root)?;
        Ok(FsDisk { root })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.root.clone() } else { self.root.join(name) }
    }
}

impl Disk for FsDisk {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Box<dyn StorageBackend>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(mode == OpenMode::New)
            .mode(FILE_MODE)
            .open(self.path(name))?;
        let backend = FileBackend::new(file).map_err(io::Error::other)?;
        Ok(Box::new(backend))
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        self.path(name).try_exists()
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(directory))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    fn make_directory(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        match DirBuilder::new().mode(DIRECTORY_MODE).create(&path) {
            Ok(()) => sync_parent(&path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_dir(&self, directory: &str) -> io::Result<()> {
        File::open(self.path(directory))?.sync_all()
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Walks the tree and refuses the first file or directory that other users can reach. Symbolic links
/// are not followed.
fn refuse_open_to_others(path: &Path) -> Result<(), OpenError> {
    let name = path.display().to_string();
    let metadata =
        fs::symlink_metadata(path).map_err(OpenError::directory(&name, "read its mode"))?;
    if metadata.is_symlink() {
        return Ok(());
    }
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS != 0 {
        let allowed = if metadata.is_dir() { DIRECTORY_MODE } else { FILE_MODE };
        return Err(OpenError::Permissions { path: name, mode, allowed });
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(path).map_err(OpenError::directory(&name, "list it"))? {
            let entry = entry.map_err(OpenError::directory(&name, "list it"))?;
            refuse_open_to_others(&entry.path())?;
        }
    }
    Ok(())
}
