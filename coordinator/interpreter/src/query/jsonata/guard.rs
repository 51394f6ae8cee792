//! What keeps a value from growing without bound while an expression is evaluated: `$pad('x', 2e9)`, a text that is
//! joined with itself thirty times, a replacement of each letter by a page.
//!
//! The engine stops what takes too long, but one call of a function may take all memory before. So what such a call gets
//! passes through a function that only measures it.

use std::collections::{BTreeSet, HashSet};

use jsonata_core::evaluator::{Evaluator, EvaluatorError};
use jsonata_core::value::JValue;
use serde_json::{Value, json};

use crate::limits::EVALUATED_BYTES_MAX;

/// Gives back what it gets, unless that is too large. Nobody can write its name.
const MEASURED: &str = " measured";
/// Gives back its first argument, unless each of its characters can't be as large as the second one.
const MULTIPLIED: &str = " multiplied";
/// `$pad`, but not to any width.
const PAD: &str = "pad";

/// `$distinct`, in time that grows with the array and not with its square.
const DISTINCT: &str = " distinct";

/// The functions whose calls are guarded, each with the parameters that it is called with by another.
const GUARDED: [(&str, usize); 9] = [
    ("append", 2),
    ("base64encode", 1),
    ("distinct", 1),
    ("encodeUrl", 1),
    ("encodeUrlComponent", 1),
    ("join", 2),
    ("pad", 3),
    ("replace", 4),
    ("string", 1),
];

/// Guards what stands in place of a node: a function that is named where none is called, `$map(list, $string)`, is called
/// by one that stands for it.
pub(super) fn stand_in(name: &str) -> Option<Value> {
    let (_, count) = GUARDED.iter().find(|(guarded, _)| *guarded == name)?;
    let parameters: Vec<String> = (0..*count).map(|index| format!(" {index}")).collect();
    let arguments: Vec<Value> = parameters
        .iter()
        .map(|name| json!({ "Variable": name }))
        .collect();
    Some(json!({ "Lambda": {
        "params": parameters,
        "body": call(name, &arguments),
        "signature": null,
        "thunk": false,
    } }))
}

/// Operands of `&` are measured: twice the largest is all that comes of them. What is piped into a guarded function is
/// its first argument.
pub(super) fn guard_operator(node: &mut Value, functions: &mut BTreeSet<String>) {
    let Some(binary) = node.get_mut("Binary") else {
        return;
    };
    if binary["op"] == "Concatenate" {
        for side in ["lhs", "rhs"] {
            measure(&mut binary[side], functions);
        }
    }
}

/// `list ~> $join(',')` as `$join(list, ',')`, where the function is guarded.
pub(super) fn unpipe(node: &mut Value) {
    let binary = &node["Binary"];
    if binary["op"] != "ChainPipe" {
        return;
    }
    let right = &binary["rhs"];
    let name = right["Function"]["name"]
        .as_str()
        .or(right["Variable"].as_str());
    let Some(name) = name.filter(|name| GUARDED.iter().any(|(guarded, _)| guarded == name)) else {
        return;
    };
    let mut arguments = vec![binary["lhs"].clone()];
    arguments.extend(
        right["Function"]["args"]
            .as_array()
            .into_iter()
            .flatten()
            .cloned(),
    );
    *node = call(name, &arguments);
}

/// The arguments of functions that make one text of many values are measured.
pub(super) fn guard_call(name: &str, function: &mut Value, functions: &mut BTreeSet<String>) {
    if name == "distinct" {
        function["name"] = json!(DISTINCT);
        functions.insert(DISTINCT.to_owned());
    }
    let Some(arguments) = function["args"].as_array_mut() else {
        return;
    };
    match (name, arguments.as_mut_slice()) {
        ("replace", [text, _, replacement, ..]) => {
            *text = call(MULTIPLIED, &[text.take(), replacement.clone()]);
            functions.insert(MULTIPLIED.to_owned());
        }
        (
            "string" | "join" | "base64encode" | "encodeUrl" | "encodeUrlComponent" | "append",
            all,
        ) => {
            all.iter_mut()
                .for_each(|argument| measure(argument, functions));
        }
        _ => {}
    }
}

fn measure(argument: &mut Value, functions: &mut BTreeSet<String>) {
    // What stands in the definition is no larger than that.
    let literals = ["String", "Number", "Boolean"];
    let is_literal = argument.is_string() || literals.iter().any(|it| argument.get(it).is_some());
    if !is_literal {
        *argument = call(MEASURED, &[argument.take()]);
        functions.insert(MEASURED.to_owned());
    }
}

fn call(name: &str, arguments: &[Value]) -> Value {
    json!({ "Function": { "name": name, "args": arguments, "is_builtin": true } })
}

