//! Issuing and checking API tokens. The cluster keeps the SHA-256 of a token's 256 random bits.

use aws_lc_rs::digest::{SHA256, digest};
use conclave_core::seams::{Entropy, random_uuid};
use conclave_formats::token::{SECRET_LEN, Token};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Length of what the cluster keeps of a token's secret, bytes.
pub const TOKEN_HASH_LEN: usize = 32;

/// A fresh token with a random id and secret. [`Token::encode`] gives the text, shown once;
/// [`hash`] gives what the cluster keeps.
pub fn issue(entropy: &dyn Entropy) -> Token {
    let token_id = random_uuid(entropy);
    let mut secret = Box::new(Zeroizing::new([0u8; SECRET_LEN]));
    entropy.fill(&mut secret[..]);
    Token::new(token_id, secret)
}

/// What the cluster keeps of a token: SHA-256 of its secret.
pub fn hash(token: &Token) -> [u8; TOKEN_HASH_LEN] {
    digest(&SHA256, token.secret()).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// Whether a token is the one of which the hash was kept; takes the same time either way.
pub fn matches(token: &Token, stored_hash: &[u8]) -> bool {
    hash(token)[..].ct_eq(stored_hash).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededEntropy;

    #[test]
    fn a_token_matches_its_own_hash_only() {
        let entropy = SeededEntropy::new(1);
        let (token, other) = (issue(&entropy), issue(&entropy));
        assert_ne!(token.token_id(), other.token_id());
        let stored = hash(&token);
        assert!(matches(&token, &stored));
        assert!(!matches(&other, &stored));
        assert!(!matches(&token, &stored[..31]));
        let read = Token::parse(&token.encode()).unwrap();
        assert!(matches(&read, &stored));
    }
}
