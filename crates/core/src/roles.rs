//! Roles and the actions they permit: the one permission matrix.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A set of actions that can be bound to a principal or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Uses keys, reads metadata.
    Reader,
    /// Reader, and export of exportable material.
    ReaderPlus,
    /// ReaderPlus, and creates and rotates.
    Writer,
    /// Writer, and enables, disables and grants inside the scope.
    Manager,
    /// Purges; implied by no other role.
    KeyPurge,
    /// Reads audit log, history and usage; nothing else.
    Auditor,
    /// Membership, configuration, backups, metrics; no key use.
    Operator,
    /// Principals, cluster policies, seal; no key use.
    Administrator,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 8] = [
        Role::Reader,
        Role::ReaderPlus,
        Role::Writer,
        Role::Manager,
        Role::KeyPurge,
        Role::Auditor,
        Role::Operator,
        Role::Administrator,
    ];

    /// The permission matrix.
    pub fn permits(self, action: Action) -> bool {
        use Action as A;
        let reader = matches!(
            action,
            A::Encrypt
                | A::Decrypt
                | A::GetKey
                | A::ListKeys
                | A::GetHistory
                | A::GetInstance
                | A::Random
        );
        let writer = reader || matches!(action, A::CreateKey | A::RotateKey | A::ManageAliases);
        let manager = writer
            || matches!(
                action,
                A::EnableKey
                    | A::DisableKey
                    | A::UpdateKey
                    | A::DeleteKey
                    | A::CancelDeletion
                    | A::RestoreKey
                    | A::SetKeyPolicy
                    | A::RegisterResource
                    | A::SetInstancePolicy
                    | A::ManageRings
                    | A::BindRole
                    | A::ListAccess
            );
        match self {
            Role::Reader | Role::ReaderPlus => reader || action == A::Status,
            Role::Writer => writer || action == A::Status,
            Role::Manager => manager || action == A::Status,
            Role::KeyPurge => matches!(action, A::PurgeKey | A::Random | A::Status),
            Role::Auditor => {
                matches!(action, A::Random | A::Status | A::ListAccess | A::GetHistory)
            }
            Role::Operator => matches!(action, A::Random | A::Status),
            Role::Administrator => matches!(
                action,
                A::Random
                    | A::Status
                    | A::ListAccess
                    | A::ManagePrincipals
                    | A::BindRole
                    | A::Seal
                    | A::CreateInstance
                    | A::GetInstance
                    | A::SetInstancePolicy
                    | A::DeleteInstance
                    | A::SetDeletionFloor
            ),
        }
    }

    /// Whether the role means anything in a part of the cluster.
    pub fn is_for_the_cluster_only(self) -> bool {
        matches!(self, Role::Operator | Role::Administrator)
    }

    /// Which roles a holder of this role may bind to others. Nobody grants a role they do not hold;
    /// the Administrator, who manages principals, is the exception that starts the chain.
    pub fn may_grant(self, granted: Role) -> bool {
        match self {
            Role::Administrator => true,
            Role::Manager => {
                matches!(granted, Role::Reader | Role::ReaderPlus | Role::Writer | Role::Manager)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}"))
    }
}

/// A name that stands for no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no role {0:?}; the roles are Reader, ReaderPlus, Writer, Manager, KeyPurge, Auditor, Operator, Administrator"
)]
pub struct UnknownRole(pub String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Role::ALL
            .into_iter()
            .find(|role| role.to_string() == name)
            .ok_or_else(|| UnknownRole(name.to_owned()))
    }
}

/// What a call does, as the permission matrix sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Action {
    /// Encrypt, also data keys.
    Encrypt,
    /// Decrypt.
    Decrypt,
    /// Random bytes.
    Random,
    /// Read a key's metadata.
    GetKey,
    /// List keys.
    ListKeys,
    /// Create a key.
    CreateKey,
    /// Rotate a key.
    RotateKey,
    /// Enable a key.
    EnableKey,
    /// Disable a key.
    DisableKey,
    /// Change description and labels.
    UpdateKey,
    /// Create and disable principals, groups, tokens.
    ManagePrincipals,
    /// Read principals, tokens and bindings.
    ListAccess,
    /// Bind and unbind roles.
    BindRole,
    /// Seal the cluster.
    Seal,
    /// Read the full status.
    Status,
    /// Request the deletion of a key, or skip the rest of its grace period.
    DeleteKey,
    /// Take a requested deletion back.
    CancelDeletion,
    /// Bring a destroyed key back.
    RestoreKey,
    /// Purge a destroyed key.
    PurgeKey,
    /// Add and remove aliases.
    ManageAliases,
    /// Change a key's rotation schedule, and lengthen its windows.
    SetKeyPolicy,
    /// Register and unregister resources.
    RegisterResource,
    /// Read a key's history.
    GetHistory,
    /// Create an instance.
    CreateInstance,
    /// Read instances and key rings.
    GetInstance,
    /// Change the policy of an instance.
    SetInstancePolicy,
    /// Delete an instance.
    DeleteInstance,
    /// Set the deletion floor of the cluster.
    SetDeletionFloor,
    /// Create and delete key rings.
    ManageRings,
}

impl Action {
    /// All actions.
    pub const ALL: [Action; 29] = [
        Action::Encrypt,
        Action::Decrypt,
        Action::Random,
        Action::GetKey,
        Action::ListKeys,
        Action::CreateKey,
        Action::RotateKey,
        Action::EnableKey,
        Action::DisableKey,
        Action::UpdateKey,
        Action::ManagePrincipals,
        Action::ListAccess,
        Action::BindRole,
        Action::Seal,
        Action::Status,
        Action::DeleteKey,
        Action::CancelDeletion,
        Action::RestoreKey,
        Action::PurgeKey,
        Action::ManageAliases,
        Action::SetKeyPolicy,
        Action::RegisterResource,
        Action::GetHistory,
        Action::CreateInstance,
        Action::GetInstance,
        Action::SetInstancePolicy,
        Action::DeleteInstance,
        Action::SetDeletionFloor,
        Action::ManageRings,
    ];
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}"))
    }
}

/// A name that stands for no action.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no action {0:?}; the actions are {list}", list = action_list())]
pub struct UnknownAction(pub String);

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Action::ALL
            .into_iter()
            .find(|action| action.to_string() == name)
            .ok_or_else(|| UnknownAction(name.to_owned()))
    }
}

fn action_list() -> String {
    Action::ALL.map(|action| action.to_string()).join(", ")
}
