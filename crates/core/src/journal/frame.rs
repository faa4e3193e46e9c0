//! The bytes of a record: length, fixed fields, reason, link. All numbers are little endian.

use super::{LINK_BYTES, Operation, Position, Use, Verdict, link};
use crate::ids::{KeyId, PrincipalId, RequestId};
use uuid::Uuid;

/// Bytes of the length.
const LENGTH_BYTES: usize = 2;
/// Bytes of the fields between length and reason.
const FIELDS_BYTES: usize = 86;
/// Bytes of a reason at most; longer ones are cut. No reason of ours is half as long.
const MOST_REASON_BYTES: usize = 64;

/// Bytes of a record without a reason.
pub const LEAST_FRAME_BYTES: usize = LENGTH_BYTES + FIELDS_BYTES + LINK_BYTES;
/// Bytes of the longest record.
pub const MOST_FRAME_BYTES: usize = LEAST_FRAME_BYTES + MOST_REASON_BYTES;

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Number of the record in its chain, from 0.
    pub seq: u64,
    /// What it says.
    pub recorded: Use,
    /// Its link.
    pub link: [u8; LINK_BYTES],
    /// Its bytes in the file.
    pub bytes: usize,
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The bytes end within it.
    #[error("the file ends within a record")]
    Short,
    /// No record is so short or so long.
    #[error("a record with an impossible length")]
    Length,
    /// The link is not that of these bytes and the link before.
    #[error("a record whose link does not match")]
    Link,
    /// A field holds what this release does not know.
    #[error("a record with an unknown field")]
    Field,
}

/// Appends the record of a use to `chained`, which ends with the last link, and moves the position
/// on. Writes into spare capacity: whoever keeps the buffer allocates nothing.
pub fn append_frame(chained: &mut Vec<u8>, position: &mut Position, recorded: &Use) {
    let before = chained.len() - LINK_BYTES;
    let reason = recorded.reason.as_deref().unwrap_or_default().as_bytes();
    let reason = &reason[..reason.len().min(MOST_REASON_BYTES)];
    // At most 150, see above.
    let length = (FIELDS_BYTES + reason.len()) as u16;
    let uuid = |id: Option<Uuid>| *id.unwrap_or_default().as_bytes();
    chained.extend_from_slice(&length.to_le_bytes());
    for number in [position.next_seq, recorded.at_ms, recorded.index, recorded.bytes] {
        chained.extend_from_slice(&number.to_le_bytes());
    }
    chained.extend_from_slice(&recorded.version.unwrap_or_default().to_le_bytes());
    chained.push(operation_number(recorded.operation));
    chained.push(verdict_number(recorded.verdict));
    chained.extend_from_slice(recorded.principal.bytes());
    chained.extend_from_slice(&uuid(recorded.key.map(|key| key.0)));
    chained.extend_from_slice(&uuid(recorded.request.map(|request| request.0)));
    chained.extend_from_slice(reason);
    let head = link(&chained[before..]);
    chained.extend_from_slice(&head);
    *position = Position { next_seq: position.next_seq + 1, head };
}

/// Reads the record at the beginning of what follows the link in `chained`: the link before, then
/// the bytes from the record on.
///
/// # Errors
/// Why it is no whole record.
pub fn read_frame(chained: &[u8]) -> Result<Frame, FrameError> {
    let rest = chained.get(LINK_BYTES..).ok_or(FrameError::Short)?;
    let length = rest.first_chunk().map(|length| u16::from_le_bytes(*length));
    let length = usize::from(length.ok_or(FrameError::Short)?);
    if !(FIELDS_BYTES..=FIELDS_BYTES + MOST_REASON_BYTES).contains(&length) {
        return Err(FrameError::Length);
    }
    let bytes = LENGTH_BYTES + length + LINK_BYTES;
    let frame = rest.get(..bytes).ok_or(FrameError::Short)?;
    let (covered, stored) = frame.split_last_chunk().ok_or(FrameError::Short)?;
    if link(&chained[..LINK_BYTES + covered.len()]) != *stored {
        return Err(FrameError::Link);
    }
    let (seq, recorded) = fields(&covered[LENGTH_BYTES..]).ok_or(FrameError::Field)?;
    Ok(Frame { seq, recorded, link: *stored, bytes })
}

fn fields(mut rest: &[u8]) -> Option<(u64, Use)> {
    let seq = number(&mut rest)?;
    let at_ms = number(&mut rest)?;
    let index = number(&mut rest)?;
    let bytes = number(&mut rest)?;
    let version = u32::from_le_bytes(take(&mut rest)?);
    let [operation, verdict] = take(&mut rest)?;
    let principal = PrincipalId(Uuid::from_bytes(take(&mut rest)?));
    let key = id(&mut rest)?;
    let request = id(&mut rest)?;
    let reason = str::from_utf8(rest).ok()?;
    let recorded = Use {
        at_ms,
        index,
        principal,
        operation: Operation::ALL.into_iter().find(|it| operation_number(*it) == operation)?,
        key: key.map(KeyId),
        version: (version != 0).then_some(version),
        verdict: Verdict::ALL.into_iter().find(|it| verdict_number(*it) == verdict)?,
        reason: (!reason.is_empty()).then(|| reason.to_owned().into()),
        request: request.map(RequestId),
        bytes,
    };
    Some((seq, recorded))
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(u64::from_le_bytes)
}

/// Zeros stand for no id: no id of ours is nil.
fn id(rest: &mut &[u8]) -> Option<Option<Uuid>> {
    let id = Uuid::from_bytes(take(rest)?);
    Some((!id.is_nil()).then_some(id))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

/// Part of the format: numbers are only added.
const fn operation_number(operation: Operation) -> u8 {
    match operation {
        Operation::Encrypt => 1,
        Operation::Decrypt => 2,
        Operation::GenerateDataKey => 3,
        Operation::Random => 4,
        Operation::Echo => 5,
    }
}

/// Part of the format: numbers are only added.
const fn verdict_number(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Ok => 1,
        Verdict::Refused => 2,
        Verdict::Failed => 3,
    }
}
