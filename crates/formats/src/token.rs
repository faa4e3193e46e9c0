//! API tokens: `cnclv_` and 84 characters of lower-case base32 over the token id (16 bytes), the
//! secret (32 bytes) and four bytes of a BLAKE3 digest of both, so that a mistyped or cut token is
//! told from a revoked one, and a leaked one is found by searching for its prefix.

use std::fmt;
use std::sync::LazyLock;

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::base32::{self, Unreadable};

/// First characters of a token.
pub const PREFIX: &str = "cnclv_";
/// Length of the secret, bytes.
pub const SECRET_LEN: usize = 32;

const ID_LEN: usize = 16;
const DIGEST_LEN: usize = 4;
const CHARACTERS: usize = base32::chars_for(ID_LEN + SECRET_LEN + DIGEST_LEN);

/// A token: its id is public, its secret is wiped on drop and never printed but by
/// [`Token::encode`].
pub struct Token {
    token_id: Uuid,
    secret: Box<Zeroizing<[u8; SECRET_LEN]>>,
}

/// Why a text is not a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not begin as a token does.
    #[error("this is not a Conclave token; a token begins with `cnclv_`")]
    Prefix,
    /// Another length than a token has.
    #[error(
        "the token has {found} characters after `cnclv_`, a token has {CHARACTERS}; copy it whole"
    )]
    Length {
        /// How many there are.
        found: usize,
    },
    /// A character that tokens do not have.
    #[error("the token has a character that is not used; allowed are a to z and 2 to 7")]
    Character,
    /// The check value does not fit.
    #[error("the token is damaged; copy it again from where it was issued")]
    Check,
}

impl Token {
    /// A token of the given id and secret.
    pub fn new(token_id: Uuid, secret: Box<Zeroizing<[u8; SECRET_LEN]>>) -> Token {
        Token { token_id, secret }
    }

    /// The id under which the cluster keeps the token's hash.
    pub fn token_id(&self) -> Uuid {
        self.token_id
    }

    /// The secret; the cluster keeps only its SHA-256.
    pub fn secret(&self) -> &[u8; SECRET_LEN] {
        &self.secret
    }

    /// The text, without a newline.
    pub fn encode(&self) -> Zeroizing<String> {
        let mut content = Zeroizing::new(Vec::with_capacity(ID_LEN + SECRET_LEN + DIGEST_LEN));
        content.extend_from_slice(self.token_id.as_bytes());
        content.extend_from_slice(self.secret());
        let digest = digest(&content);
        content.extend_from_slice(&digest);
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + CHARACTERS));
        text.push_str(PREFIX);
        base32::to_symbols(&content).iter().for_each(|symbol| text.push(base32::lower(*symbol)));
        text
    }

    /// Reads a token; blanks and newlines around it are ignored.
    pub fn parse(text: &str) -> Result<Token, TokenError> {
        let body = text.trim_ascii().strip_prefix(PREFIX).ok_or(TokenError::Prefix)?;
        if body.len() != CHARACTERS {
            return Err(TokenError::Length { found: body.chars().count() });
        }
        let content = base32::from_text(body.as_bytes()).map_err(|wrong| match wrong {
            Unreadable::Character => TokenError::Character,
            Unreadable::Rest => TokenError::Check,
        })?;
        let (signed, check) = content.split_at(ID_LEN + SECRET_LEN);
        if check != digest(signed) {
            return Err(TokenError::Check);
        }
        let (id, secret) = signed.split_first_chunk().ok_or(TokenError::Check)?;
        let mut boxed = Box::new(Zeroizing::new([0u8; SECRET_LEN]));
        boxed.copy_from_slice(secret);
        Ok(Token { token_id: Uuid::from_bytes(*id), secret: boxed })
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("token_id", &self.token_id).finish_non_exhaustive()
    }
}

fn digest(content: &[u8]) -> [u8; DIGEST_LEN] {
    // Every call that shows a token comes here: the context is hashed once.
    static KEYED: LazyLock<blake3::Hasher> =
        LazyLock::new(|| blake3::Hasher::new_derive_key("conclave token v1: check"));
    let hash = KEYED.clone().update(content).finalize();
    let [a, b, c, d, ..] = *hash.as_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token(id: u128, secret: [u8; 32]) -> Token {
        Token::new(Uuid::from_u128(id), Box::new(Zeroizing::new(secret)))
    }

    #[test]
    fn the_text_is_pinned() {
        let text = token(0x0123_4567_89ab_4def_8123_4567_89ab_cdef, [7; 32]).encode();
        assert_eq!(
            text.as_str(),
            "cnclv_aerukz4jvng67ajdivtytk6n54dqobyha4dqobyha4dqobyha4dqobyha4dqobyha4dqobyha4dqozfs3pka"
        );
    }

    #[test]
    fn debug_shows_the_id_only() {
        let token = token(1, [0xab; 32]);
        assert_eq!(
            format!("{token:?}"),
            "Token { token_id: 00000000-0000-0000-0000-000000000001, .. }"
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let text = token(1, [1; 32]).encode();
        let error = |text: &str| Token::parse(text).unwrap_err();
        assert_eq!(error("secret"), TokenError::Prefix);
        assert_eq!(error(&text[..text.len() - 1]), TokenError::Length { found: 83 });
        assert_eq!(error(&text.replace('a', "1")), TokenError::Character);
        assert!(Token::parse(&format!(" {}\n", text.as_str())).is_ok());
    }

    #[test]
    fn each_changed_character_is_noticed() {
        let text = token(77, [0x5a; 32]).encode();
        for at in PREFIX.len()..text.len() {
            for other in ('a'..='z').chain('2'..='7') {
                let mut changed: Vec<char> = text.chars().collect();
                if changed[at] != other {
                    changed[at] = other;
                    let changed: String = changed.into_iter().collect();
                    assert_eq!(Token::parse(&changed).unwrap_err(), TokenError::Check);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_token_comes_back(id: u128, secret: [u8; 32]) {
            let back = Token::parse(&token(id, secret).encode()).unwrap();
            prop_assert_eq!(back.token_id().as_u128(), id);
            prop_assert_eq!(back.secret(), &secret);
        }

        #[test]
        fn any_text_is_answered(text in "(cnclv_)?\\PC{0,100}") {
            let _ = Token::parse(&text);
        }
    }
}
