//! Numbers and UUIDs. Their arguments fit their signatures.

use serde_json::Value;
use uuid::Builder;

use super::call::Failure;
use crate::query::Random;

/// States.MathAdd: each number is rounded first.
pub(super) fn add(one: &Value, other: &Value) -> Result<Value, Failure> {
    let sum = integer(one)?.checked_add(integer(other)?);
    sum.map(Value::from)
        .ok_or_else(|| Failure::Refused("the sum of States.MathAdd is too large".to_owned()))
}

/// States.MathRandom: a number from `start`, which is included, to `end`, which is not.
pub(super) fn random(start: &Value, end: &Value, random: &Random) -> Result<Value, Failure> {
    let (start, span) = span(start, end)?;
    Ok(within(start, random.draw_u64() % span))
}

/// As [`random`], but the same number for the same seed: the first that Java's generator gives.
pub(super) fn random_of_seed(start: &Value, end: &Value, seed: &Value) -> Result<Value, Failure> {
    let (start, span) = span(start, end)?;
    let mut generator = JavaRandom::new(integer(seed)?);
    let number = match i32::try_from(span) {
        Ok(bound) => generator.below(bound),
        Err(_) => (u64::from(generator.next(32)) << 32 | u64::from(generator.next(32))) % span,
    };
    Ok(within(start, number))
}

/// States.UUID, version 4 in form.
pub(super) fn uuid(random: &Random) -> Value {
    Value::String(uuid_of(random))
}

/// The next UUID that is drawn.
pub(in crate::query) fn uuid_of(random: &Random) -> String {
    let mut bytes = [0; 16];
    bytes
        .iter_mut()
        .zip(random.draw())
        .for_each(|(byte, drawn)| *byte = drawn);
    Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// A number rounded to the nearest integer, halves upwards, as Java rounds.
pub(super) fn integer(number: &Value) -> Result<i64, Failure> {
    if let Some(integer) = number.as_i64() {
        return Ok(integer);
    }
    let rounded = (number.as_f64().unwrap_or(f64::NAN) + 0.5).floor();
    // The largest magnitude up to which floats hold every integer.
    if rounded.abs() > 9_007_199_254_740_992.0 || rounded.is_nan() {
        return Err(Failure::Refused(format!(
            "{number} is too large for an integer"
        )));
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "an integer of at most 2^53"
    )]
    Ok(rounded as i64)
}

fn span(start: &Value, end: &Value) -> Result<(i64, u64), Failure> {
    let (start, end) = (integer(start)?, integer(end)?);
    let span = u64::try_from(i128::from(end) - i128::from(start)).unwrap_or(0);
    if span == 0 {
        return Err(Failure::Refused(format!(
            "the end of States.MathRandom must be greater than its start, but {end} is not above {start}"
        )));
    }
    Ok((start, span))
}

fn within(start: i64, offset: u64) -> Value {
    Value::from(start.wrapping_add_unsigned(offset))
}

/// The linear congruential generator of Java's `java.util.Random`.
struct JavaRandom {
    state: u64,
}

impl JavaRandom {
    const MASK: u64 = (1 << 48) - 1;

    fn new(seed: i64) -> JavaRandom {
        JavaRandom {
            state: (seed.cast_unsigned() ^ 0x5_DEEC_E66D) & Self::MASK,
        }
    }

    fn next(&mut self, bits: u32) -> u32 {
        self.state = self.state.wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xB) & Self::MASK;
        u32::try_from(self.state >> (48 - bits)).unwrap_or(u32::MAX)
    }

    /// `nextInt(bound)`; `bound` is positive.
    fn below(&mut self, bound: i32) -> u64 {
        let bound = i64::from(bound);
        if bound & (bound - 1) == 0 {
            return ((bound * i64::from(self.next(31))) >> 31).cast_unsigned();
        }
        loop {
            let bits = i64::from(self.next(31));
            let number = bits % bound;
            if bits - number + (bound - 1) <= i64::from(i32::MAX) {
                return number.cast_unsigned();
            }
        }
    }
}
