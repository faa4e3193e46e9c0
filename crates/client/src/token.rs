//! The caller's token: read from a file, kept in memory that is wiped.

use std::path::Path;

use conclave_formats::token::Token;
use http::HeaderValue;
use tonic::codegen::Bytes;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::reason::Reason;

/// Reads the token in `path` as the value of an `authorization` header. The bytes of the value are
/// wiped when the last use of it is dropped, and the value is marked as sensitive, so that it is
/// neither shown by `Debug` nor kept in a header table of HTTP/2.
pub(crate) fn bearer_from_file(path: &Path) -> Result<HeaderValue, Error> {
    let content = std::fs::read(path).map(Zeroizing::new).map_err(|error| {
        Error::new(
            Reason::LocalFile,
            format!("the token file {} cannot be read: {error}", path.display()),
            "give the path of a token file with --token-file or CONCLAVE_TOKEN_FILE",
        )
    })?;
    let refused = |why: &dyn std::fmt::Display| {
        Error::new(
            Reason::Unauthenticated,
            format!("the token file {} holds no usable token: {why}", path.display()),
            "give the file that `conclave token create --token-out` wrote",
        )
    };
    let text = std::str::from_utf8(&content).map_err(|error| refused(&error))?;
    Token::parse(text).map_err(|error| refused(&error))?;
    bearer(text.trim_ascii().as_bytes())
}

fn bearer(token: &[u8]) -> Result<HeaderValue, Error> {
    let mut text = Zeroizing::new(Vec::with_capacity(token.len() + 7));
    text.extend_from_slice(b"Bearer ");
    text.extend_from_slice(token);
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text)).map_err(|_| {
        Error::new(Reason::InvalidArgument, "the token holds characters that no token has", "")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Zeroizing<String> {
        Token::new(uuid::Uuid::from_u128(1), Box::new(Zeroizing::new([7; 32]))).encode()
    }

    #[test]
    fn a_token_file_becomes_a_sensitive_header() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t");
        std::fs::write(&path, format!("{}\n", *token())).unwrap();
        let value = bearer_from_file(&path).unwrap();
        assert_eq!(value.as_bytes(), format!("Bearer {}", *token()).as_bytes());
        assert!(value.is_sensitive());
        assert_eq!(format!("{value:?}"), "Sensitive");
    }

    #[test]
    fn a_missing_an_empty_and_a_damaged_file_are_refused_without_showing_the_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t");
        assert_eq!(bearer_from_file(&path).unwrap_err().reason, Reason::LocalFile);
        let good = token();
        let damaged = good.replace("cnclv_a", "cnclv_b");
        let twice = format!("{0}\n{0}\n", *good);
        for content in ["", "\n", "hunter2", &damaged, &twice, &good[..80]] {
            std::fs::write(&path, content).unwrap();
            let error = bearer_from_file(&path).unwrap_err();
            assert_eq!(error.reason, Reason::Unauthenticated, "{content:?}");
            assert!(content.trim().is_empty() || !error.to_string().contains(content.trim()));
        }
    }
}
