//! What nodes say to each other about the seal. The channel is mutually authenticated; what is secret
//! is encrypted once more, to a key made for the ceremony.

use crate::error::ApiError;
use conclave_core::codec;
use conclave_core::ids::CeremonyId;
use conclave_core::reason::Reason;
use conclave_crypto::handover::HandoverOffer;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A question to a member.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// To the collector: the key to which shares are encrypted.
    CeremonyKey { ceremony: CeremonyId, seal_generation: u64 },
    /// To the collector: an encrypted share, and how long the sender waits for the answer.
    Share { ceremony: CeremonyId, seal_generation: u64, sealed: Vec<u8>, timeout_ms: u64 },
    /// To a sealed member: a fresh key to which wrapping keys can be encrypted.
    HandoverKey { ceremony: CeremonyId, seal_generation: u64 },
    /// To a sealed member: the encrypted wrapping keys.
    WrappingKeys { ceremony: CeremonyId, seal_generation: u64, sealed: Vec<u8> },
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// A public key, signed by the node for this ceremony, member and seal generation.
    Key { public_key: [u8; 32], signature: Vec<u8> },
    /// The share was taken.
    Taken { have: u8, needed: u8 },
    /// This node does not hold the shares of that ceremony (any more).
    NotCollecting,
    /// The wrapping keys were checked and the member is open.
    Opened,
    /// Understood and denied.
    Refused(WireError),
}

/// An [`ApiError`] between nodes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WireError {
    reason: Option<String>,
    message: String,
    next: String,
    metadata: BTreeMap<String, String>,
}

impl Ask {
    pub(crate) fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// `None`: damaged, or of another release.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Ask> {
        codec::decode(bytes).ok()
    }
}

impl Reply {
    pub(crate) fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// `None`: damaged, or of another release.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Reply> {
        codec::decode(bytes).ok()
    }

    pub(crate) fn refused(error: &ApiError) -> Reply {
        Reply::Refused(error.into())
    }

    pub(crate) fn key(offer: &HandoverOffer) -> Reply {
        Reply::Key { public_key: offer.public_key, signature: offer.signature.to_vec() }
    }

    /// The offer in a [`Reply::Key`].
    pub(crate) fn into_offer(self) -> Result<HandoverOffer, ApiError> {
        match self {
            Reply::Key { public_key, signature } => {
                let signature = signature.try_into().map_err(|_| unexpected())?;
                Ok(HandoverOffer { public_key, signature })
            }
            Reply::Refused(error) => Err(error.into()),
            _ => Err(unexpected()),
        }
    }
}

/// The member answered with something that does not belong to the question.
pub(crate) fn unexpected() -> ApiError {
    ApiError::no_quorum("a member answered in another way than this release understands")
        .with_next("run the same release on all nodes")
}

impl From<&ApiError> for WireError {
    fn from(error: &ApiError) -> WireError {
        WireError {
            reason: error.reason().map(|reason| reason.as_str().to_owned()),
            message: error.message().to_owned(),
            next: error.next().to_owned(),
            metadata: error.metadata().clone(),
        }
    }
}

impl From<WireError> for ApiError {
    fn from(wire: WireError) -> ApiError {
        let reason = wire
            .reason
            .and_then(|text| Reason::ALL.iter().copied().find(|reason| reason.as_str() == text));
        let Some(reason) = reason else {
            return ApiError::alarm("the collector of the ceremony has found a broken invariant");
        };
        let error = ApiError::new(reason, wire.message, wire.next);
        wire.metadata.into_iter().fold(error, |error, (name, value)| error.with(&name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_comes_back_as_it_was() {
        for reason in Reason::ALL {
            let error = ApiError::new(*reason, "message", "next").with("index", "2");
            assert_eq!(ApiError::from(WireError::from(&error)), error, "{reason}");
        }
    }

    #[test]
    fn damaged_messages_are_no_messages() {
        let ask = Ask::HandoverKey { ceremony: CeremonyId(uuid::Uuid::nil()), seal_generation: 1 };
        let bytes = ask.encode();
        assert!(Ask::decode(&bytes).is_some());
        assert!(Ask::decode(&bytes[..bytes.len() - 1]).is_none());
        assert!(Ask::decode(&[]).is_none());
        assert!(Reply::decode(&[9, 9, 9]).is_none());
    }
}
