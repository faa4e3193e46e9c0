//! Known-answer tests of every primitive in use, run at the start of the process: a miscompiled or
//! damaged build, or a processor that computes wrongly, must not touch a key.
//!
//! Sources: RFC 5297 with 256-bit keys (the vectors of Miscreant, which extend A.1 and A.2), RFC 8452
//! C.2, FIPS 180-4, RFC 5869 A.1, RFC 8032 7.1 test 2, RFC 9180 (CFRG vectors, suite 32/1/2), and for
//! Shamir shares computed by an independent program in Python.

use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke, HpkePrivateKey};

use crate::share::Share;
use crate::{gf256, kdf, shamir};

/// A primitive gave another answer than the standard says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the self-test of {primitive} failed; do not use this build on this machine")]
pub struct SelfTestFailure {
    /// The primitive that failed.
    pub primitive: &'static str,
}

/// Runs all known-answer tests; takes well under a millisecond in a release build.
pub fn run() -> Result<(), SelfTestFailure> {
    for (primitive, test) in TESTS {
        if test() != Some(true) {
            return Err(SelfTestFailure { primitive });
        }
    }
    Ok(())
}

/// `Some(true)` if all is well.
type Test = fn() -> Option<bool>;

const TESTS: [(&str, Test); 7] = [
    ("AES-256-SIV", aes_siv),
    ("AES-256-GCM-SIV", aes_gcm_siv),
    ("SHA-256", sha256),
    ("HKDF-SHA256", hkdf_sha256),
    ("Ed25519", ed25519),
    ("HPKE", hpke),
    ("Shamir", shamir_shares),
];

fn aes_siv() -> Option<bool> {
    let one_header = siv_case(
        &hex::<64>(
            "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f06f6e6d6c6b6a69686766656463626160\
             f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff000102030405060708090a0b0c0d0e0f",
        ),
        &[&hex::<24>("101112131415161718191a1b1c1d1e1f2021222324252627")],
        &hex::<14>("112233445566778899aabbccddee"),
        &hex::<30>("f125274c598065cfc26b0e71575029088b035217e380cac8919ee800c126"),
    )?;
    let three_headers = siv_case(
        &hex::<64>(
            "7f7e7d7c7b7a797877767574737271706f6e6d6c6b6a69686766656463626160\
             404142434445464748494a4b4c4d4e4f505152535455565758595a5b5b5d5e5f",
        ),
        &[
            &hex::<40>(
                "00112233445566778899aabbccddeeffdeaddadadeaddada\
                 ffeeddccbbaa99887766554433221100",
            ),
            &hex::<10>("102030405060708090a0"),
            &hex::<16>("09f911029d74e35bd84156c5635688c0"),
        ],
        b"this is some plaintext to encrypt using SIV-AES",
        &hex::<63>(
            "85b8167310038db7dc4692c0281ca35868181b2762f3c24f2efa5fb80cb14351\
             6ce6c434b898a6fd8eb98a418842f51f66fc67de43ac185a66dd72475bbb08",
        ),
    )?;
    Some(one_header && three_headers)
}

fn siv_case(key: &[u8], headers: &[&[u8]], plain: &[u8], expected: &[u8]) -> Option<bool> {
    let mut cipher = Aes256Siv::new_from_slice(key).ok()?;
    let sealed = cipher.encrypt(headers, plain).ok()?;
    let opened = cipher.decrypt(headers, &sealed).ok()?;
    let mut tampered = sealed.clone();
    *tampered.last_mut()? ^= 1;
    let refused = cipher.decrypt(headers, &tampered).is_err();
    Some(sealed == expected && opened == plain && refused)
}

