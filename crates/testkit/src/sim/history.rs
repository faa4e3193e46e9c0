//! What the clients asked and were answered. A checker sees nothing else of a run.

use uuid::Uuid;

use super::trace::Micros;

/// A key of the workload, by its number.
pub type KeyNo = u32;

/// A token of the workload, by its number.
pub type TokenNo = u32;

/// One operation of one client: from its first attempt to its last answer. Repeats of a mutation with
/// one request id are one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The client; a client has one operation at a time.
    pub client: u32,
    /// The node that was asked last.
    pub node: u32,
    /// When it was asked first.
    pub invoked: Micros,
    /// When the answer came; for an unknown outcome, when the client gave up.
    pub returned: Micros,
    /// The request id of a mutation.
    pub request: Option<Uuid>,
    /// How often it was sent.
    pub attempts: u32,
    /// What was asked.
    pub action: Action,
    /// What came of it.
    pub outcome: Outcome,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Create the key.
    Create(KeyNo),
    /// Let it be used.
    Enable(KeyNo),
    /// Let it not be used.
    Disable(KeyNo),
    /// Make a new primary version.
    Rotate(KeyNo),
    /// Change its description.
    Update(KeyNo),
    /// Read it.
    Get(KeyNo),
    /// Encrypt under its primary version.
    Encrypt(KeyNo),
    /// Decrypt a ciphertext that was made under this version.
    Decrypt(KeyNo, u32),
    /// Revoke a token.
    Revoke(TokenNo),
    /// Call something with a token.
    Show(TokenNo),
    /// A principal that may bind roles binds one to itself: never allowed.
    BindSelf,
    /// Seal the cluster.
    Seal,
    /// Submit a share to a node: by its index.
    SubmitShare(u32),
}

impl Action {
    /// The key it is about.
    pub fn key(self) -> Option<KeyNo> {
        match self {
            Action::Create(key)
            | Action::Enable(key)
            | Action::Disable(key)
            | Action::Rotate(key)
            | Action::Update(key)
            | Action::Get(key)
            | Action::Encrypt(key)
            | Action::Decrypt(key, _) => Some(key),
            _ => None,
        }
    }

    /// Whether it changes the state.
    pub fn is_mutation(self) -> bool {
        !matches!(self, Action::Get(_) | Action::Encrypt(_) | Action::Decrypt(..) | Action::Show(_))
    }

    /// Whether it uses key material.
    pub fn is_use(self) -> bool {
        matches!(self, Action::Encrypt(_) | Action::Decrypt(..))
    }
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done(Answer),
    /// It was refused, for this stable reason: it had no effect.
    Refused(String),
    /// Nobody knows: it may take effect at any time after it was asked, or never.
    Unknown,
}

/// What an answer says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Log index: of the entry that made the change, or of the state that was read.
    pub index: u64,
    /// Encrypt and Decrypt: the version that was used. Get: the primary version.
    pub version: u32,
    /// Get: whether the key is enabled.
    pub enabled: bool,
    /// Get: its revision.
    pub revision: u64,
    /// Whether it is the remembered answer of an earlier attempt.
    pub replayed: bool,
}

/// All operations of a run, in the order in which they were answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The operations.
    pub operations: Vec<Operation>,
}

impl Operation {
    /// The answer, if it was done.
    pub fn done(&self) -> Option<&Answer> {
        match &self.outcome {
            Outcome::Done(answer) => Some(answer),
            _ => None,
        }
    }
}
