//! HKDF-SHA256 (RFC 5869) with a label as salt and a canonical context as info.

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};

/// Fills `output` (at most 8160 bytes) with bytes derived from `secret` for this label and context.
pub(crate) fn derive(label: &str, secret: &[u8], context: &[u8], output: &mut [u8]) {
    Salt::new(HKDF_SHA256, label.as_bytes())
        .extract(secret)
        .expand(&[context], Length(output.len()))
        .and_then(|okm| okm.fill(output))
        .expect("HKDF-SHA256 gives up to 8160 bytes, we ask for 64 at most");
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}
