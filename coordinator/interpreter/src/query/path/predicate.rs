//! Tells whether a node passes a filter, with Jayway's conversions: `'1' == 1` holds, a missing
//! node equals nothing, and an order exists among numbers and among texts only.

use std::borrow::Cow;
use std::cmp::Ordering;

use regex::Regex;
use serde_json::{Number, Value};

use super::compiled::resolve;
use super::evaluate::walk;
use super::filter::{Operand, Operator, Reference, Test};
use crate::query::budget::Budget;

impl Test {
    /// Whether `node` passes, `root` being what `$` means. Past the budget nothing passes; the
    /// caller asks the budget.
    pub(super) fn holds(&self, node: &Value, root: &Value, budget: &Budget) -> bool {
        match self {
            Test::All(tests) => tests.iter().all(|test| test.holds(node, root, budget)),
            Test::Any(tests) => tests.iter().any(|test| test.holds(node, root, budget)),
            Test::Not(test) => !test.holds(node, root, budget),
            Test::Exists(reference) => reference.exists(node, root, budget),
            Test::Compare {
                left,
                operator,
                right,
            } => {
                let left = left.value(node, root, budget);
                let right = right.value(node, root, budget);
                operator.holds(left.as_deref(), right.as_deref(), budget)
            }
            Test::Matches(operand, pattern) => {
                let value = operand.value(node, root, budget);
                value.is_some_and(|value| fits(pattern, &value, budget))
            }
        }
    }
}

impl Operand {
    fn value<'v>(
        &'v self,
        node: &'v Value,
        root: &'v Value,
        budget: &Budget,
    ) -> Option<Cow<'v, Value>> {
        match self {
            Operand::Literal(value) => Some(Cow::Borrowed(value)),
            Operand::Reference(reference) => reference.value(node, root, budget),
        }
    }
}

impl Reference {
    /// What the path finds; an indefinite one finds an array.
    pub(super) fn value<'v>(
        &self,
        node: &'v Value,
        root: &'v Value,
        budget: &Budget,
    ) -> Option<Cow<'v, Value>> {
        budget.visit(1 + self.steps.len()).ok()?;
        let start = if self.from_node { node } else { root };
        resolve(&self.steps, self.definite, start, root, budget).ok()
    }

    fn exists(&self, node: &Value, root: &Value, budget: &Budget) -> bool {
        if self.definite {
            return self.value(node, root, budget).is_some();
        }
        let start = if self.from_node { node } else { root };
        walk(&self.steps, start, root, budget).is_ok_and(|found| !found.is_empty())
    }
}

impl Operator {
    fn holds(self, left: Option<&Value>, right: Option<&Value>, budget: &Budget) -> bool {
        let within = |list: Option<&Value>, item: &Value| {
            list.and_then(Value::as_array)
                .is_some_and(|items| holds_item(items, item, budget))
        };
        let lists = || Some((left?.as_array()?, right?.as_array()?));
        match self {
            Operator::Equal => equal(left, right, budget),
            Operator::NotEqual => !equal(left, right, budget),
            Operator::Same => same(left, right, budget),
            Operator::NotSame => !same(left, right, budget),
            Operator::Less => compare(left, right, budget).is_some_and(Ordering::is_lt),
            Operator::LessOrEqual => compare(left, right, budget).is_some_and(Ordering::is_le),
            Operator::Greater => compare(left, right, budget).is_some_and(Ordering::is_gt),
            Operator::GreaterOrEqual => compare(left, right, budget).is_some_and(Ordering::is_ge),
            Operator::In => left.is_some_and(|item| within(right, item)),
            Operator::NotIn => !left.is_some_and(|item| within(right, item)),
            Operator::SubsetOf => lists().is_some_and(|(left, right)| {
                left.iter().all(|item| holds_item(right, item, budget))
            }),
            Operator::AnyOf => lists().is_some_and(|(left, right)| {
                left.iter().any(|item| holds_item(right, item, budget))
            }),
            Operator::NoneOf => lists().is_some_and(|(left, right)| {
                !left.iter().any(|item| holds_item(right, item, budget))
            }),
            Operator::AllOf => lists().is_some_and(|(left, right)| {
                right.iter().all(|item| holds_item(left, item, budget))
            }),
            Operator::Contains => match (left, right) {
                (Some(Value::String(text)), Some(Value::String(part))) => {
                    budget.visit(1 + text.len() / 64).is_ok() && text.contains(part.as_str())
                }
                (list, Some(item)) => within(list, item),
                (_, None) => false,
            },
            Operator::Size => {
                size(left).is_some_and(|size| right.and_then(Value::as_u64) == Some(size))
            }
            Operator::Empty => match (left, right) {
                (Some(Value::Object(members)), Some(Value::Bool(empty))) => {
                    members.is_empty() == *empty
                }
                (left, Some(Value::Bool(empty))) => {
                    size(left).is_some_and(|size| (size == 0) == *empty)
                }
                _ => false,
            },
        }
    }
}

fn equal(left: Option<&Value>, right: Option<&Value>, budget: &Budget) -> bool {
    let (Some(left), Some(right)) = (left, right) else {
        return false;
    };
    if budget.visit_all(left).is_err() || budget.visit_all(right).is_err() {
        return false;
    }
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            order(left, right).is_some_and(Ordering::is_eq)
        }
        (Value::Number(number), Value::String(text)) => serde_json::from_str::<Number>(text.trim())
            .is_ok_and(|text| order(number, &text).is_some_and(Ordering::is_eq)),
        (Value::String(text), Value::Number(number)) => *text == number.to_string(),
        _ => left == right,
    }
}

fn same(left: Option<&Value>, right: Option<&Value>, budget: &Budget) -> bool {
    let types = left
        .zip(right)
        .map(|(left, right)| (left.is_string(), right.is_string()));
    types.is_some_and(|(left, right)| left == right) && equal(left, right, budget)
}

fn compare(left: Option<&Value>, right: Option<&Value>, budget: &Budget) -> Option<Ordering> {
    budget.visit_all(left?).ok()?;
    match (left?, right?) {
        (Value::Number(left), Value::Number(right)) => order(left, right),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::String(left), Value::Number(right)) => Some(left.cmp(&right.to_string())),
        (Value::Number(left), Value::String(right)) => Some(left.to_string().cmp(right)),
        _ => None,
    }
}

/// Compares integers exactly, others as floats.
fn order(left: &Number, right: &Number) -> Option<Ordering> {
    match (left.as_i128(), right.as_i128()) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

fn holds_item(items: &[Value], item: &Value, budget: &Budget) -> bool {
    items
        .iter()
        .any(|held| equal(Some(item), Some(held), budget))
}

fn size(value: Option<&Value>) -> Option<u64> {
    let size = match value? {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return None,
    };
    u64::try_from(size).ok()
}

/// A pattern fits a text, a number's or boolean's text, or any of an array's.
fn fits(pattern: &Regex, value: &Value, budget: &Budget) -> bool {
    if budget.visit_all(value).is_err() {
        return false;
    }
    match value {
        Value::String(text) => pattern.is_match(text),
        Value::Number(number) => pattern.is_match(&number.to_string()),
        Value::Bool(boolean) => pattern.is_match(if *boolean { "true" } else { "false" }),
        Value::Array(items) => items
            .iter()
            .any(|item| !item.is_array() && fits(pattern, item, budget)),
        Value::Null | Value::Object(_) => pattern.is_match(""),
    }
}
