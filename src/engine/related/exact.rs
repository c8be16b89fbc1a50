//! Exact sums of floats, rounded once: whatever the order of the values, the sum is the same.
//!
//! A float is a whole number of steps of some power of two. Those that people count with are whole
//! numbers of steps of 2^-64 below 2^62, and these are added as 128-bit integers. All others are kept,
//! and added at the end in as many bits as there are in the range of floats.

/// How many bits stand behind the point in a sum of [`steps`].
const POINT: i32 = 64;

/// Sign, mantissa and exponent of a finite float: its value is mantissa * 2^exponent.
fn parts(value: f64) -> (bool, u64, i32) {
    let bits = value.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    let exponent = i32::try_from((bits >> 52) & 0x7FF).unwrap_or(0);
    match exponent {
        0 => (bits >> 63 == 1, fraction, -1074),
        _ => (bits >> 63 == 1, fraction | 1 << 52, exponent - 1075),
    }
}

/// A float as steps of 2^-64, if it is a whole number of them and not too large.
pub fn steps(value: f64) -> Option<i128> {
    if !value.is_finite() {
        return None;
    }
    let (negative, mantissa, exponent) = parts(value);
    if mantissa == 0 {
        return Some(0);
    }
    let shift = exponent + POINT;
    let steps = match u32::try_from(shift) {
        // 53 bits and 73 behind them are below 2^126.
        Ok(shift @ ..=73) => i128::from(mantissa) << shift,
        Err(_) if mantissa.trailing_zeros() >= shift.unsigned_abs() => {
            i128::from(mantissa >> shift.unsigned_abs())
        }
        _ => return None,
    };
    Some(if negative { -steps } else { steps })
}

/// The float that is nearest to a sum of steps and of other floats; none if it is no number, because
/// infinities of both signs are among them.
pub fn rounded(steps: i128, others: &[f64]) -> Option<f64> {
    if others.is_empty() {
        // The one rounding; the factor is a power of two.
        #[expect(clippy::cast_precision_loss, reason = "rounds to the nearest float")]
        return Some(steps as f64 / (1_u128 << POINT) as f64);
    }
    let infinite = |sign: f64| others.contains(&(sign * f64::INFINITY));
    match (infinite(1.0), infinite(-1.0)) {
        (true, true) => return None,
        (true, false) => return Some(f64::INFINITY),
        (false, true) => return Some(f64::NEG_INFINITY),
        (false, false) => {}
    }
    let (mut above, mut below) = (Wide::default(), Wide::default());
    let of = if steps < 0 { &mut below } else { &mut above };
    let steps = steps.unsigned_abs();
    #[expect(clippy::cast_possible_truncation, reason = "half by half")]
    let halves = [steps as u64, (steps >> 64) as u64];
    let bottom = usize::try_from(1074 - POINT).unwrap_or(0);
    of.add(halves[0], bottom);
    of.add(halves[1], bottom + 64);
    for value in others {
        let (negative, mantissa, exponent) = parts(*value);
        let of = if negative { &mut below } else { &mut above };
        of.add(mantissa, usize::try_from(exponent + 1074).unwrap_or(0));
    }
    Some(match above.minus(&below) {
        Some(sum) => sum.nearest(),
        None => -below.minus(&above).unwrap_or_default().nearest(),
    })
}

/// 2,098 bits hold every finite float as steps of 2^-1074; the rest is room for the sum of 2^64 of them.
const WORDS: usize = 35;

/// A whole number of steps of 2^-1074, the least significant word first.
#[derive(Clone)]
struct Wide([u64; WORDS]);

impl Default for Wide {
    fn default() -> Self {
        Self([0; WORDS])
    }
}

impl Wide {
    /// Adds a number that stands so many bits up.
    fn add(&mut self, number: u64, up: usize) {
        let shifted = u128::from(number) << (up % 64);
        #[expect(clippy::cast_possible_truncation, reason = "half by half")]
        let mut more = [shifted as u64, (shifted >> 64) as u64].into_iter();
        let mut carry = false;
        for word in &mut self.0[up / 64..] {
            let next = more.next();
            if next.is_none() && !carry {
                break;
            }
            let (sum, over) = word.overflowing_add(next.unwrap_or(0));
            let (sum, again) = sum.overflowing_add(u64::from(carry));
            *word = sum;
            carry = over || again;
        }
    }

