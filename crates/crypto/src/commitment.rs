//! What a share is checked against: the Ed25519 public key that follows from it. The replicated
//! state holds one per share. A share of the root key has 256 bits of entropy, so the commitment
//! tells nothing of it.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::canonical::Canonical;
use crate::kdf;
use crate::share::Share;

/// Length of a commitment, bytes.
pub const COMMITMENT_LEN: usize = 32;

/// What a share is checked against.
pub type Commitment = [u8; COMMITMENT_LEN];

/// Why a share is not one of those that were dealt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitmentError {
    /// There is no share with this index.
    #[error("there is no share {index}; indexes run from 1 to {shares}")]
    NoSuchIndex {
        /// The index of the share.
        index: u8,
        /// How many shares were dealt.
        shares: usize,
    },
    /// The share is not the one that was dealt with this index.
    #[error(
        "share {index} is not the one that was dealt in this epoch; look for an older copy or a damaged one"
    )]
    Wrong {
        /// The index of the share.
        index: u8,
    },
}

/// The commitment of a share in this keyspace and epoch.
pub fn commitment(keyspace_id: Uuid, epoch: u32, share: &Share) -> Commitment {
    let context = Canonical::new("conclave/share-proof-key/v1")
        .uuid(keyspace_id)
        .u32(epoch)
        .u8(share.index())
        .finish();
    let mut seed = Zeroizing::new([0u8; 32]);
    kdf::derive("conclave/share/v1", &share.to_bytes(), &context, &mut seed[..]);
    let pair =
        Ed25519KeyPair::from_seed_unchecked(&seed[..]).expect("an Ed25519 seed has 32 bytes");
    pair.public_key().as_ref().try_into().expect("an Ed25519 public key has 32 bytes")
}

/// Checks a share against the commitments of its epoch, which are in the order of the indexes from
/// 1; gives the index.
pub fn check_share(
    keyspace_id: Uuid,
    epoch: u32,
    commitments: &[Commitment],
    share: &Share,
) -> Result<u8, CommitmentError> {
    let index = share.index();
    let expected = usize::from(index)
        .checked_sub(1)
        .and_then(|at| commitments.get(at))
        .ok_or(CommitmentError::NoSuchIndex { index, shares: commitments.len() })?;
    let right = commitment(keyspace_id, epoch, share)[..].ct_eq(&expected[..]);
    if right.into() { Ok(index) } else { Err(CommitmentError::Wrong { index }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(bytes: [u8; 3]) -> Share {
        Share::from_bytes(&bytes).unwrap()
    }

    #[test]
    fn a_commitment_belongs_to_one_share_keyspace_and_epoch() {
        let keyspace = Uuid::from_u128(1);
        let commitments = [1, 2].map(|x| commitment(keyspace, 1, &share([x, 7, 8])));
        let check =
            |keyspace, epoch, bytes| check_share(keyspace, epoch, &commitments, &share(bytes));
        assert_eq!(check(keyspace, 1, [1, 7, 8]), Ok(1));
        assert_eq!(check(keyspace, 1, [2, 7, 8]), Ok(2));
        let wrong = |index| Err(CommitmentError::Wrong { index });
        assert_eq!(check(keyspace, 1, [2, 7, 9]), wrong(2));
        assert_eq!(check(keyspace, 2, [1, 7, 8]), wrong(1));
        assert_eq!(check(Uuid::from_u128(2), 1, [1, 7, 8]), wrong(1));
        let none = CommitmentError::NoSuchIndex { index: 3, shares: 2 };
        assert_eq!(check(keyspace, 1, [3, 7, 8]), Err(none));
    }
}