fn aes_gcm_siv() -> Option<bool> {
    let key = hex::<32>("0100000000000000000000000000000000000000000000000000000000000000");
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &key).ok()?);
    let nonce = || Nonce::assume_unique_for_key(hex("030000000000000000000000"));
    let plain = hex::<8>("0200000000000000");
    let mut bytes = plain.to_vec();
    cipher.seal_in_place_append_tag(nonce(), Aad::from([1]), &mut bytes).ok()?;
    let right = bytes == hex::<24>("1de22967237a813291213f267e3b452f02d01ae33e4ec854");
    let refused = cipher.open_in_place(nonce(), Aad::from([2]), &mut bytes.clone()).is_err();
    let opened = cipher.open_in_place(nonce(), Aad::from([1]), &mut bytes).ok()?;
    Some(right && refused && opened == plain)
}

fn sha256() -> Option<bool> {
    let expected: [u8; 32] =
        hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    Some(digest(&SHA256, b"abc").as_ref() == expected)
}

fn hkdf_sha256() -> Option<bool> {
    // The salt of RFC 5869 A.1 is 00 01 … 0c, which is ASCII and so a label.
    let mut output = [0u8; 42];
    let label = "\u{0}\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}\u{9}\u{a}\u{b}\u{c}";
    kdf::derive(label, &[0x0b; 22], &hex::<10>("f0f1f2f3f4f5f6f7f8f9"), &mut output);
    let expected: [u8; 42] =
        hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    Some(output == expected)
}

fn ed25519() -> Option<bool> {
    let seed = hex::<32>("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    let public = hex::<32>("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    let expected = hex::<64>(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    );
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok()?;
    let right = pair.public_key().as_ref() == public && pair.sign(b"r").as_ref() == expected;
    let verifier = UnparsedPublicKey::new(&ED25519, public);
    let verified = verifier.verify(b"r", &expected).is_ok();
    let refused = verifier.verify(b"s", &expected).is_err();
    Some(right && verified && refused)
}

fn hpke() -> Option<bool> {
    let private = HpkePrivateKey::from(
        hex::<32>("497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d").to_vec(),
    );
    let encapsulated = EncapsulatedSecret(
        hex::<32>("6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256").to_vec(),
    );
    let ciphertext = hex::<45>(
        "e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be99319\
         80a41de125a925cdad859d5b7a",
    );
    let open = |info: &[u8]| {
        DH_KEM_X25519_HKDF_SHA256_AES_256.open(
            &encapsulated,
            info,
            b"Count-0",
            &ciphertext,
            &private,
        )
    };
    let opened = open(b"Ode on a Grecian Urn").ok()?;
    Some(opened == b"Beauty is truth, truth beauty" && open(b"Ode").is_err())
}

fn shamir_shares() -> Option<bool> {
    let secret = b"Conclave";
    let dealt = [
        hex::<9>("01f3dfded3dcd1c6d5"),
        hex::<9>("02dff9fee1e8effecf"),
        hex::<9>("05756570110a3b38e7"),
    ];
    let evaluated = dealt.iter().all(|share| {
        (0u8..).zip(secret).zip(&share[1..]).all(|((at, byte), value)| {
            gf256::evaluate(&[0xa1 + at, 0x11 + at], *byte, share[0]) == *value
        })
    });
    let shares: Vec<Share> =
        dealt.iter().map(|bytes| Share::from_bytes(bytes)).collect::<Result<_, _>>().ok()?;
    let combined = shamir::combine(3, &shares).ok()?;
    Some(evaluated && combined.expose() == secret)
}

/// Hex digits to bytes while compiling.
const fn hex<const N: usize>(text: &str) -> [u8; N] {
    assert!(text.len() == 2 * N, "two digits for each byte");
    let digits = text.as_bytes();
    let mut bytes = [0u8; N];
    let mut at = 0;
    while at < N {
        bytes[at] = (digit(digits[2 * at]) << 4) | digit(digits[2 * at + 1]);
        at += 1;
    }
    bytes
}

const fn digit(character: u8) -> u8 {
    match character {
        b'0'..=b'9' => character - b'0',
        _ => character - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_known_answers_are_right() {
        assert_eq!(run(), Ok(()));
    }
}