/// Makes those of them known that are called.
pub(super) fn register(
    evaluator: &mut Evaluator,
    functions: &BTreeSet<String>,
) -> Result<(), EvaluatorError> {
    if functions.contains(MEASURED) {
        evaluator.register_fn(MEASURED, |arguments: &[JValue]| {
            let value = arguments.first().cloned().unwrap_or(JValue::Undefined);
            match size(&value, EVALUATED_BYTES_MAX) {
                Some(_) => Ok(value),
                None => Err(too_large()),
            }
        })?;
    }
    if functions.contains(MULTIPLIED) {
        evaluator.register_fn(MULTIPLIED, |arguments: &[JValue]| {
            let value = arguments.first().cloned().unwrap_or(JValue::Undefined);
            let bytes = |value: Option<&JValue>| value.and_then(JValue::as_str).map_or(0, str::len);
            let product = (bytes(Some(&value)) + 1).saturating_mul(bytes(arguments.get(1)));
            if product > EVALUATED_BYTES_MAX {
                return Err(too_large());
            }
            Ok(value)
        })?;
    }
    if functions.contains(DISTINCT) {
        evaluator.register_fn(DISTINCT, distinct)?;
    }
    if functions.contains(PAD) {
        evaluator.register_fn_override(PAD, pad)?;
    }
    Ok(())
}

/// `$distinct(array)`: each value once. Source: docs.jsonata.org, "Array functions".
fn distinct(arguments: &[JValue]) -> Result<JValue, EvaluatorError> {
    let items = match arguments.first() {
        None => return Ok(JValue::Undefined),
        Some(JValue::Array(items)) if items.len() > 1 => items,
        Some(value) => return Ok(value.clone()),
    };
    let mut seen = HashSet::new();
    let mut kept = Vec::new();
    for item in items {
        let mut text = String::new();
        write_canonical(item, &mut text);
        if text.len() > EVALUATED_BYTES_MAX {
            return Err(too_large());
        }
        if seen.insert(text) {
            kept.push(item.clone());
        }
    }
    Ok(JValue::sequence(kept))
}

/// The value as a text that is the same for equal values: members in the order of their names.
fn write_canonical(value: &JValue, text: &mut String) {
    if text.len() > EVALUATED_BYTES_MAX {
        return;
    }
    match value {
        JValue::Array(items) => {
            text.push('[');
            for item in items {
                write_canonical(item, text);
                text.push(',');
            }
            text.push(']');
        }
        JValue::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| name.as_str());
            text.push('{');
            for (name, member) in members {
                text.push_str(&json!(name).to_string());
                write_canonical(member, text);
                text.push(',');
            }
            text.push('}');
        }
        JValue::String(string) => text.push_str(&json!(&**string).to_string()),
        other => text.push_str(&format!("{other:?}")),
    }
}

/// `$pad(text, width, char)`: blanks, or the characters, up to the width; before the text where that is negative.
/// Source: docs.jsonata.org, "String functions".
fn pad(arguments: &[JValue]) -> Result<JValue, EvaluatorError> {
    let mismatch = |index: usize| {
        EvaluatorError::TypeError(format!(
            "T0410: Argument {index} of function \"pad\" does not match function signature"
        ))
    };
    let text = match arguments.first() {
        None | Some(JValue::Undefined) => return Ok(JValue::Undefined),
        Some(text) => text.as_str().ok_or_else(|| mismatch(1))?,
    };
    let width = arguments.get(1).and_then(JValue::as_f64);
    let width = width.ok_or_else(|| mismatch(2))?;
    let filler = match arguments.get(2) {
        None | Some(JValue::Undefined) => " ",
        Some(filler) => filler.as_str().ok_or_else(|| mismatch(3))?,
    };
    let filler = if filler.is_empty() { " " } else { filler };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float saturates, and is not negative"
    )]
    let wanted = width.abs() as usize;
    if wanted.saturating_mul(4) > EVALUATED_BYTES_MAX {
        return Err(too_large());
    }
    let missing = wanted.saturating_sub(text.chars().count());
    let padding: String = filler.chars().cycle().take(missing).collect();
    Ok(JValue::string(if width < 0.0 {
        format!("{padding}{text}")
    } else {
        format!("{text}{padding}")
    }))
}

/// The bytes of a value, about; `None` past the limit. What occurs twice counts twice.
fn size(value: &JValue, limit: usize) -> Option<usize> {
    let mut left = limit;
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        let bytes = match value {
            JValue::String(text) => 4 + text.len(),
            JValue::Array(items) => {
                // Those beyond what is left can't fit anyway.
                open.extend(items.iter().take(left));
                4
            }
            JValue::Object(members) => {
                open.extend(members.values());
                members.keys().map(|name| name.len() + 4).sum::<usize>() + 4
            }
            _ => 4,
        };
        left = left.checked_sub(bytes)?;
    }
    Some(limit - left)
}

fn too_large() -> EvaluatorError {
    EvaluatorError::EvaluationError(format!(
        "D2015: A value passes the limit of {EVALUATED_BYTES_MAX} bytes"
    ))
}
