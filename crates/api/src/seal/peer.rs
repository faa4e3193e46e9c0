//! Answers the seal messages of other members.

use super::message::{Ask, Reply, unexpected};
use crate::context::Context;
use crate::error::ApiError;
use conclave_core::ids::MemberId;
use conclave_core::replica::{BoxFuture, PeerSeal};
use std::sync::Arc;

/// The node's side of the seal protocol; exists before the replica does.
pub(crate) struct PeerSide(pub(crate) Arc<Context>);

impl PeerSeal for PeerSide {
    fn answer(&self, from: MemberId, message: Vec<u8>) -> BoxFuture<'_, Vec<u8>> {
        Box::pin(async move {
            let reply = match Ask::decode(&message) {
                Some(ask) => self.reply(from, ask).await,
                None => Err(unexpected()),
            };
            reply.unwrap_or_else(|error| Reply::refused(&error)).encode()
        })
    }

    fn is_sealed(&self) -> bool {
        !self.0.seal.is_open()
    }
}

impl PeerSide {
    async fn reply(&self, from: MemberId, ask: Ask) -> Result<Reply, ApiError> {
        let context = &self.0;
        if context.attached().is_none() {
            return Err(ApiError::no_quorum("this node is starting"));
        }
        match ask {
            Ask::CeremonyKey { ceremony, seal_generation } => {
                Ok(context.offer_ceremony_key(ceremony, seal_generation))
            }
            Ask::Share { ceremony, seal_generation, sealed, timeout_ms } => {
                context.take_forwarded(ceremony, seal_generation, &sealed, timeout_ms).await
            }
            Ask::HandoverKey { ceremony, seal_generation } => {
                context.offer_handover_key(from, ceremony, seal_generation).await
            }
            Ask::WrappingKeys { ceremony, seal_generation, sealed } => {
                context.take_wrapping_keys(from, ceremony, seal_generation, &sealed)
            }
        }
    }
}
