//! From JSON to the engine's values and back.

use jsonata_core::value::JValue;
use serde_json::{Map, Number, Value};

use crate::limits::VALUE_DEPTH_MAX;
use crate::query::budget::{Budget, Excess};

/// Why a value is no JSON.
pub(super) enum Unfit {
    /// It is a function, or holds one.
    Function,
    /// It is too large or too deep.
    Excess(Excess),
}

/// As an expression sees it. Its numbers are of double precision, as JSONata's are.
pub(super) fn from_json(value: &Value) -> JValue {
    match value {
        Value::Null => JValue::Null,
        Value::Bool(boolean) => JValue::Bool(*boolean),
        Value::Number(number) => JValue::Number(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => JValue::string(text.as_str()),
        Value::Array(items) => JValue::array(items.iter().map(from_json).collect()),
        Value::Object(members) => {
            let members = members.iter();
            JValue::object(
                members
                    .map(|(name, member)| (name.clone(), from_json(member)))
                    .collect(),
            )
        }
    }
}

/// As JSON; what is undefined inside is left out.
pub(super) fn to_json(value: &JValue, budget: &Budget) -> Result<Value, Unfit> {
    build(value, budget, 0)
}

fn build(value: &JValue, budget: &Budget, depth: usize) -> Result<Value, Unfit> {
    if depth > VALUE_DEPTH_MAX {
        return Err(Unfit::Excess(Excess::Depth));
    }
    let pay = |bytes: usize| budget.build(bytes).map_err(Unfit::Excess);
    pay(4)?;
    Ok(match value {
        JValue::Null | JValue::Undefined => Value::Null,
        JValue::Bool(boolean) => Value::Bool(*boolean),
        JValue::Number(number) => number_of(*number),
        JValue::String(text) => {
            pay(text.len())?;
            Value::String(text.to_string())
        }
        JValue::Array(items) => {
            let items = items.iter().filter(|item| !item.is_undefined());
            let items = items.map(|item| build(item, budget, depth + 1));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        JValue::Object(members) => {
            let mut built = Map::with_capacity(members.len());
            for (name, member) in members.iter().filter(|(_, member)| !member.is_undefined()) {
                pay(name.len())?;
                built.insert(name.clone(), build(member, budget, depth + 1)?);
            }
            Value::Object(built)
        }
        JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => {
            return Err(Unfit::Function);
        }
    })
}

/// A whole number is written without a fraction, as long as it is exact.
pub(super) fn number_of(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is whole and within 2^53"
        )]
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// The type of a value, as errors name it.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
