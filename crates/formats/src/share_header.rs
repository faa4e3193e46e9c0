//! The first line of a share text: what the share belongs to. Nothing in it is secret.

use uuid::Uuid;

use crate::share_text::ShareTextError;

/// What a share says of itself in its first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareHeader {
    /// The first four bytes of the keyspace id, written as 8 hex digits.
    pub keyspace8: [u8; 4],
    /// The seal epoch in which the share was dealt.
    pub epoch: u32,
    /// The index of the share, from 1: its x coordinate.
    pub index: u8,
    /// How many shares were dealt.
    pub shares: u8,
    /// How many shares are needed.
    pub threshold: u8,
}

const WORD: &str = "conclave-share-v1";
const FAMILY: &str = "conclave-share-";

impl ShareHeader {
    /// The short form of a keyspace id as shares carry it.
    pub fn short_keyspace(keyspace_id: Uuid) -> [u8; 4] {
        let [a, b, c, d, ..] = *keyspace_id.as_bytes();
        [a, b, c, d]
    }

    /// The line as it is written.
    pub fn line(&self) -> String {
        let [a, b, c, d] = self.keyspace8;
        format!(
            "{WORD} {a:02x}{b:02x}{c:02x}{d:02x} epoch {} index {} of {} need {}",
            self.epoch, self.index, self.shares, self.threshold
        )
    }

    /// Reads the line; case and amount of blanks do not matter.
    pub(crate) fn parse(line: &str) -> Result<ShareHeader, ShareTextError> {
        let line = line.to_ascii_lowercase();
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        if let Some(word) = words.first()
            && word.starts_with(FAMILY)
            && *word != WORD
        {
            return Err(ShareTextError::Version);
        }
        let [WORD, short, "epoch", epoch, "index", index, "of", shares, "need", threshold] =
            words[..]
        else {
            return Err(ShareTextError::Header);
        };
        let keyspace8 = hex4(short).ok_or(ShareTextError::Header)?;
        let epoch = number(epoch).ok_or(ShareTextError::Header)?;
        let byte = |text| number(text).and_then(|n| u8::try_from(n).ok());
        let (Some(index), Some(shares), Some(threshold)) =
            (byte(index), byte(shares), byte(threshold))
        else {
            return Err(ShareTextError::Header);
        };
        let header = ShareHeader { keyspace8, epoch, index, shares, threshold };
        if header.is_consistent() { Ok(header) } else { Err(ShareTextError::HeaderNumbers) }
    }

    /// 1 <= index <= shares and 1 <= threshold <= shares.
    pub(crate) fn is_consistent(&self) -> bool {
        (1..=self.shares).contains(&self.index) && (1..=self.shares).contains(&self.threshold)
    }
}

/// A decimal number without a sign.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Exactly eight lower-case hex digits.
fn hex4(text: &str) -> Option<[u8; 4]> {
    if text.len() != 8 || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(text, 16).ok().map(u32::to_be_bytes)
}
