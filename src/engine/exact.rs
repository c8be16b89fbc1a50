//! Exact sums: floats, whole numbers and decimals as fixed-point numbers of 2304 bits.
//!
//! A 64-bit float is a whole number of 2^-1074, so sums of floats are exact in fixed point, whatever
//! their order. What leaves is rounded once, to the nearest float, half to even.
//!
//! Floats that people count with are whole numbers of [`steps`] of 2^-64 below 2^62. Who has many sums adds
//! these as 128-bit integers, keeps all others, and brings both together at the end ([`rounded`]).

/// Binary digits below the point: those of the smallest float, and 78 more for divisions.
const BELOW: usize = 1152;
/// Digits of 32 bits. Above the point: the largest float (1024 bits) times a factor (20 bits), as often
/// as there are records (32 bits).
const DIGITS: usize = 72;
/// So many numbers are added before carries are passed on: a digit has 63 bits, a number adds to it at
/// most 32.
const CARRY_AFTER: u32 = 1 << 30;

/// A sum that is exact.
pub struct Exact {
    /// Smallest first; each may be above 32 bits or below zero until carries are passed on.
    digits: [i64; DIGITS],
    added: u32,
}

impl Exact {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { digits: [0; DIGITS], added: 0 }
    }

    /// Adds a finite float times a factor below 2^20.
    pub fn add_float(&mut self, value: f64, factor: u32) {
        let (negative, mantissa, up) = parts(value);
        self.add(u128::from(mantissa) * u128::from(factor), BELOW - 1074 + up, negative);
    }

    /// Adds a whole number times a factor below 2^20.
    pub fn add_whole(&mut self, value: i128, factor: u32) {
        self.add_at(value, factor, BELOW);
    }

    /// Adds a whole number, times a factor below 2^20, that begins at a binary digit.
    fn add_at(&mut self, value: i128, factor: u32, at: usize) {
        let size = value.unsigned_abs();
        let (low, high) = (size & u128::from(u64::MAX), size >> 64);
        self.add(low * u128::from(factor), at, value < 0);
        self.add(high * u128::from(factor), at + 64, value < 0);
    }

    /// Adds a number below 2^96 that begins at a binary digit.
    fn add(&mut self, number: u128, at: usize, negative: bool) {
        if number == 0 {
            return;
        }
        let mut left = number << (at % 32);
        for digit in &mut self.digits[at / 32..] {
            if left == 0 {
                break;
            }
            let part = i64::try_from(left & 0xffff_ffff).unwrap_or(0);
            *digit += if negative { -part } else { part };
            left >>= 32;
        }
        self.added += 1;
        if self.added >= CARRY_AFTER {
            self.carry();
        }
    }

    /// Brings every digit but the last into 32 bits; the last keeps the sign.
    fn carry(&mut self) {
        let mut carry = 0;
        let last = DIGITS - 1;
        for digit in &mut self.digits[..last] {
            let sum = *digit + carry;
            carry = sum >> 32;
            *digit = sum & 0xffff_ffff;
        }
        self.digits[last] += carry;
        self.added = 0;
    }

    /// The sum's size and sign.
    fn size(mut self) -> Size {
        self.carry();
        let negative = self.digits[DIGITS - 1] < 0;
        if negative {
            self.digits.iter_mut().for_each(|digit| *digit = -*digit);
            self.carry();
        }
        let digits = self.digits.map(|digit| u32::try_from(digit & 0xffff_ffff).unwrap_or(0));
        Size { digits, negative, rest: false }
    }

    /// The sum, if it is a whole number of 128 bits.
    pub fn whole(self) -> Option<i128> {
        let size = self.size();
        let (below, above) = size.digits.split_at(BELOW / 32);
        let (used, beyond) = above.split_at(4);
        if below.iter().chain(beyond).any(|digit| *digit != 0) {
            return None;
        }
        let number = used.iter().rev().fold(0_u128, |sum, digit| sum << 32 | u128::from(*digit));
        let number = i128::try_from(number).ok()?;
        Some(if size.negative { -number } else { number })
    }

    /// The sum divided by all of these, none of which is zero, as the nearest float; none if that is
    /// beyond the largest one.
    pub fn divided(self, by: &[u32]) -> Option<f64> {
        let mut size = self.size();
        for by in by {
            size.divide(*by);
        }
        Some(size.nearest()).filter(|nearest| nearest.is_finite())
    }
}

/// How many bits stand behind the point in a sum of [`steps`].
const POINT: usize = 64;

/// Sign and mantissa of a finite float, and by how many bits the mantissa stands above 2^-1074.
fn parts(value: f64) -> (bool, u64, usize) {
    let bits = value.to_bits();
    let exponent = usize::try_from(bits >> 52 & 0x7ff).unwrap_or(0);
    let fraction = bits & ((1 << 52) - 1);
    // Subnormal numbers have no leading one, and the exponent of the smallest normal ones.
    let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
    (value.is_sign_negative(), mantissa, exponent.max(1) - 1)
}

