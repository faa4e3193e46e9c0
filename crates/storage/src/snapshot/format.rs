//! The bytes of frames: writing them, and taking a payload apart.

use conclave_core::records::Table;

/// First bytes of every snapshot.
pub(super) const MAGIC: &[u8; 8] = b"CNCLSNAP";

/// The format that this release writes, and the newest that it reads.
pub(super) const VERSION: u32 = 1;

/// Bytes of the header: magic and version.
pub(super) const HEADER_BYTES: usize = 12;

/// Bytes before a payload: its length and its CRC.
pub(super) const FRAME_HEAD_BYTES: usize = 8;

const APPLIED: u8 = 1;
const EXTRA: u8 = 2;
const RECORD: u8 = 3;
const TRAILER: u8 = 4;

/// One piece of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotItem {
    /// An applied record of the state.
    Applied {
        /// Its name.
        name: String,
        /// Its bytes.
        value: Vec<u8>,
    },
    /// What the builder added about the snapshot; not part of the state.
    Extra {
        /// Its name.
        name: String,
        /// Its bytes.
        value: Vec<u8>,
    },
    /// A record of the state machine.
    Record {
        /// Its table.
        table: Table,
        /// Its key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
}

/// What a payload holds.
pub(super) enum Payload {
    Item(SnapshotItem),
    Trailer { records: u64, digest: [u8; 32] },
}

/// The header.
pub(super) fn header() -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[8..].copy_from_slice(&VERSION.to_le_bytes());
    header
}

/// The payload of an item. Names are shorter than 64 KiB and keys shorter than 4 GiB: redb would not
/// have stored them otherwise, and the frame is refused above its bound.
pub(super) fn item_payload(item: &SnapshotItem) -> Vec<u8> {
    let named = |kind: u8, name: &str, value: &[u8]| {
        let length = u16::try_from(name.len()).expect("names are constants of the caller");
        [&[kind], &length.to_le_bytes()[..], name.as_bytes(), value].concat()
    };
    match item {
        SnapshotItem::Applied { name, value } => named(APPLIED, name, value),
        SnapshotItem::Extra { name, value } => named(EXTRA, name, value),
        SnapshotItem::Record { table, key, value } => {
            let length = u32::try_from(key.len()).expect("redb bounds a key far below 4 GiB");
            [&[RECORD, table.number()], &length.to_le_bytes()[..], key, value].concat()
        }
    }
}

/// The payload of the trailer.
pub(super) fn trailer_payload(records: u64, digest: &[u8; 32]) -> Vec<u8> {
    [&[TRAILER], &records.to_le_bytes()[..], digest].concat()
}

/// Appends a frame around the payload.
pub(super) fn put_frame(out: &mut Vec<u8>, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("the caller keeps to MAX_FRAME_BYTES");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    out.extend_from_slice(payload);
}

/// Takes a payload apart. The error says what is wrong.
pub(super) fn parse(payload: &[u8]) -> Result<Payload, &'static str> {
    let (kind, rest) = payload.split_first().ok_or("an empty frame")?;
    match *kind {
        APPLIED => named(rest).map(|(name, value)| SnapshotItem::Applied { name, value }),
        EXTRA => named(rest).map(|(name, value)| SnapshotItem::Extra { name, value }),
        RECORD => record(rest),
        TRAILER => return trailer(rest),
        _ => Err("a frame of unknown kind"),
    }
    .map(Payload::Item)
}

fn named(rest: &[u8]) -> Result<(String, Vec<u8>), &'static str> {
    let short = "a frame that is too short for its name";
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(short)?;
    let (name, value) =
        rest.split_at_checked(usize::from(u16::from_le_bytes(*length))).ok_or(short)?;
    let name = str::from_utf8(name).map_err(|_| "a name that is not UTF-8")?;
    Ok((name.to_owned(), value.to_vec()))
}

fn record(rest: &[u8]) -> Result<SnapshotItem, &'static str> {
    let short = "a frame that is too short for its key";
    let (table, rest) = rest.split_first().ok_or(short)?;
    let table = Table::from_number(*table).ok_or("a record of an unknown table")?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(short)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| short)?;
    let (key, value) = rest.split_at_checked(length).ok_or(short)?;
    Ok(SnapshotItem::Record { table, key: key.to_vec(), value: value.to_vec() })
}

fn trailer(rest: &[u8]) -> Result<Payload, &'static str> {
    let wrong = "a trailer of the wrong length";
    let (records, digest) = rest.split_first_chunk::<8>().ok_or(wrong)?;
    let digest = digest.try_into().map_err(|_| wrong)?;
    Ok(Payload::Trailer { records: u64::from_le_bytes(*records), digest })
}
