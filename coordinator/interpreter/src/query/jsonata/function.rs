//! The functions that Step Functions adds to JSONata. Source: AWS, "JSONata functions provided by Step Functions".

use std::collections::BTreeSet;

use jsonata_core::evaluator::{Evaluator, EvaluatorError};
use jsonata_core::value::JValue;
use serde_json::Value;

use super::convert::from_json;
use crate::limits::{JSONATA_SEQUENCE_ITEMS_MAX, VALUE_DEPTH_MAX, is_payload_too_deep};
use crate::query::Random;
use crate::query::intrinsic::{ALGORITHMS, hash_hex, uuid_of};

/// Makes those of them known that are called.
pub(super) fn register(
    evaluator: &mut Evaluator,
    functions: &BTreeSet<String>,
    random: &Random,
) -> Result<(), EvaluatorError> {
    for name in functions {
        match name.as_str() {
            "partition" => evaluator.register_fn(name, partition)?,
            "range" => evaluator.register_fn(name, range)?,
            "hash" => evaluator.register_fn(name, hash)?,
            "parse" => evaluator.register_fn(name, parse)?,
            "uuid" => {
                let random = random.clone();
                evaluator.register_fn(name, move |_: &[JValue]| {
                    Ok(JValue::string(uuid_of(&random)))
                })?;
            }
            "random" => {
                let random = random.clone();
                evaluator.register_fn_override(name, move |arguments: &[JValue]| {
                    draw(&random, arguments)
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// `$partition(array, size)`: the array in parts of this size.
fn partition(arguments: &[JValue]) -> Result<JValue, EvaluatorError> {
    let Some(items) = array(arguments, "partition")? else {
        return Ok(JValue::Undefined);
    };
    let size = integer(arguments, 1, "partition")?;
    let size = usize::try_from(size).ok().filter(|size| *size > 0);
    let size = size.ok_or_else(|| mismatch(2, "partition"))?;
    let parts = items.chunks(size).map(|part| JValue::array(part.to_vec()));
    Ok(JValue::array(parts.collect()))
}

/// `$range(first, last, step)`: the numbers from the first to the last, both included.
fn range(arguments: &[JValue]) -> Result<JValue, EvaluatorError> {
    let (first, last) = (
        integer(arguments, 0, "range")?,
        integer(arguments, 1, "range")?,
    );
    let step = match arguments.get(2) {
        None | Some(JValue::Undefined) => 1,
        Some(_) => integer(arguments, 2, "range")?,
    };
    if step == 0 {
        return Err(mismatch(3, "range"));
    }
    let mut numbers = Vec::new();
    let mut next = first;
    while (step > 0 && next <= last) || (step < 0 && next >= last) {
        if numbers.len() >= JSONATA_SEQUENCE_ITEMS_MAX {
            let text = format!("D2014: $range makes {JSONATA_SEQUENCE_ITEMS_MAX} numbers at most");
            return Err(EvaluatorError::EvaluationError(text));
        }
        numbers.push(JValue::from_i64(next));
        next = match next.checked_add(step) {
            Some(next) => next,
            None => break,
        };
    }
    Ok(JValue::sequence(numbers).unwrap_sequence())
}

/// `$hash(text, algorithm)`, in hexadecimal digits.
fn hash(arguments: &[JValue]) -> Result<JValue, EvaluatorError> {
    let text = match arguments.first() {
        None | Some(JValue::Undefined) => return Ok(JValue::Undefined),
        Some(text) => text.as_str().ok_or_else(|| mismatch(1, "hash"))?,
    };
    let algorithm = arguments.get(1).and_then(JValue::as_str);
    let algorithm = algorithm.ok_or_else(|| mismatch(2, "hash"))?;
    let digest = hash_hex(text, algorithm);
    let digest = digest.ok_or_else(|| {
        let text = format!("$hash knows {ALGORITHMS}, not '{algorithm}'");
        EvaluatorError::EvaluationError(text)
    })?;
    Ok(JValue::string(digest))
}

/// `$parse(text)`: the value that a JSON text stands for.
fn parse(arguments: &[JValue]) -> Result<JValue, EvaluatorError> {
    let text = match arguments.first() {
        None | Some(JValue::Undefined) => return Ok(JValue::Undefined),
        Some(text) => text.as_str().ok_or_else(|| mismatch(1, "parse"))?,
    };
    let value: Value = serde_json::from_str(text)
        .map_err(|error| EvaluatorError::EvaluationError(format!("$parse: {error}")))?;
    if is_payload_too_deep(&value) {
        let text = format!("$parse: the value nests deeper than {VALUE_DEPTH_MAX} levels");
        return Err(EvaluatorError::EvaluationError(text));
    }
    Ok(from_json(&value))
}

/// `$random(seed)`: from 0 to 1, 1 excluded; the same for the same seed.
fn draw(random: &Random, arguments: &[JValue]) -> Result<JValue, EvaluatorError> {
    let drawn = match arguments.first() {
        None | Some(JValue::Undefined) => random.draw(),
        Some(_) => Random::of_seed(integer(arguments, 0, "random")?).draw(),
    };
    let bits = u32::from_le_bytes([drawn[0], drawn[1], drawn[2], drawn[3]]);
    Ok(JValue::Number(
        f64::from(bits) / (f64::from(u32::MAX) + 1.0),
    ))
}

fn array(arguments: &[JValue], function: &str) -> Result<Option<Vec<JValue>>, EvaluatorError> {
    match arguments.first() {
        None | Some(JValue::Undefined) => Ok(None),
        Some(JValue::Array(items)) => Ok(Some(items.to_vec())),
        // A value stands for an array of itself, as everywhere in JSONata.
        Some(JValue::Lambda(_)) => Err(mismatch(1, function)),
        Some(value) => Ok(Some(vec![value.clone()])),
    }
}

fn integer(arguments: &[JValue], at: usize, function: &str) -> Result<i64, EvaluatorError> {
    let number = arguments.get(at).and_then(JValue::as_f64);
    let number = number.filter(|number| number.is_finite());
    // As of the intrinsic functions, halves are rounded up.
    #[expect(clippy::cast_possible_truncation, reason = "a float saturates")]
    let number = number.map(|number| (number + 0.5).floor() as i64);
    number.ok_or_else(|| mismatch(at + 1, function))
}

fn mismatch(argument: usize, function: &str) -> EvaluatorError {
    EvaluatorError::TypeError(format!(
        "T0410: Argument {argument} of function \"{function}\" does not match function signature"
    ))
}
