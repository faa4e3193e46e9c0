//! Base32 (RFC 4648 alphabet, no padding characters) without tables and without branches on the
//! data, because shares and token secrets pass through it. What is public (lengths, whether and
//! where a character is foreign) may decide the flow.

use zeroize::Zeroizing;

/// The number of characters that stand for `bytes` bytes.
pub(crate) const fn chars_for(bytes: usize) -> usize {
    (bytes * 8).div_ceil(5)
}

/// Splits bytes into 5-bit symbols, most significant bit first; the last is filled with zero bits.
pub(crate) fn to_symbols(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut symbols = Zeroizing::new(Vec::with_capacity(chars_for(bytes.len())));
    let (mut held, mut bits) = (0u32, 0u32);
    for byte in bytes {
        held = ((held << 8) | u32::from(*byte)) & 0xfff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            symbols.push(((held >> bits) & 31) as u8);
        }
    }
    if bits > 0 {
        symbols.push(((held << (5 - bits)) & 31) as u8);
    }
    symbols
}

/// Joins symbols to bytes. `None` if the rest bits after the last whole byte are not zero: then
/// two texts would stand for the same bytes.
pub(crate) fn from_symbols(symbols: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(symbols.len() * 5 / 8));
    let (mut held, mut bits) = (0u32, 0u32);
    for symbol in symbols {
        held = ((held << 5) | u32::from(symbol & 31)) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(((held >> bits) & 0xff) as u8);
        }
    }
    let rest = held & ((1 << bits) - 1);
    (bits < 5 && rest == 0).then_some(bytes)
}

/// Why a text does not stand for bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// A character outside the alphabet.
    Character,
    /// No bytes have so many characters, or the bits after the last whole byte are not zero.
    Rest,
}

/// The bytes that a text of either case stands for, eight characters at a time.
pub(crate) fn from_text(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() * 5 / 8));
    let mut values = Zeroizing::new([0u8; 8]);
    let (mut foreign, mut rest) = (0u8, 0u64);
    for characters in text.chunks(8) {
        let mut eight = Zeroizing::new([b'A'; 8]);
        eight[..characters.len()].copy_from_slice(characters);
        for (value, character) in values.iter_mut().zip(eight.iter()) {
            let (found, is_known) = symbol_or_zero(*character);
            *value = found;
            foreign |= !is_known;
        }
        let joined = values.iter().fold(0u64, |joined, value| (joined << 5) | u64::from(*value));
        let whole = characters.len() * 5 / 8;
        bytes.extend_from_slice(&joined.to_be_bytes()[3..3 + whole]);
        rest |= joined & ((1u64 << (40 - 8 * whole)) - 1);
    }
    if foreign != 0 {
        return Err(Unreadable::Character);
    }
    let is_whole = chars_for(bytes.len()) == text.len();
    if is_whole && rest == 0 { Ok(bytes) } else { Err(Unreadable::Rest) }
}

/// The upper-case character of a symbol (0 to 31).
pub(crate) fn upper(symbol: u8) -> char {
    char::from(character(symbol, b'A'))
}

/// The lower-case character of a symbol (0 to 31).
pub(crate) fn lower(symbol: u8) -> char {
    char::from(character(symbol, b'a'))
}

/// The symbol of a character of either case, `None` for one outside the alphabet.
pub(crate) fn symbol(character: u8) -> Option<u8> {
    let (value, is_known) = symbol_or_zero(character);
    (is_known != 0).then_some(value)
}

/// The symbol and all ones; zero and zero for a character outside the alphabet.
fn symbol_or_zero(character: u8) -> (u8, u8) {
    let upper = within(character, b'A', b'Z');
    let lower = within(character, b'a', b'z');
    let digit = within(character, b'2', b'7');
    let value = (upper & character.wrapping_sub(b'A'))
        | (lower & character.wrapping_sub(b'a'))
        | (digit & character.wrapping_sub(b'2' - 26));
    (value, upper | lower | digit)
}

/// `first` + symbol for the 26 letters, then the digits from '2'.
fn character(symbol: u8, first: u8) -> u8 {
    let symbol = symbol & 31;
    let is_digit = ((25i16 - i16::from(symbol)) >> 8) as u8;
    let letter_to_digit = first - (b'2' - 26);
    (first + symbol) - (is_digit & letter_to_digit)
}

/// All ones if `low <= value <= high`, else zero.
fn within(value: u8, low: u8, high: u8) -> u8 {
    let above = i16::from(low) - 1 - i16::from(value);
    let below = i16::from(value) - i16::from(high) - 1;
    ((above & below) >> 8) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::BASE32_NOPAD;
    use proptest::prelude::*;

    fn text(bytes: &[u8]) -> String {
        to_symbols(bytes).iter().map(|symbol| upper(*symbol)).collect()
    }

    #[test]
    fn every_byte_is_read_as_the_alphabet_says() {
        for byte in 0..=255u8 {
            let at = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
                .iter()
                .position(|c| *c == byte.to_ascii_uppercase());
            assert_eq!(symbol(byte).map(usize::from), at, "{byte}");
        }
    }

    #[test]
    fn bits_after_the_last_byte_must_be_zero() {
        assert!(from_symbols(&[31, 28]).is_some());
        assert!(from_symbols(&[31, 29]).is_none());
        assert!(from_symbols(&[31]).is_none());
    }

    #[test]
    fn what_is_wrong_with_a_text_is_told() {
        for (text, wrong) in [
            ("AAAAAAAA", None),
            ("AA", None),
            ("aA77", Some(Unreadable::Rest)),
            ("AB", Some(Unreadable::Rest)),
            ("A", Some(Unreadable::Rest)),
            ("AAA", Some(Unreadable::Rest)),
            ("AAAAAAAA1A", Some(Unreadable::Character)),
            ("A=AAAAAA", Some(Unreadable::Character)),
        ] {
            assert_eq!(from_text(text.as_bytes()).err(), wrong, "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_an_independent_codec(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let ours = text(&bytes);
            prop_assert_eq!(&ours, &BASE32_NOPAD.encode(&bytes));
            prop_assert_eq!(ours.len(), chars_for(bytes.len()));
            let lower_case: String = to_symbols(&bytes).iter().map(|s| lower(*s)).collect();
            prop_assert_eq!(lower_case, ours.to_ascii_lowercase());
            let symbols: Vec<u8> = ours.bytes().map(|c| symbol(c).unwrap()).collect();
            prop_assert_eq!(from_symbols(&symbols).unwrap().to_vec(), bytes.clone());
            prop_assert_eq!(from_text(ours.as_bytes()).unwrap().to_vec(), bytes.clone());
            prop_assert_eq!(from_text(ours.to_lowercase().as_bytes()).unwrap().to_vec(), bytes);
        }
    }
}
