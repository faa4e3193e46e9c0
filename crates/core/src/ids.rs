//! Identifiers. All of them are made outside of `core` and arrive inside commands.

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The 16 bytes under which records of this id are stored.
            pub fn bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id!(
    /// A key. Never reused (invariant 7).
    KeyId
);
uuid_id!(
    /// A principal: a person or workload, whatever credential it shows.
    PrincipalId
);
uuid_id!(
    /// An API token.
    TokenId
);
uuid_id!(
    /// A caller's request: the same id with the same body has one effect and one answer.
    RequestId
);
uuid_id!(
    /// The keyspace: made once at init, survives restore; wrapping and shares are bound to it.
    KeyspaceId
);
uuid_id!(
    /// A ceremony: one attempt of a quorum of custodians to unseal.
    CeremonyId
);

uuid_id!(
    /// An instance: the administrative boundary around keys. Never reused.
    InstanceId
);
uuid_id!(
    /// A key ring: a named group of keys inside an instance. Never reused, unlike its name.
    RingId
);

impl InstanceId {
    /// The id of the ring `default` of this instance, which is made with it.
    pub fn default_ring(self) -> RingId {
        RingId(self.0)
    }
}

impl RequestId {
    /// Stands in records for "no request": what the cluster does by itself.
    pub const NONE: RequestId = RequestId(Uuid::nil());
}

impl PrincipalId {
    /// Stands in records for "no principal": custodians and the cluster itself.
    pub const NOBODY: PrincipalId = PrincipalId(Uuid::nil());
}

/// A member of the Raft cluster: a random number made with the data directory, never reused. The
/// node id of the configuration is only its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MemberId(pub u64);

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
