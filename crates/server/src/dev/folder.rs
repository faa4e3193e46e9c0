//! The folder of a development cluster: its paths, its lock, its private files.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use conclave_storage::{DirectoryLock, LOCK_FILE, OpenError};

use crate::failure::Failure;

/// Modes of directories and files: their owner's alone.
const PRIVATE_DIRECTORY: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;

/// The folder, held until it is dropped.
pub struct Folder {
    root: PathBuf,
    _lock: DirectoryLock,
}

impl Folder {
    /// Opens the folder, making it at the first start.
    ///
    /// # Errors
    /// Another `dev` holds it, or it holds something else.
    pub fn open(path: &Path) -> Result<Folder, Failure> {
        let failed = |error: io::Error| cannot_be_used(path, &error);
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        make_private(path).map_err(failed)?;
        let root = fs::canonicalize(path).map_err(failed)?;
        let is_ours = root.join(LOCK_FILE).exists();
        if !is_ours && fs::read_dir(&root).map_err(failed)?.next().is_some() {
            return Err(Failure::refused(
                format!(
                    "{}: the folder is not empty and was not made by `conclave dev`",
                    root.display()
                ),
                "give a new or empty folder with --dir",
            ));
        }
        fs::set_permissions(&root, Permissions::from_mode(PRIVATE_DIRECTORY)).map_err(failed)?;
        let lock = DirectoryLock::acquire(&root).map_err(|error| match error {
            OpenError::Locked { holder, .. } => Failure::refused(
                format!("{}: another `conclave dev`{holder} runs in this folder", root.display()),
                "stop it, or give another folder with --dir",
            ),
            other => Failure::data_dir(&other),
        })?;
        Ok(Folder { root, _lock: lock })
    }

    /// The folder itself, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Something in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Certificates and keys.
    pub fn pki(&self) -> PathBuf {
        self.path("pki")
    }

    /// The directory of a node.
    pub fn node(&self, id: u32) -> PathBuf {
        self.path(&format!("node-{id}"))
    }

    /// The configuration of a node.
    pub fn config(&self, id: u32) -> PathBuf {
        self.node(id).join("conclave.toml")
    }

    /// The log of a node.
    pub fn log(&self, id: u32) -> PathBuf {
        self.node(id).join("log.jsonl")
    }

    /// The data directory of a node.
    pub fn data(&self, id: u32) -> PathBuf {
        self.node(id).join("data")
    }

    /// A share, from 1.
    pub fn share(&self, index: u32) -> PathBuf {
        self.path(&format!("shares/share-{index}.txt"))
    }

    /// The administrator's token.
    pub fn token(&self) -> PathBuf {
        self.path("admin.token")
    }

    /// Makes a directory in the folder, 0700.
    pub fn make_directory(&self, path: &Path) -> Result<(), Failure> {
        make_private(path).map_err(|error| cannot_be_used(path, &error))
    }

    /// Writes a file, 0600, as a whole or not at all.
    pub fn write(&self, path: &Path, content: &[u8]) -> Result<(), Failure> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.tmp"));
        let write = || {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(PRIVATE_FILE);
            options.open(&temporary)?.write_all(content)?;
            fs::rename(&temporary, path)
        };
        write().map_err(|error| cannot_be_used(path, &error))
    }

    /// Reads a file; `None` if there is none.
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
        match fs::read(path) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(cannot_be_used(path, &error)),
        }
    }

    /// Opens a file to be written on at its end, 0600; the second value is its length now.
    pub fn append(&self, path: &Path) -> Result<(fs::File, u64), Failure> {
        let open = || {
            let mut options = OpenOptions::new();
            let file = options.append(true).create(true).mode(PRIVATE_FILE).open(path)?;
            let length = file.metadata()?.len();
            Ok((file, length))
        };
        open().map_err(|error| cannot_be_used(path, &error))
    }
}

fn make_private(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(PRIVATE_DIRECTORY).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn cannot_be_used(path: &Path, error: &io::Error) -> Failure {
    Failure::refused(
        format!("{}: cannot be used: {error}", path.display()),
        "check the path, its permissions and the space left, or give another folder with --dir",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_private_and_has_one_holder() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let folder = Folder::open(&path).unwrap();
        assert!(folder.root().is_absolute());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        folder.write(&folder.token(), b"secret").unwrap();
        folder.write(&folder.token(), b"newer").unwrap();
        assert_eq!(mode(&folder.token()), 0o600);
        assert_eq!(folder.read(&folder.token()).unwrap().unwrap(), b"newer");
        assert_eq!(folder.read(&folder.share(1)).unwrap(), None);
        let text = Folder::open(&path).err().unwrap().to_string();
        let pid = std::process::id();
        assert!(text.contains(&format!("another `conclave dev` (pid {pid}) runs")), "{text}");
        drop(folder);
        Folder::open(&path).unwrap();
    }

    #[test]
    fn a_folder_of_something_else_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("thesis.txt"), "years").unwrap();
        let text = Folder::open(parent.path()).err().unwrap().to_string();
        assert!(text.contains("was not made by `conclave dev`"), "{text}");
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}
