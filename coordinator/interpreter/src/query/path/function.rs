//! The functions that end a path: `$.lines.length()`, `$..price.sum()`, `$.names.concat('!')`.

use std::borrow::Cow;

use serde_json::{Number, Value};

use super::evaluate::{Miss, item};
use super::filter::{Operand, Reference, parse_json};
use super::parse::{Place, parse_quoted, parse_steps};
use crate::limits::FILTER_DEPTH_MAX;
use crate::query::budget::Budget;
use crate::query::cursor::Cursor;

/// A function of a path with its parameters.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) function: Function,
    parameters: Vec<Operand>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Min,
    Max,
    Average,
    StandardDeviation,
    Sum,
    Length,
    Size,
    Keys,
    Concatenate,
    Append,
    First,
    Last,
    Index,
}

const FUNCTIONS: [(&str, Function); 13] = [
    ("min", Function::Min),
    ("max", Function::Max),
    ("avg", Function::Average),
    ("stddev", Function::StandardDeviation),
    ("sum", Function::Sum),
    ("length", Function::Length),
    ("size", Function::Size),
    ("keys", Function::Keys),
    ("concat", Function::Concatenate),
    ("append", Function::Append),
    ("first", Function::First),
    ("last", Function::Last),
    ("index", Function::Index),
];

impl Function {
    pub(super) fn name(self) -> &'static str {
        FUNCTIONS
            .iter()
            .find(|(_, function)| *function == self)
            .map_or("", |(name, _)| name)
    }
}

/// Reads the parameters of the function `name`, from its opening parenthesis.
pub(super) fn parse_call(
    cursor: &mut Cursor<'_>,
    name: &str,
    at_name: &Cursor<'_>,
    depth: usize,
) -> Result<Call, String> {
    if depth >= FILTER_DEPTH_MAX {
        return Err(cursor.fault(&format!("functions nest {FILTER_DEPTH_MAX} deep at most")));
    }
    let Some((_, function)) = FUNCTIONS.iter().find(|(known, _)| *known == name) else {
        let names: Vec<&str> = FUNCTIONS.iter().map(|(name, _)| *name).collect();
        return Err(at_name.fault(&format!(
            "'{name}' is no function; there are {}",
            names.join(", ")
        )));
    };
    cursor.expect("(", "after a function's name")?;
    let mut parameters = Vec::new();
    cursor.skip_blanks();
    if !cursor.eat(")") {
        loop {
            parameters.push(parse_parameter(cursor, depth + 1)?);
            cursor.skip_blanks();
            if !cursor.eat(",") {
                break;
            }
        }
        cursor.expect(")", "to close the parameters")?;
    }
    Ok(Call {
        function: *function,
        parameters,
    })
}

fn parse_parameter(cursor: &mut Cursor<'_>, depth: usize) -> Result<Operand, String> {
    cursor.skip_blanks();
    match cursor.peek() {
        Some('@' | '$') => {
            let from_node = !cursor.eat("$");
            if from_node {
                cursor.eat("@");
            }
            let steps = parse_steps(cursor, Place::Argument, depth)?;
            let definite = super::compiled::definite(&steps);
            Ok(Operand::Reference(Reference {
                from_node,
                steps,
                definite,
            }))
        }
        Some('\'' | '"') => parse_quoted(cursor).map(|text| Operand::Literal(Value::String(text))),
        _ => parse_json(cursor).map(Operand::Literal),
    }
}

