//! The bytes of a segment: a header, then records. The header ends with a link, as a record does, so
//! the chain goes through it from one segment into the next.

use conclave_core::journal::{
    Frame, FrameError, LEAST_FRAME_BYTES, LINK_BYTES, Position, link, read_frame,
};

/// First bytes of every segment.
const MAGIC: &[u8; 8] = b"CNCLUSES";

/// The format that this release writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;

/// Bytes that the name of a cluster has at most; shorter ones are followed by zeros.
const CLUSTER_BYTES: usize = 64;

/// Bytes of the fields before the two links of a header.
const FIELDS_BYTES: usize = 8 + 4 + 4 + 4 + 8 + 8 + 8 + 8 + CLUSTER_BYTES;

/// Bytes of a header.
pub(super) const HEADER_BYTES: usize = FIELDS_BYTES + 2 * LINK_BYTES;

/// What the first bytes of a segment say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) node: u32,
    pub(super) member: u64,
    pub(super) cluster: String,
    pub(super) worker: u32,
    /// Number of the segment among those of the worker, from 1.
    pub(super) number: u64,
    /// Wall clock when it was begun, milliseconds since the Unix epoch.
    pub(super) begun_ms: u64,
    /// Where the chain stood.
    pub(super) position: Position,
}

/// Why the first bytes of a file are no header of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderError {
    /// Written by a newer release, in this format.
    Newer(u32),
    /// Anything else.
    Damaged(&'static str),
}

/// What was found in a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// Bytes up to which all is well.
    pub(super) whole: usize,
    /// Where the chain stands there.
    pub(super) position: Position,
    /// What comes after that, if anything does.
    pub(super) rest: Option<Rest>,
}

/// Bytes that are no record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rest {
    /// Why not.
    pub(super) error: FrameError,
    /// Where the chain stands after the last whole record behind them. `None`: there is none. If the
    /// file also ends within a record, this is a write that was cut off.
    pub(super) beyond: Option<Position>,
}

impl Header {
    /// The bytes, and the link at their end.
    pub(super) fn encode(&self) -> (Vec<u8>, [u8; LINK_BYTES]) {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(MAGIC);
        for number in [FORMAT, self.node, self.worker] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.member, self.number, self.begun_ms, self.position.next_seq] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend(self.cluster.bytes().take(CLUSTER_BYTES));
        bytes.resize(FIELDS_BYTES, 0);
        bytes.extend_from_slice(&self.position.head);
        let link = link(&bytes);
        bytes.extend_from_slice(&link);
        (bytes, link)
    }

    /// Reads what [`Header::encode`] wrote, and the link at its end.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Header, [u8; LINK_BYTES]), HeaderError> {
        let short = HeaderError::Damaged("a header that is cut off");
        let mut rest = bytes;
        let mut take = |count| {
            let (taken, left) = rest.split_at_checked(count)?;
            rest = left;
            Some(taken)
        };
        if take(MAGIC.len()).ok_or(short)? != MAGIC {
            return Err(HeaderError::Damaged("it does not begin like a segment"));
        }
        let mut small = || take(4).map(le).ok_or(short);
        let format = small()? as u32;
        if format > FORMAT {
            return Err(HeaderError::Newer(format));
        }
        let (node, worker) = (small()? as u32, small()? as u32);
        let mut large = || take(8).map(le).ok_or(short);
        let (member, number, begun_ms, next_seq) = (large()?, large()?, large()?, large()?);
        let cluster = take(CLUSTER_BYTES).ok_or(short)?;
        let cluster = cluster.split(|byte| *byte == 0).next().unwrap_or_default();
        let cluster = String::from_utf8_lossy(cluster).into_owned();
        let (head, stored) = (array(take(LINK_BYTES)), array(take(LINK_BYTES)));
        let (head, stored) = head.zip(stored).ok_or(short)?;
        if link(&bytes[..HEADER_BYTES - LINK_BYTES]) != stored {
            return Err(HeaderError::Damaged("a header whose link does not match"));
        }
        let position = Position { next_seq, head };
        Ok((Header { node, member, cluster, worker, number, begun_ms, position }, stored))
    }

    /// Where the chain stands after this header.
    pub(super) fn end(&self, link: [u8; LINK_BYTES]) -> Position {
        Position { next_seq: self.position.next_seq, head: link }
    }
}

/// Reads the records of a segment whose header was read; `position` is where the chain stands after
/// it.
pub(super) fn scan(bytes: &[u8], mut position: Position) -> Scan {
    let mut whole = HEADER_BYTES;
    while whole < bytes.len() {
        match frame_at(bytes, whole) {
            Ok(frame) => {
                position = after(&frame);
                whole += frame.bytes;
            }
            Err(error) => {
                let rest = Some(Rest { error, beyond: last_beyond(bytes, whole) });
                return Scan { whole, position, rest };
            }
        }
    }
    Scan { whole, position, rest: None }
}

/// Where the chain stands after the last whole record that begins behind `at`, wherever it begins:
/// each link covers the 32 bytes before its record, so a record can be told without those before.
pub(super) fn last_beyond(bytes: &[u8], at: usize) -> Option<Position> {
    let last = bytes.len().checked_sub(LEAST_FRAME_BYTES)?;
    (at + 1..=last).rev().find_map(|start| Some(after(&frame_at(bytes, start).ok()?)))
}

fn frame_at(bytes: &[u8], start: usize) -> Result<Frame, FrameError> {
    read_frame(start.checked_sub(LINK_BYTES).and_then(|from| bytes.get(from..)).unwrap_or_default())
}

fn after(frame: &Frame) -> Position {
    Position { next_seq: frame.seq + 1, head: frame.link }
}

fn le(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn array(bytes: Option<&[u8]>) -> Option<[u8; LINK_BYTES]> {
    bytes?.try_into().ok()
}
