//! States.Format and States.StringSplit.

use std::borrow::Borrow;
use std::fmt::Write;

use serde_json::Value;

use super::call::Failure;
use crate::limits::VALUE_DEPTH_MAX;
use crate::query::budget::Budget;

/// A text with holes (`{}`) in it: the pieces around them, one more than there are holes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    pieces: Vec<String>,
}

impl Default for Pattern {
    fn default() -> Self {
        Pattern {
            pieces: vec![String::new()],
        }
    }
}

impl Pattern {
    pub(super) fn push(&mut self, c: char) {
        if let Some(piece) = self.pieces.last_mut() {
            piece.push(c);
        }
    }

    pub(super) fn push_hole(&mut self) {
        self.pieces.push(String::new());
    }

    /// The text as written, where it is no template.
    pub(super) fn text(&self) -> String {
        self.pieces.join("{}")
    }

    /// Tells whether there are as many values as holes.
    pub(super) fn check_count(&self, values: usize) -> Result<(), String> {
        let holes = self.pieces.len().saturating_sub(1);
        if holes == values {
            return Ok(());
        }
        Err(format!(
            "States.Format has {holes} '{{}}' in its template, but {values} values for them"
        ))
    }

    /// The text with each hole replaced by its value.
    pub(super) fn fill<V: Borrow<Value>>(
        &self,
        values: &[V],
        budget: &Budget,
    ) -> Result<Value, Failure> {
        self.check_count(values.len()).map_err(Failure::Refused)?;
        let mut text = String::new();
        for (index, piece) in self.pieces.iter().enumerate() {
            text.push_str(piece);
            if let Some(value) = values.get(index) {
                write_value(value.borrow(), 0, &mut text);
            }
        }
        budget.build(text.len())?;
        Ok(Value::String(text))
    }
}

/// States.Format with a template that a path or a call gave; it has no escapes but `\{`, `\}`, `\\`.
pub(super) fn fill(template: &Value, values: &[&Value], budget: &Budget) -> Result<Value, Failure> {
    let mut pattern = Pattern::default();
    let mut characters = template.as_str().unwrap_or_default().chars().peekable();
    while let Some(c) = characters.next() {
        match (c, characters.peek()) {
            ('{', Some('}')) => {
                characters.next();
                pattern.push_hole();
            }
            ('\\', Some(escaped @ ('{' | '}' | '\\'))) => {
                pattern.push(*escaped);
                characters.next();
            }
            _ => pattern.push(c),
        }
    }
    pattern.fill(values, budget)
}

/// States.StringSplit: every character of `separators` separates, and empty pieces are dropped.
pub(super) fn split(text: &Value, separators: &Value) -> Value {
    let separators: Vec<char> = separators.as_str().unwrap_or_default().chars().collect();
    let pieces = text
        .as_str()
        .unwrap_or_default()
        .split(separators.as_slice());
    Value::Array(
        pieces
            .filter(|piece| !piece.is_empty())
            .map(Value::from)
            .collect(),
    )
}

/// Writes a value as AWS does: a text bare, an array and an object as Java prints them
/// (`[1, a]`, `{Id=7, Name=x}`).
fn write_value(value: &Value, depth: usize, text: &mut String) {
    if depth > VALUE_DEPTH_MAX {
        return;
    }
    match value {
        Value::String(string) => text.push_str(string),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                write_value(item, depth + 1, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            for (index, (key, member)) in members.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                text.push_str(key);
                text.push('=');
                write_value(member, depth + 1, text);
            }
            text.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            // Writing to a String does not fail.
            let _ = write!(text, "{value}");
        }
    }
}