/// A float as steps of 2^-64, if it is a whole number of them and not too large.
pub fn steps(value: f64) -> Option<i128> {
    /// Where the steps begin, above 2^-1074.
    const FIRST: usize = 1074 - POINT;
    if !value.is_finite() {
        return None;
    }
    let (negative, mantissa, up) = parts(value);
    let steps = match up.checked_sub(FIRST) {
        _ if mantissa == 0 => 0,
        // 53 bits and 73 behind them are below 2^126.
        Some(shift @ ..=73) => i128::from(mantissa) << shift,
        None if mantissa.trailing_zeros() as usize >= FIRST - up => {
            i128::from(mantissa >> (FIRST - up))
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
    let mut sum = Exact::new();
    sum.add_at(steps, 1, BELOW - POINT);
    for value in others {
        sum.add_float(*value, 1);
    }
    Some(sum.size().nearest())
}

/// The size of a number in fixed point, and its sign.
struct Size {
    digits: [u32; DIGITS],
    negative: bool,
    /// True if the number is a little larger than its digits say.
    rest: bool,
}

impl Size {
    fn divide(&mut self, by: u32) {
        let by = u64::from(by);
        let mut rest = 0;
        for digit in self.digits.iter_mut().rev() {
            let whole = rest << 32 | u64::from(*digit);
            *digit = u32::try_from(whole / by).unwrap_or(u32::MAX);
            rest = whole % by;
        }
        self.rest |= rest != 0;
    }

    fn bit(&self, at: usize) -> bool {
        self.digits[at / 32] >> (at % 32) & 1 == 1
    }

    /// The nearest float, half to even; beyond the largest one an infinity.
    fn nearest(&self) -> f64 {
        let Some(top) = self.digits.iter().rposition(|digit| *digit != 0) else { return 0.0 };
        let top = top * 32 + 31 - self.digits[top].leading_zeros() as usize;
        // A float has 53 binary digits, and none below 2^-1074.
        let lowest = top.saturating_sub(52).max(BELOW - 1074);
        let mut kept: u64 = 0;
        for at in (lowest..=top).rev() {
            kept = kept << 1 | u64::from(self.bit(at));
        }
        let half = self.bit(lowest - 1);
        let below = self.rest || (0..lowest - 1).any(|at| self.bit(at));
        kept += u64::from(half && (below || kept & 1 == 1));
        // Both factors are exact, and so is their product, unless it is beyond all floats.
        #[expect(clippy::cast_precision_loss, reason = "53 bits at most, or a power of two")]
        let value = kept as f64 * power_of_two(i32::try_from(lowest).unwrap_or(0) - BELOW_SIGNED);
        if self.negative && kept != 0 { -value } else { value }
    }
}

/// [`BELOW`] as a signed number.
const BELOW_SIGNED: i32 = 1152;

/// 2 to a power from -1074 to 1023; infinity above.
fn power_of_two(exponent: i32) -> f64 {
    match exponent {
        ..-1022 => f64::from_bits(1 << (exponent + 1074).clamp(0, 51)),
        -1022..=1023 => f64::from_bits(u64::from((exponent + 1023).unsigned_abs()) << 52),
        _ => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> Option<f64> {
        let mut exact = Exact::new();
        for value in values {
            exact.add_float(*value, 1);
        }
        exact.divided(&[])
    }

    fn mean(values: &[f64]) -> Option<f64> {
        let mut exact = Exact::new();
        for value in values {
            exact.add_float(*value, 1);
        }
        exact.divided(&[u32::try_from(values.len()).expect("few")])
    }

    #[test]
    fn a_single_float_is_itself() {
        for value in [
            0.0,
            1.0,
            -1.5,
            0.1,
            1e300,
            f64::MAX,
            -f64::MAX,
            f64::MIN_POSITIVE,
            f64::from_bits(1),
            -f64::from_bits(12_345),
            f64::from_bits(0x000f_ffff_ffff_ffff),
        ] {
            assert_eq!(sum(&[value]).map(f64::to_bits), Some(value.to_bits()), "{value:e}");
        }
        assert_eq!(sum(&[-0.0]).map(f64::to_bits), Some(0.0_f64.to_bits()));
        assert_eq!(sum(&[]), Some(0.0));
    }

    #[test]
    fn sums_are_exact_and_rounded_once() {
        assert_eq!(sum(&[1e16, 1.0, -1e16]), Some(1.0));
        assert_eq!(sum(&[0.1; 10]), Some(1.0));
        assert_eq!(sum(&[1e308, 1e308, -1e308]), Some(1e308));
        assert_eq!(sum(&[f64::MAX, f64::MAX]), None);
        assert_eq!(sum(&[-f64::MAX, -f64::MAX]), None);
        // Half of the last digit goes to even, and a little more goes up.
        let ulp = 2.0_f64.powi(-52);
        assert_eq!(sum(&[1.0, ulp / 2.0]), Some(1.0));
        assert_eq!(sum(&[1.0, ulp / 2.0, f64::from_bits(1)]), Some(1.0 + ulp));
        assert_eq!(sum(&[1.0 + ulp, ulp / 2.0]), Some(1.0 + 2.0 * ulp));
        assert_eq!(sum(&[-1.0, -ulp / 2.0, -f64::from_bits(1)]), Some(-1.0 - ulp));
    }

    #[test]
    fn means_are_rounded_once() {
        assert_eq!(mean(&[1.0, 2.0]), Some(1.5));
        assert_eq!(mean(&[0.1, 0.1, 0.1]), Some(0.1));
        assert_eq!(mean(&[f64::MAX, f64::MAX]), Some(f64::MAX));
        assert_eq!(mean(&[-1.0, 0.0, 0.0]), Some(-1.0 / 3.0));
        assert_eq!(mean(&[f64::from_bits(1), 0.0]), Some(0.0));
        assert_eq!(mean(&[f64::from_bits(3), 0.0]), Some(f64::from_bits(2)));
    }

    #[test]
    fn whole_numbers_and_decimals_are_exact() {
        let of = |values: &[i128]| {
            let mut exact = Exact::new();
            for value in values {
                exact.add_whole(*value, 1);
            }
            exact
        };
        assert_eq!(of(&[i128::MAX, -1]).whole(), Some(i128::MAX - 1));
        assert_eq!(of(&[i128::MAX, i128::MAX, -i128::MAX]).whole(), Some(i128::MAX));
        assert_eq!(of(&[i128::MAX, 1]).whole(), None);
        assert_eq!(of(&[-5, 3]).whole(), Some(-2));
        // 0.07 as a decimal, and the mean of 0.07, 0.07 and 0.08.
        assert_eq!(of(&[7]).divided(&[100]), Some(0.07));
        assert_eq!(of(&[7, 7, 8]).divided(&[3, 100]), Some(22.0 / 300.0));
        let ninety: i128 = 10_i128.pow(37) * 9;
        assert_eq!(of(&[ninety]).divided(&[1_000_000_000, 1_000_000_000]), Some(9e19));
    }

    #[test]
    fn the_order_of_numbers_does_not_count() {
        let mut state = 1_u64;
        let mut values: Vec<f64> = Vec::new();
        for _ in 0..2000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let value = f64::from_bits(state);
            values.extend(value.is_finite().then_some(value / 4096.0));
        }
        let forward = sum(&values).map(f64::to_bits);
        values.reverse();
        assert_eq!(sum(&values).map(f64::to_bits), forward);
        values.sort_by(f64::total_cmp);
        assert_eq!(sum(&values).map(f64::to_bits), forward);
        let negated: Vec<f64> = values.iter().map(|value| -value).collect();
        values.extend(negated);
        assert_eq!(sum(&values), Some(0.0));
    }

    fn in_steps(values: &[f64]) -> Option<f64> {
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
    fn sums_of_steps_are_exact_and_rounded_once() {
        assert_eq!(in_steps(&[0.1; 10]), Some(1.0));
        assert_eq!(in_steps(&[1e100, 1.0, -1e100]), Some(1.0));
        assert_eq!(in_steps(&[1e100, 1e-300, -1e100]), Some(1e-300));
        assert_eq!(in_steps(&[5e-324, 5e-324]), Some(1e-323));
        assert_eq!(in_steps(&[f64::MAX, f64::MAX, -f64::MAX]), Some(f64::MAX));
        assert_eq!(in_steps(&[f64::MAX, f64::MAX]), Some(f64::INFINITY));
        assert_eq!(in_steps(&[-f64::MAX, -f64::MAX, 1e300]), Some(f64::NEG_INFINITY));
        assert_eq!(in_steps(&[f64::INFINITY, 1.0]), Some(f64::INFINITY));
        assert_eq!(in_steps(&[f64::INFINITY, f64::NEG_INFINITY]), None);
        assert_eq!(in_steps(&[-1e-300, 1e-300]), Some(0.0));
        // Halfway between two floats: the even one; a little more: the next.
        let half = f64::powi(2.0, 53);
        assert_eq!(in_steps(&[half, 1.0]), Some(half));
        assert_eq!(in_steps(&[half, 1.0, 1e-300]), Some(half + 2.0));
        assert_eq!(in_steps(&[-half, -1.0, -1e-300]), Some(-half - 2.0));
        assert_eq!(in_steps(&[-12.34, 0.01]), Some(-12.33));
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
