//! The journal of uses: one record per data-plane operation of a node, chained by hashes. Refused
//! operations are recorded too; payloads and keys never are.
//!
//! This is the form of a record and of the chain, and the seam behind which the files hang. Every
//! link covers the 32 bytes before its frame, which are the link before; so whoever reads the bytes
//! in order needs nothing else to check them. `docs/formats.md` describes the files.

mod frame;

use crate::ids::{KeyId, PrincipalId, RequestId};
use std::borrow::Cow;

pub use frame::{Frame, FrameError, LEAST_FRAME_BYTES, MOST_FRAME_BYTES, append_frame, read_frame};

/// Bytes of a link of the chain.
pub const LINK_BYTES: usize = 32;

/// What a link of the chain is made with, so that it equals no other digest of the product.
const LINK_KEY: &[u8; 32] = b"conclave journal of uses link v1";

/// What a caller asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Encryption under the primary version of a key.
    Encrypt,
    /// Decryption under the version that a ciphertext names.
    Decrypt,
    /// A fresh data key, plain and wrapped.
    GenerateDataKey,
    /// Random bytes.
    Random,
    /// The deepest echo of `conclave bench`, on development nodes only: it encrypts, and gives the
    /// ciphertext to nobody.
    Echo,
}

/// What became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Done: the caller has the answer, or it was on its way.
    Ok,
    /// Understood and denied.
    Refused,
    /// The node could not do it: sealed, without a quorum, or with a broken invariant.
    Failed,
}

/// One operation, as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The node's wall clock when the operation ended, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Log index of the view that it was judged from.
    pub index: u64,
    /// On whose behalf; [`PrincipalId::NOBODY`] if the caller could not be told.
    pub principal: PrincipalId,
    /// What was asked for.
    pub operation: Operation,
    /// The key, if it came so far.
    pub key: Option<KeyId>,
    /// Its version, if it came so far.
    pub version: Option<u32>,
    /// What became of it.
    pub verdict: Verdict,
    /// Why not; `None`: it was done.
    pub reason: Option<Cow<'static, str>>,
    /// The caller's request id, if it gave one.
    pub request: Option<RequestId>,
    /// Size in bytes of what was given (plaintext of Encrypt, ciphertext of Decrypt) or asked for
    /// (data key, random bytes).
    pub bytes: u64,
}

/// Where a chain goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Number of the next record.
    pub next_seq: u64,
    /// The last link.
    pub head: [u8; LINK_BYTES],
}

impl Position {
    /// Before the first record of a chain.
    pub const START: Position = Position { next_seq: 0, head: [0; LINK_BYTES] };
}

/// The files of one runtime of a node.
pub trait UseJournal: Send + Sync + 'static {
    /// Appends the records of these uses, all of them or none, with one write. On return they have
    /// left the process: only a crash of the machine can still lose them.
    ///
    /// # Errors
    /// The file cannot be written. Nobody may be told of what these uses came to.
    fn append(&self, uses: &[Use]) -> Result<(), JournalBlocked>;

    /// Whether the last attempt to write has failed.
    fn is_blocked(&self) -> bool;
}

/// The journal cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalBlocked;

/// The link over `chained`: the link before, then what this link covers.
pub fn link(chained: &[u8]) -> [u8; LINK_BYTES] {
    *blake3::keyed_hash(LINK_KEY, chained).as_bytes()
}

impl Operation {
    /// All operations.
    pub const ALL: [Operation; 5] = [
        Operation::Encrypt,
        Operation::Decrypt,
        Operation::GenerateDataKey,
        Operation::Random,
        Operation::Echo,
    ];

    /// Its name in a record that is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Operation::Encrypt => "Encrypt",
            Operation::Decrypt => "Decrypt",
            Operation::GenerateDataKey => "GenerateDataKey",
            Operation::Random => "Random",
            Operation::Echo => "Echo",
        }
    }
}

impl Verdict {
    /// All verdicts.
    pub const ALL: [Verdict; 3] = [Verdict::Ok, Verdict::Refused, Verdict::Failed];

    /// Its name in a record that is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Refused => "refused",
            Verdict::Failed => "failed",
        }
    }
}

#[cfg(test)]
mod tests;
