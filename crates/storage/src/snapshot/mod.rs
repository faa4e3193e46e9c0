//! Snapshots: one state as a stream of frames, for another node.
//!
//! Layout, version 1 (integers little endian): the 8 bytes `CNCLSNAP`, `u32` version, then frames
//! (`u32` length of the payload, `u32` CRC-32 of the payload, payload). The first byte of a payload
//! is its kind:
//!
//! | kind | rest of the payload | order |
//! |---|---|---|
//! | 1 applied | `u16` length of the name, name, bytes | ascending names |
//! | 2 extra | the same: what the caller adds about the snapshot | as given |
//! | 3 record | `u8` table, `u32` length of the key, key, value | ascending (table, key) |
//! | 4 trailer | `u64` number of records, 32 bytes BLAKE3 of all bytes before this frame | last |
//!
//! The CRC names the place of damage; the trailer vouches for the whole.

mod error;
mod export;
mod format;
mod reader;
mod store;
mod writer;

pub use error::SnapshotError;
pub use export::SnapshotStream;
pub use format::SnapshotItem;
pub use reader::SnapshotReader;
pub use store::{SNAPSHOT_DIRECTORY, SnapshotFile, SnapshotStore};
pub use writer::SnapshotWriter;
