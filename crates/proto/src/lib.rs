//! Code generated from `proto/`: the public API (`conclave.v1`) and the protocol between nodes
//! (`peer.v1`). The documentation of messages is in the `.proto` files.

/// The public API.
pub mod v1 {
    #![allow(missing_docs, clippy::all)]
    tonic::include_proto!("conclave.v1");
}

/// Node to node.
pub mod peer {
    #![allow(missing_docs, clippy::all)]
    tonic::include_proto!("peer.v1");
}

/// Encoded file descriptors of the public packages, for the reflection service.
pub const PUBLIC_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/public.fds"));
