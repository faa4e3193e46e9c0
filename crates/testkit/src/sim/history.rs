//! What the clients asked and were answered. A checker sees nothing else of a run.

use std::fmt;

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
    /// Request its deletion.
    Delete(KeyNo),
    /// Take the request back.
    Cancel(KeyNo),
    /// Switch one of its versions on or off.
    Switch(KeyNo, u32, bool),
    /// Read it.
    Get(KeyNo),
    /// Encrypt under its primary version.
    Encrypt(KeyNo),
    /// Decrypt a ciphertext that was made under this version.
    Decrypt(KeyNo, u32),
    /// Do something with a short-lived key.
    Short(KeyNo, Short),
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

/// What is done with a short-lived key: of these keys the checkers know nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Short {
    /// Create it.
    Create,
    /// Let it be used.
    Enable,
    /// Register a resource that prevents its deletion.
    Register,
    /// Remove that registration.
    Unregister,
    /// Request its deletion, without force or with it.
    Delete(bool),
    /// Take the request back.
    Cancel,
    /// Skip the rest of the grace period.
    DeleteNow,
    /// Bring it back after its destruction.
    Restore,
    /// Remove everything of it but a tombstone.
    Purge,
    /// Read it.
    Get,
    /// Encrypt under its primary version.
    Encrypt,
    /// Decrypt what was encrypted under it.
    Decrypt,
}

impl Action {
    /// The key it is about; not a short-lived one.
    pub fn key(self) -> Option<KeyNo> {
        match self {
            Action::Create(key)
            | Action::Enable(key)
            | Action::Disable(key)
            | Action::Rotate(key)
            | Action::Update(key)
            | Action::Delete(key)
            | Action::Cancel(key)
            | Action::Switch(key, ..)
            | Action::Get(key)
            | Action::Encrypt(key)
            | Action::Decrypt(key, _) => Some(key),
            _ => None,
        }
    }

    /// Whether it changes the state.
    pub fn is_mutation(self) -> bool {
        let is_read = matches!(self, Action::Get(_) | Action::Show(_));
        !is_read && !self.is_use() && !matches!(self, Action::Short(_, Short::Get))
    }

    /// Whether it uses key material.
    pub fn is_use(self) -> bool {
        let is_of_short = matches!(self, Action::Short(_, Short::Encrypt | Short::Decrypt));
        is_of_short || matches!(self, Action::Encrypt(_) | Action::Decrypt(..))
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
    /// Get, and whatever changes a short-lived key: the state of the key.
    pub state: State,
    /// Get: which of its versions are switched off.
    pub off: Versions,
    /// Get: its revision.
    pub revision: u64,
    /// Whether it is the remembered answer of an earlier attempt.
    pub replayed: bool,
}

/// The state of a key, as an answer shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Every operation.
    Enabled,
    /// No use.
    #[default]
    Disabled,
    /// Deletion was requested: no use.
    PendingDeletion,
    /// Deleted: no use, but it can be read and perhaps restored.
    Destroyed,
    /// Nothing is left of it.
    Purged,
}

/// A set of versions: the bit of each one's number.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Versions(u128);

impl Versions {
    /// Whether a version is among them.
    pub fn has(self, version: u32) -> bool {
        1_u128.checked_shl(version).is_some_and(|bit| self.0 & bit != 0)
    }

    /// The same set with a version, or without it.
    pub fn set(self, version: u32, present: bool) -> Versions {
        let bit = 1_u128.checked_shl(version).unwrap_or(0);
        Versions(if present { self.0 | bit } else { self.0 & !bit })
    }

    /// Their numbers, ascending.
    pub fn numbers(self) -> impl Iterator<Item = u32> {
        (0..u128::BITS).filter(move |version| self.has(*version))
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<u32> for Versions {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Versions {
        numbers.into_iter().fold(Versions::default(), |all, version| all.set(version, true))
    }
}

impl fmt::Debug for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.numbers()).finish()
    }
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
