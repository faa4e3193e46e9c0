//! Why a file could not be opened or used.

use std::io;

/// What helps a node whose files are damaged.
const REBUILD: &str = "check the disk, then let the node rebuild from its peers as a new member";

/// Why the data directory or a file in it cannot be opened: what is wrong and what is allowed;
/// [`OpenError::next`] says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system refused.
    #[error("{file}: cannot {action}: {source}")]
    Io {
        /// The file or directory.
        file: String,
        /// What was tried.
        action: &'static str,
        /// What was expected there.
        kind: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// redb cannot open the file: locked, damaged or not a database.
    #[error("{file}: the database cannot be opened: {source}")]
    Database {
        /// The file.
        file: String,
        /// What redb said.
        source: redb::Error,
    },
    /// A record, or what the records say together, is damaged.
    #[error("{0}")]
    Damaged(
        /// File, table and key.
        String,
    ),
    /// The file was written by a newer release.
    #[error("{file}: written in format {found}, this release knows format {known}")]
    NewerFormat {
        /// The file.
        file: String,
        /// The format that the file names.
        found: u32,
        /// The newest format that this release reads.
        known: u32,
    },
    /// The file was written before the first release.
    #[error(
        "{file}: written in format {found} by a development version, this release reads format {known}"
    )]
    OlderFormat {
        /// The file.
        file: String,
        /// The format that the file names.
        found: u32,
        /// The format that this release reads.
        known: u32,
    },
    /// Another process holds the data directory.
    #[error(
        "{directory}: the data directory is in use by another process{holder}; one directory serves one node"
    )]
    Locked {
        /// The data directory.
        directory: String,
        /// ` (pid N)`, or empty when not known.
        holder: String,
    },
    /// A file or directory is open to other users.
    #[error("{path}: mode {mode:04o} lets other users in; allowed is {allowed:04o}")]
    Permissions {
        /// The file or directory.
        path: String,
        /// Its permission bits.
        mode: u32,
        /// The permission bits that are right.
        allowed: u32,
    },
}

impl OpenError {
    /// What to do.
    pub fn next(&self) -> String {
        match self {
            OpenError::Io { kind, .. } => format!(
                "check that the path exists, is a {kind} and belongs to the user that runs the node"
            ),
            OpenError::Database { .. } => format!(
                "if it is open already, stop the other process; otherwise the file is damaged: restore nothing in place, {REBUILD}"
            ),
            OpenError::Damaged(_) => REBUILD.to_owned(),
            OpenError::NewerFormat { .. } => "start the release that wrote it".to_owned(),
            OpenError::OlderFormat { .. } => {
                "start the version that wrote it, or begin with an empty `data_dir`".to_owned()
            }
            OpenError::Locked { .. } => {
                "stop that process or configure another `data_dir`".to_owned()
            }
            OpenError::Permissions { path, allowed, .. } => {
                format!("run: chmod {allowed:o} '{path}'")
            }
        }
    }

    /// An I/O failure on a file.
    pub(crate) fn file(file: &str, action: &'static str) -> impl FnOnce(io::Error) -> OpenError {
        move |source| OpenError::Io { file: file.to_owned(), action, kind: "regular file", source }
    }

    /// An I/O failure on a directory.
    pub(crate) fn directory(
        name: &str,
        action: &'static str,
    ) -> impl FnOnce(io::Error) -> OpenError {
        move |source| OpenError::Io { file: name.to_owned(), action, kind: "directory", source }
    }

    /// A failure of redb on a file.
    pub(crate) fn database<E: Into<redb::Error>>(file: &str) -> impl FnOnce(E) -> OpenError {
        move |source| OpenError::Database { file: file.to_owned(), source: source.into() }
    }
}
