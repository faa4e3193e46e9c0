//! What the model can be asked.

use super::Policy;

/// Everything that can be asked of a key. The caller chooses the key's number.
#[derive(Clone, Debug)]
pub enum Command {
    /// Makes a key with version 1, by default without alias, expiry or rotation.
    CreateKey {
        key: u32,
        alias: Option<String>,
        policy: Policy,
        expires_at_ms: Option<u64>,
        rotate_every_ms: Option<u64>,
    },
    /// A use with the newest version; changes nothing.
    Encrypt { key: u32 },
    /// A use with the version a ciphertext names; changes nothing.
    Decrypt { key: u32, version: u32 },
    /// A rotation by hand.
    RotateKey { key: u32 },
    /// The rotation a node proposes because it believes the schedule is due.
    ScheduledRotation { key: u32 },
    /// Undoes a disable, or ends what a cancelled deletion left.
    EnableKey { key: u32 },
    /// Stops all use of the key until it is enabled.
    DisableKey { key: u32 },
    /// Turns the own switch of one version on or off.
    SetVersionEnabled { key: u32, version: u32, enabled: bool },
    /// Requests the deletion; `force` passes registrations that do not protect.
    DeleteKey { key: u32, force: bool },
    /// Takes a deletion back within the grace.
    CancelDeletion { key: u32 },
    /// Skips the rest of the grace.
    DeleteNow { key: u32 },
    /// Takes a destruction back within the restore window.
    RestoreKey { key: u32 },
    /// Removes a destroyed key for good.
    PurgeKey { key: u32 },
    /// Ties the key to a resource, or changes the tie that is there.
    RegisterResource { key: u32, principal: u32, resource: String, prevent_deletion: bool },
    /// Unties a resource.
    UnregisterResource { key: u32, principal: u32, resource: String },
    /// A change of labels or description, which the model does not keep.
    UpdateKey { key: u32 },
    /// Gives the key one more alias.
    AddAlias { key: u32, alias: String },
    /// Takes an alias from the key.
    RemoveAlias { key: u32, alias: String },
    /// Sets the rotation schedule anew; `None` removes it.
    SetRotation { key: u32, every_ms: Option<u64> },
    /// Lengthens the key's own windows; `None` leaves one as it is.
    LengthenWindows {
        key: u32,
        grace_ms: Option<u64>,
        restore_window_ms: Option<u64>,
        purge_floor_ms: Option<u64>,
        auto_purge_ms: Option<u64>,
    },
}

impl Command {
    pub(super) fn key(&self) -> u32 {
        match self {
            Self::CreateKey { key, .. }
            | Self::Encrypt { key }
            | Self::Decrypt { key, .. }
            | Self::RotateKey { key }
            | Self::ScheduledRotation { key }
            | Self::EnableKey { key }
            | Self::DisableKey { key }
            | Self::SetVersionEnabled { key, .. }
            | Self::DeleteKey { key, .. }
            | Self::CancelDeletion { key }
            | Self::DeleteNow { key }
            | Self::RestoreKey { key }
            | Self::PurgeKey { key }
            | Self::RegisterResource { key, .. }
            | Self::UnregisterResource { key, .. }
            | Self::UpdateKey { key }
            | Self::AddAlias { key, .. }
            | Self::RemoveAlias { key, .. }
            | Self::SetRotation { key, .. }
            | Self::LengthenWindows { key, .. } => *key,
        }
    }

    /// The alias that the command wants for its key.
    pub(super) fn claimed_alias(&self) -> Option<&str> {
        match self {
            Self::CreateKey { alias, .. } => alias.as_deref(),
            Self::AddAlias { alias, .. } => Some(alias),
            _ => None,
        }
    }
}
