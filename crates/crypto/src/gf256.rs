//! Arithmetic in GF(2^8) with the polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11d), that of `sharks`.
//!
//! No table is indexed by and no branch depends on an operand: the running time and the addresses
//! touched are the same for all values. `black_box` keeps the compiler from seeing that a mask is
//! one of two values and turning it back into a branch. See docs/adr/0003-shamir-arithmetic.md.

use std::hint::black_box;

/// The product of two elements.
pub(crate) fn mul(a: u8, b: u8) -> u8 {
    let (mut product, mut shifted) = (0u8, a);
    for bit in 0..8 {
        product ^= shifted & mask((b >> bit) & 1);
        shifted = (shifted << 1) ^ (0x1d & mask(shifted >> 7));
    }
    product
}

/// The inverse of an element: its 254th power, since each non-zero element to the 255th is 1.
/// The inverse of zero comes out as zero; callers make sure that it is not asked for.
pub(crate) fn invert(a: u8) -> u8 {
    let mut power = a;
    for _ in 0..6 {
        let square = mul(power, power);
        power = mul(square, a);
    }
    mul(power, power)
}

/// The value at `x` of the polynomial with these coefficients, the highest first and
/// `constant` (the secret byte) last.
pub(crate) fn evaluate(coefficients: &[u8], constant: u8, x: u8) -> u8 {
    let sum = coefficients.iter().fold(0, |sum, coefficient| mul(sum, x) ^ coefficient);
    mul(sum, x) ^ constant
}

/// The weight of the share at `xs[at]` when the polynomial through all of `xs` is read at zero.
/// The indexes are distinct and not zero; they are public.
pub(crate) fn weight(xs: &[u8], at: usize) -> u8 {
    let own = xs[at];
    xs.iter()
        .enumerate()
        .filter(|(other, _)| *other != at)
        .fold(1, |weight, (_, x)| mul(weight, mul(*x, invert(x ^ own))))
}

/// All ones for 1, zero for 0.
fn mask(bit: u8) -> u8 {
    black_box(bit).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Schoolbook: product of polynomials, then division by 0x11d.
    fn slow_mul(a: u8, b: u8) -> u8 {
        let mut product = 0u16;
        for bit in 0..8 {
            if b >> bit & 1 == 1 {
                product ^= u16::from(a) << bit;
            }
        }
        for bit in (8..16).rev() {
            if product >> bit & 1 == 1 {
                product ^= 0x11d << (bit - 8);
            }
        }
        product as u8
    }

    #[test]
    fn all_products_agree_with_the_schoolbook() {
        for a in 0..=255 {
            for b in 0..=255 {
                assert_eq!(mul(a, b), slow_mul(a, b), "{a} {b}");
            }
        }
    }

    #[test]
    fn all_inverses_are_inverse() {
        for a in 1..=255 {
            assert_eq!(mul(a, invert(a)), 1, "{a}");
        }
        assert_eq!(invert(0), 0);
    }

    #[test]
    fn all_products_agree_with_sharks() {
        let element = |byte: u8| sharks::Share::try_from(&[byte, byte][..]).unwrap().x.clone();
        for a in 0..=255 {
            for b in 0..=255 {
                assert_eq!(mul(a, b), (element(a) * element(b)).0, "{a} {b}");
            }
        }
    }
}
