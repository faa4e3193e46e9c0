//! What the cipher takes by itself.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use conclave_client::{Error, Reason};

use crate::conclave::PAYLOAD;

/// Encrypts as many bytes as a measured Encrypt, with the algorithm of its key.
pub(crate) fn cipher() -> impl FnMut() -> Result<(), Error> + Send + 'static {
    let failed = |_| {
        let text = "the cipher does not encrypt";
        Error::new(Reason::Other("INTERNAL".into()), text, "check the machine")
    };
    let key = UnboundKey::new(&AES_256_GCM_SIV, &[7; 32]).map(LessSafeKey::new).map_err(failed);
    let mut number = 0_u32;
    move || {
        number = number.wrapping_add(1);
        let mut nonce = [0; NONCE_LEN];
        nonce[..4].copy_from_slice(&number.to_le_bytes());
        let mut bytes = PAYLOAD;
        let key = key.as_ref().map_err(Clone::clone)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut bytes);
        tag.map(|tag| drop(std::hint::black_box((bytes, tag)))).map_err(failed)
    }
}