    /// What is left of it without another one; none if that is larger.
    fn minus(&self, other: &Self) -> Option<Self> {
        let mut left = Self::default();
        let mut borrow = false;
        for (word, (mine, theirs)) in left.0.iter_mut().zip(self.0.iter().zip(&other.0)) {
            let (rest, under) = mine.overflowing_sub(*theirs);
            let (rest, again) = rest.overflowing_sub(u64::from(borrow));
            *word = rest;
            borrow = under || again;
        }
        (!borrow).then_some(left)
    }

    fn bit(&self, at: usize) -> bool {
        self.0[at / 64] >> (at % 64) & 1 == 1
    }

    /// The nearest float; of two that are equally near the even one.
    fn nearest(&self) -> f64 {
        let Some(word) = self.0.iter().rposition(|word| *word != 0) else { return 0.0 };
        let top = word * 64 + 63 - self.0[word].leading_zeros() as usize;
        if top < 53 {
            // As floats are made: up to here their bits are the number of steps.
            return f64::from_bits(self.0[0]);
        }
        let last = top - 52;
        let mantissa = (last..=top).rev().fold(0_u64, |all, at| all << 1 | u64::from(self.bit(at)));
        let half = self.bit(last - 1);
        let beyond = (0..last - 1).any(|at| self.bit(at));
        let up = half && (beyond || mantissa & 1 == 1);
        // A carry out of the mantissa goes into the exponent, where it belongs.
        let bits = ((last as u64 + 1) << 52) + (mantissa - (1 << 52)) + u64::from(up);
        f64::from_bits(bits.min(f64::INFINITY.to_bits()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> Option<f64> {
        let mut whole = 0_i128;
        let mut others = Vec::new();
        for value in values {
            match steps(*value) {
                Some(steps) => whole += steps,
                None => others.push(*value),
            }
        }
        rounded(whole, &others)
    }

    #[test]
    fn sums_are_exact_and_rounded_once() {
        assert_eq!(sum(&[0.1; 10]), Some(1.0));
        assert_eq!(sum(&[1e100, 1.0, -1e100]), Some(1.0));
        assert_eq!(sum(&[1e100, 1e-300, -1e100]), Some(1e-300));
        assert_eq!(sum(&[5e-324, 5e-324]), Some(1e-323));
        assert_eq!(sum(&[f64::MAX, f64::MAX, -f64::MAX]), Some(f64::MAX));
        assert_eq!(sum(&[f64::MAX, f64::MAX]), Some(f64::INFINITY));
        assert_eq!(sum(&[-f64::MAX, -f64::MAX, 1e300]), Some(f64::NEG_INFINITY));
        assert_eq!(sum(&[f64::INFINITY, 1.0]), Some(f64::INFINITY));
        assert_eq!(sum(&[f64::INFINITY, f64::NEG_INFINITY]), None);
        assert_eq!(sum(&[-1e-300, 1e-300]), Some(0.0));
        // Halfway between two floats: the even one; a little more: the next.
        let half = f64::powi(2.0, 53);
        assert_eq!(sum(&[half, 1.0]), Some(half));
        assert_eq!(sum(&[half, 1.0, 1e-300]), Some(half + 2.0));
        assert_eq!(sum(&[-half, -1.0, -1e-300]), Some(-half - 2.0));
        assert_eq!(sum(&[-12.34, 0.01]), Some(-12.33));
    }

    #[test]
    fn both_ways_are_one() {
        let mut seed = 1_u64;
        for _ in 0..10_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let value = f64::from(i32::try_from(seed >> 33).unwrap_or(0)) / 1024.0 - 700_000.0;
            assert_eq!(rounded(steps(value).expect("few bits"), &[]), Some(value));
            assert_eq!(rounded(0, &[value]), Some(value));
            assert_eq!(rounded(0, &[f64::from_bits(seed >> 2)]), Some(f64::from_bits(seed >> 2)));
        }
    }
}
