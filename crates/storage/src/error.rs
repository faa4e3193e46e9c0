//! Why a file could not be opened or used.

use std::io;

/// Why the data directory or a file in it cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system refused.
    #[error(
        "{file}: cannot {action}: {source}. Check that the path exists, is a {kind} and belongs to the user that runs the node"
    )]
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
    #[error(
        "{file}: the database cannot be opened: {source}. If the message says that it is open already, another process uses it; otherwise the file is damaged: restore nothing in place, let the node rebuild from its peers as a new member"
    )]
    Database {
        /// The file.
        file: String,
        /// What redb said.
        source: redb::Error,
    },
    /// A record, or what the records say together, is damaged.
    #[error("{0}")]
    Damaged(
        /// File, table and key, and what to do.
        String,
    ),
    /// The file was written by a newer release.
    #[error(
        "{file}: written in format {found}, this release knows format {known}. Start the release that wrote it"
    )]
    NewerFormat {
        /// The file.
        file: String,
        /// The format that the file names.
        found: u32,
        /// The newest format that this release reads.
        known: u32,
    },
    /// Another process holds the data directory.
    #[error(
        "{directory}: the data directory is in use by another process{holder}. One directory serves one node: stop that process or configure another `data_dir`"
    )]
    Locked {
        /// The data directory.
        directory: String,
        /// ` (pid N)`, or empty when not known.
        holder: String,
    },
    /// A file or directory is open to other users.
    #[error(
        "{path}: mode {mode:04o} lets other users in; allowed is {allowed:04o}. Run: chmod {allowed:o} '{path}'"
    )]
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
