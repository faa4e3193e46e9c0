//! Why a snapshot was refused.

use std::io;

/// Why a snapshot could not be built, received, read or installed. Unless it says otherwise nothing
/// was changed.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The disk failed.
    #[error("{file}: {source}. Check the disk and its free space")]
    Io {
        /// The snapshot's file.
        file: String,
        /// What the disk said.
        source: io::Error,
    },
    /// The bytes are not a complete, undamaged snapshot.
    #[error("{file}: refused at byte {offset}: {what}. Take or send the snapshot again")]
    Damaged {
        /// The snapshot's file.
        file: String,
        /// Where in the stream.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// The snapshot was written by a newer release.
    #[error(
        "{file}: snapshot format {found}; this release reads format {known}. Upgrade this node first"
    )]
    NewerFormat {
        /// The snapshot's file.
        file: String,
        /// The format that the snapshot names.
        found: u32,
        /// The newest format that this release reads.
        known: u32,
    },
    /// The export held its read transaction for too long.
    #[error(
        "the export took longer than {limit_ms} ms, for which one read transaction may live. Try again on a less busy node or disk"
    )]
    TooSlow {
        /// The bound, in milliseconds.
        limit_ms: u64,
    },
    /// A record does not fit into a frame.
    #[error(
        "a record in table `{table}` is longer than a snapshot frame may be ({limit} bytes). No command stores such a record; report it"
    )]
    RecordTooLong {
        /// Name of the table.
        table: &'static str,
        /// The bound on a frame's payload, in bytes.
        limit: usize,
    },
    /// The new state file could not be built.
    #[error("the new state file cannot be built: {0}. The old state is untouched")]
    Build(
        /// What failed.
        String,
    ),
}

impl SnapshotError {
    /// An I/O failure on a snapshot's file.
    pub(crate) fn file(file: &str) -> impl FnOnce(io::Error) -> SnapshotError {
        move |source| SnapshotError::Io { file: file.to_owned(), source }
    }
}

impl From<SnapshotError> for io::Error {
    fn from(error: SnapshotError) -> io::Error {
        io::Error::other(error)
    }
}
