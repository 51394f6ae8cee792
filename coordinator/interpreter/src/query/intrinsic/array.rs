//! The array functions. Their arguments fit their signatures.

use std::collections::HashSet;

use serde_json::Value;

use super::call::Failure;
use super::math::integer;
use crate::limits::ARRAY_RANGE_ITEMS_MAX;

pub(super) fn partition(items: &Value, size: &Value) -> Result<Value, Failure> {
    let size = usize::try_from(integer(size)?).unwrap_or(0);
    if size == 0 {
        return Err(refused(
            "the chunk size of States.ArrayPartition must be a positive integer",
        ));
    }
    Ok(Value::Array(
        list(items)
            .chunks(size)
            .map(|chunk| Value::Array(chunk.to_vec()))
            .collect(),
    ))
}

pub(super) fn contains(items: &Value, item: &Value) -> Value {
    Value::Bool(list(items).contains(item))
}

/// The numbers from `first` to `last`, the last included where a step lands on it.
pub(super) fn range(first: &Value, last: &Value, step: &Value) -> Result<Value, Failure> {
    let [first, last, step] = [integer(first)?, integer(last)?, integer(step)?].map(i128::from);
    if step == 0 {
        return Err(refused("the step of States.ArrayRange must not be zero"));
    }
    let count = ((last - first) / step + 1).max(0);
    let count = if (last - first).signum() * step.signum() < 0 {
        0
    } else {
        count
    };
    if usize::try_from(count).map_or(true, |count| count > ARRAY_RANGE_ITEMS_MAX) {
        return Err(Failure::Refused(format!(
            "States.ArrayRange returns {ARRAY_RANGE_ITEMS_MAX} items at most, not {count}"
        )));
    }
    let items = (0..count).filter_map(|index| i64::try_from(first + index * step).ok());
    Ok(Value::Array(items.map(Value::from).collect()))
}

pub(super) fn get_item(items: &Value, index: &Value) -> Result<Value, Failure> {
    let index = integer(index)?;
    let items = list(items);
    let item = usize::try_from(index)
        .ok()
        .and_then(|index| items.get(index));
    item.cloned().ok_or_else(|| {
        Failure::Refused(format!(
            "the index {index} of States.ArrayGetItem is outside the array of {} items",
            items.len()
        ))
    })
}

pub(super) fn length(items: &Value) -> Value {
    Value::from(list(items).len())
}

/// The items without later copies of earlier ones, in order.
pub(super) fn unique(items: &Value) -> Value {
    let mut seen = HashSet::new();
    Value::Array(
        list(items)
            .iter()
            .filter(|item| seen.insert(*item))
            .cloned()
            .collect(),
    )
}

fn list(items: &Value) -> &[Value] {
    items.as_array().map_or(&[], Vec::as_slice)
}

fn refused(reason: &str) -> Failure {
    Failure::Refused(reason.to_owned())
}