impl Call {
    /// The function's value for `node`; `None` where it has none.
    pub(super) fn apply(
        &self,
        node: &Value,
        root: &Value,
        budget: &Budget,
    ) -> Result<Option<Value>, Miss<'static>> {
        let mut parameters = Vec::with_capacity(self.parameters.len());
        for parameter in &self.parameters {
            parameters.extend(match parameter {
                Operand::Literal(value) => Some(Cow::Borrowed(value)),
                Operand::Reference(reference) => reference.value(node, root, budget),
            });
        }
        match self.function {
            Function::Length | Function::Size => {
                Ok(Some(length(parameters.first().map_or(node, |value| value))))
            }
            Function::Keys => Ok(Some(match node {
                Value::Object(members) => {
                    Value::Array(members.keys().cloned().map(Value::String).collect())
                }
                _ => Value::Null,
            })),
            Function::Concatenate => concatenate(node, &parameters, budget).map(Some),
            Function::Append => append(node, &parameters, budget).map(Some),
            Function::First => nth(node, 0, budget),
            Function::Last => nth(node, -1, budget),
            Function::Index => match parameters.first().and_then(|index| index.as_i64()) {
                Some(index) => nth(node, index, budget),
                None => Err(Miss::Function("Function index needs the number of an item")),
            },
            Function::Min
            | Function::Max
            | Function::Average
            | Function::StandardDeviation
            | Function::Sum => {
                let numbers = numbers(node, &parameters, budget)?;
                let value = aggregate(self.function, &numbers);
                Ok(Some(
                    value
                        .and_then(Number::from_f64)
                        .map_or(Value::Null, Value::Number),
                ))
            }
        }
    }
}

fn length(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::from(items.len()),
        Value::Object(members) => Value::from(members.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Value::Null,
    }
}

fn nth(node: &Value, index: i64, budget: &Budget) -> Result<Option<Value>, Miss<'static>> {
    let Some(found) = node.as_array().and_then(|items| item(items, index)) else {
        return Ok(None);
    };
    budget.copy(found, 0)?;
    Ok(Some(found.clone()))
}

fn concatenate(
    node: &Value,
    parameters: &[Cow<'_, Value>],
    budget: &Budget,
) -> Result<Value, Miss<'static>> {
    let mut text = String::new();
    let items = node.as_array().into_iter().flatten();
    for value in items.chain(parameters.iter().map(|parameter| parameter.as_ref())) {
        let parts = match value {
            Value::Array(parts) => parts.as_slice(),
            single => std::slice::from_ref(single),
        };
        for part in parts.iter().filter_map(Value::as_str) {
            budget.build(part.len())?;
            text.push_str(part);
        }
    }
    Ok(Value::String(text))
}

fn append(
    node: &Value,
    parameters: &[Cow<'_, Value>],
    budget: &Budget,
) -> Result<Value, Miss<'static>> {
    budget.copy(node, 0)?;
    let mut result = node.clone();
    if let Value::Array(items) = &mut result {
        for parameter in parameters {
            budget.copy(parameter, 1)?;
            items.push(parameter.as_ref().clone());
        }
    }
    Ok(result)
}

/// The numbers of an array and of the parameters; other items do not count.
fn numbers(
    node: &Value,
    parameters: &[Cow<'_, Value>],
    budget: &Budget,
) -> Result<Vec<f64>, Miss<'static>> {
    let mut numbers = Vec::new();
    let items = node.as_array().into_iter().flatten();
    for value in items.chain(parameters.iter().map(|parameter| parameter.as_ref())) {
        budget.visit(1)?;
        match value {
            Value::Array(items) => {
                budget.visit(items.len())?;
                numbers.extend(items.iter().filter_map(Value::as_f64));
            }
            single => numbers.extend(single.as_f64()),
        }
    }
    if numbers.is_empty() {
        return Err(Miss::Function(
            "Aggregation function attempted to calculate value using empty array",
        ));
    }
    Ok(numbers)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a count of nodes is far below 2^53"
)]
fn aggregate(function: Function, numbers: &[f64]) -> Option<f64> {
    let count = numbers.len() as f64;
    let sum: f64 = numbers.iter().sum();
    match function {
        Function::Min => numbers.iter().copied().reduce(f64::min),
        Function::Max => numbers.iter().copied().reduce(f64::max),
        Function::Sum => Some(sum),
        Function::Average => Some(sum / count),
        Function::StandardDeviation => {
            let mean = sum / count;
            let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
            Some((squares / count).sqrt())
        }
        Function::Length | Function::Size | Function::Keys | Function::Concatenate => None,
        Function::Append | Function::First | Function::Last | Function::Index => None,
    }
}
