//! The check that each stored record carries. redb verifies pages only when it recovers, so a bit
//! that rots in an ordinary page would be read as if it were right.

use crate::limits::{CHECK_BYTES, SHOWN_KEY_BYTES};

/// Domain of the check, so that it equals no other digest of the product.
const DOMAIN: &[u8] = b"conclave storage record check v1";

/// The check over a record: table, key and value, each framed by its length.
pub(crate) fn record_check(table: &str, key: &[u8], value: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(DOMAIN);
    hasher.update(&(table.len() as u64).to_le_bytes()).update(table.as_bytes());
    hasher.update(&(key.len() as u64).to_le_bytes()).update(key);
    hasher.update(value);
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..CHECK_BYTES]);
    check
}

/// The stored form of a value: check, then bytes.
pub(crate) fn sealed(table: &str, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(CHECK_BYTES + value.len());
    stored.extend_from_slice(&record_check(table, key, value));
    stored.extend_from_slice(value);
    stored
}

/// The value inside a stored record, or `None` if its check does not match.
pub(crate) fn opened<'a>(table: &str, key: &[u8], stored: &'a [u8]) -> Option<&'a [u8]> {
    let (check, value) = stored.split_at_checked(CHECK_BYTES)?;
    (check == record_check(table, key, value)).then_some(value)
}

/// What a message says about a damaged record: file, table and key (in hex, shortened).
pub(crate) fn damaged(file: &str, table: &str, key: &[u8]) -> String {
    let shown: String = key.iter().take(SHOWN_KEY_BYTES).map(|b| format!("{b:02x}")).collect();
    let more = if key.len() > SHOWN_KEY_BYTES { "…" } else { "" };
    format!(
        "{file}: the record in table `{table}` under key 0x{shown}{more} is damaged: its check does \
         not match its bytes. Nothing in this file is served any more. Check the disk, then let the \
         node rebuild from its peers as a new member"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flipped_bit_and_each_moved_record_is_found() {
        let stored = sealed("keys", b"k1", b"value");
        assert_eq!(opened("keys", b"k1", &stored), Some(b"value".as_slice()));
        for bit in 0..stored.len() * 8 {
            let mut bad = stored.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(opened("keys", b"k1", &bad), None, "bit {bit}");
        }
        assert_eq!(opened("keys", b"k2", &stored), None);
        assert_eq!(opened("tokens", b"k1", &stored), None);
        assert_eq!(opened("keys", b"k1", &stored[..CHECK_BYTES - 1]), None);
    }

    #[test]
    fn check_is_golden() {
        let hex: String =
            record_check("keys", b"k", b"v").iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "2720a887f288d541");
    }
}
