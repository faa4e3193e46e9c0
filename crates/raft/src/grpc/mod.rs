//! The transport over gRPC and mutual TLS.

mod client;
mod lane;
mod server;
mod tls;

pub use client::GrpcTransport;
pub use server::serve;
pub use tls::{PeerTls, node_named};

use crate::wire::{Header, MAX_FRAME_BYTES};
use conclave_core::codec;
use conclave_proto::peer::Frame;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

/// Metadata entry that carries the [`Header`].
const HEADER: &str = "conclave-peer-bin";

fn put_header(metadata: &mut MetadataMap, header: &Header) {
    metadata.insert_bin(HEADER, MetadataValue::from_bytes(&codec::encode(header)));
}

fn take_header(metadata: &MetadataMap) -> Result<Header, Status> {
    let missing = || Status::invalid_argument("the call does not say who calls");
    let bytes = metadata.get_bin(HEADER).ok_or_else(missing)?;
    let bytes = bytes.to_bytes().map_err(|_| missing())?;
    codec::decode(&bytes).map_err(|error| Status::invalid_argument(error.to_string()))
}

fn frame<T: Serialize>(message: &T) -> Frame {
    Frame { body: codec::encode(message) }
}

fn unframe<T: DeserializeOwned>(body: &[u8]) -> Result<T, Status> {
    codec::decode(body).map_err(|error| Status::new(Code::DataLoss, error.to_string()))
}

const FRAME_LIMIT: usize = MAX_FRAME_BYTES;
