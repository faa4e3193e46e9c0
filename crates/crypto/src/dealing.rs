//! Making a root key with its shares, and getting it back.

use conclave_core::seams::Entropy;
use conclave_formats::share_text::{ShareHeader, ShareText};
use uuid::Uuid;

use crate::commitment::{Commitment, commitment};
use crate::hierarchy::{CHECK_VALUE_LEN, RootKey};
use crate::secret::SecretBytes;
use crate::shamir::{CombineError, SharePlan, combine, split};
use crate::share::Share;

/// A fresh root key, its shares, and what the replicated state keeps of them.
#[derive(Debug)]
pub struct Dealing {
    /// The root key; drop it as soon as the wrapping key is wrapped.
    pub root: RootKey,
    /// The shares in the order of their indexes; each goes to one custodian.
    pub shares: Vec<DealtShare>,
    /// The commitments of the shares, in the same order; public.
    pub commitments: Vec<Commitment>,
    /// The key check value of the root key; public.
    pub check_value: [u8; CHECK_VALUE_LEN],
}

/// A share with what it belongs to.
#[derive(Debug)]
pub struct DealtShare {
    header: ShareHeader,
    share: Share,
}

/// Why the root key cannot be recovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// The shares do not combine.
    #[error(transparent)]
    Combine(#[from] CombineError),
    /// They combine to something that is not the root key.
    #[error(
        "the shares combine, but not to the root key of this epoch; at least one of them is wrong"
    )]
    CheckValue,
}

impl DealtShare {
    /// The index of the share, from 1.
    pub fn index(&self) -> u8 {
        self.share.index()
    }

    /// The share itself.
    pub fn share(&self) -> &Share {
        &self.share
    }

    /// The text for its custodian.
    pub fn to_text(&self) -> ShareText {
        self.share.to_text(self.header).expect("the header was made for this share")
    }
}

/// Makes a root key and deals its shares for this keyspace and epoch.
pub fn deal(entropy: &dyn Entropy, keyspace_id: Uuid, epoch: u32, plan: SharePlan) -> Dealing {
    let root = RootKey::generate(entropy);
    let secret = SecretBytes::copy_from(root.expose());
    let shares: Vec<DealtShare> = split(entropy, plan, &secret)
        .into_iter()
        .map(|share| DealtShare { header: header(keyspace_id, epoch, plan, share.index()), share })
        .collect();
    let commitments =
        shares.iter().map(|dealt| commitment(keyspace_id, epoch, &dealt.share)).collect();
    let check_value = root.check_value(keyspace_id, epoch);
    Dealing { root, shares, commitments, check_value }
}

/// Combines shares to the root key of this keyspace and epoch, and checks it.
pub fn recover(
    keyspace_id: Uuid,
    epoch: u32,
    threshold: u8,
    shares: &[Share],
    check_value: &[u8],
) -> Result<RootKey, RecoverError> {
    let secret = combine(threshold, shares)?;
    let root = RootKey::from_secret(secret).map_err(|_| RecoverError::CheckValue)?;
    if root.has_check_value(keyspace_id, epoch, check_value) {
        Ok(root)
    } else {
        Err(RecoverError::CheckValue)
    }
}

fn header(keyspace_id: Uuid, epoch: u32, plan: SharePlan, index: u8) -> ShareHeader {
    ShareHeader {
        keyspace8: ShareHeader::short_keyspace(keyspace_id),
        epoch,
        index,
        shares: plan.shares(),
        threshold: plan.threshold(),
    }
}

#[cfg(test)]
mod tests;
