//! Two check characters per line of a share: a shortened Reed-Solomon code over GF(32) with
//! distance 3. Any one or two wrong characters in a line, so every single typing error and every
//! exchange of two characters, adjacent or not, are noticed with certainty; any other damage of
//! a line is missed once in 1024 times, and then the check over the whole share is still to pass.

/// Most symbols that one line may have, check symbols included: beyond it the distance falls.
pub(crate) const MAX_SYMBOLS: usize = 31;

/// The two check symbols for `symbols` (values 0 to 31, at most [`MAX_SYMBOLS`] - 2).
///
/// They are the remainder of the message times x^2 divided by (x - a)(x - a^2), where a = 2
/// generates GF(32) = `GF(2)[z]` / (z^5 + z^2 + 1).
pub(crate) fn check_symbols(symbols: &[u8]) -> [u8; 2] {
    debug_assert!(symbols.len() + 2 <= MAX_SYMBOLS);
    let (mut high, mut low) = (0u8, 0u8);
    for symbol in symbols {
        let carry = high ^ (symbol & 31);
        high = low ^ mul(carry, LINEAR);
        low = mul(carry, CONSTANT);
    }
    [high, low]
}

/// a + a^2: the coefficient of x in the generator.
const LINEAR: u8 = 2 ^ 4;
/// a^3: the constant of the generator.
const CONSTANT: u8 = 8;

/// Product in GF(32) without tables or branches on the data.
const fn mul(a: u8, b: u8) -> u8 {
    let (mut product, mut shifted, mut bit) = (0u8, a, 0);
    while bit < 5 {
        product ^= shifted & ((b >> bit) & 1).wrapping_neg();
        let carry = (shifted >> 4) & 1;
        shifted = ((shifted << 1) & 31) ^ (0b00101 & carry.wrapping_neg());
        bit += 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Since the code is linear, an error pattern goes unnoticed exactly if it is itself a code
    /// word, so trying all patterns on the zero line tries them on every line.
    #[test]
    fn no_error_of_one_or_two_symbols_is_a_code_word() {
        let passes = |line: &[u8]| check_symbols(&line[..29]) == line[29..];
        let mut line = [0u8; MAX_SYMBOLS];
        assert!(passes(&line));
        for first in 0..MAX_SYMBOLS {
            for first_error in 1..32 {
                line[first] = first_error;
                assert!(!passes(&line), "{first} {first_error}");
                for second in first + 1..MAX_SYMBOLS {
                    for second_error in 1..32 {
                        line[second] = second_error;
                        assert!(!passes(&line), "{first} {first_error} {second} {second_error}");
                    }
                    line[second] = 0;
                }
            }
            line[first] = 0;
        }
    }

    #[test]
    fn two_generates_the_whole_field() {
        let mut power = 1;
        for exponent in 1..31 {
            power = mul(power, 2);
            assert_ne!(power, 1, "2^{exponent}");
        }
        assert_eq!(mul(power, 2), 1);
    }
}
