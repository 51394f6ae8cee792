//! JSON texts and objects. Their arguments fit their signatures.

use serde_json::Value;

use super::call::Failure;
use crate::query::budget::Budget;

/// States.JsonMerge: the members of both, those of `other` where both have one. Shallow only.
pub(super) fn merge(one: &Value, other: &Value, deep: &Value) -> Result<Value, Failure> {
    if deep.as_bool() == Some(true) {
        return Err(Failure::Refused(
            "States.JsonMerge merges shallowly only: its third argument must be false".to_owned(),
        ));
    }
    let mut merged = one.clone();
    if let (Value::Object(merged), Value::Object(other)) = (&mut merged, other) {
        merged.extend(
            other
                .iter()
                .map(|(key, member)| (key.clone(), member.clone())),
        );
    }
    Ok(merged)
}

/// States.StringToJson: an empty text is null, and `-0` the integer 0, as for AWS.
pub(super) fn parse(text: &Value) -> Result<Value, Failure> {
    let text = text.as_str().unwrap_or_default().trim();
    match text {
        "" => Ok(Value::Null),
        "-0" => Ok(Value::from(0)),
        _ => serde_json::from_str(text).map_err(|error| {
            Failure::Refused(format!(
                "the argument of States.StringToJson is not JSON: {error}"
            ))
        }),
    }
}

pub(super) fn write(value: &Value, budget: &Budget) -> Result<Value, Failure> {
    let text = value.to_string();
    budget.build(text.len())?;
    Ok(Value::String(text))
}
