//! JSONata as the States Language has it: `{% … %}`, `$states`, variables, six functions more and one less.
//!
//! Source: AWS, "Transforming data with JSONata in Step Functions"; jsonata.org. An expression reads nothing but `$states`
//! and the variables. What it may cost is bounded: its time, how deep it calls itself, how long its sequences and how
//! large its values get.

mod convert;
mod function;
mod guard;
mod plain;
mod reads;

use std::borrow::Cow;

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::parser;
use jsonata_core::value::JValue;
use serde_json::Value;

use self::plain::Plain;
use self::reads::Reads;
use super::budget::{Budget, Excess};
use super::{Data, Error};
use crate::limits::{
    JSONATA_CALLS_MAX, JSONATA_MILLISECONDS_MAX, JSONATA_SEQUENCE_ITEMS_MAX, QUERY_TEXT_BYTES_MAX,
};

const OPEN: &str = "{%";
const CLOSE: &str = "%}";

/// An expression, and the field that holds it.
#[derive(Debug)]
pub struct Jsonata {
    /// What stands between `{%` and `%}`, without blanks around.
    text: String,
    /// The field of the state, with slashes: `Arguments/amount`.
    field: String,
    tree: Box<AstNode>,
    reads: Box<Reads>,
    /// The same as a walk from name to name, where it is nothing else.
    plain: Option<Plain>,
}

impl Jsonata {
    /// Whether a text is meant to be an expression: it has one of the marks at its end.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(OPEN) || text.ends_with(CLOSE)
    }

    /// Reads an expression in its marks: `{% $states.input.amount * 2 %}`.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn parse(text: &str, field: &str) -> Result<Jsonata, String> {
        if text.len() > QUERY_TEXT_BYTES_MAX {
            return Err(format!(
                "an expression is at most {QUERY_TEXT_BYTES_MAX} bytes long"
            ));
        }
        let inner = text
            .strip_prefix(OPEN)
            .and_then(|text| text.strip_suffix(CLOSE))
            .map(str::trim)
            .ok_or("an expression stands between '{%' and '%}', with nothing around them")?;
        let tree = parser::parse(inner).map_err(|error| error.display_message())?;
        let plain = Plain::of(&tree);
        let (tree, reads) = reads::prepare(tree)?;
        Ok(Jsonata {
            text: inner.to_owned(),
            field: field.to_owned(),
            tree: Box::new(tree),
            reads: Box::new(reads),
            plain,
        })
    }

    /// The expression, without its marks.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The field that holds it.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The variables it reads.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.reads.variables.iter().map(String::as_str)
    }

    /// The members of `$states` it reads: `input`, `result`, `errorOutput`, `context`.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.reads.members.iter().map(String::as_str)
    }

    /// Its value.
    ///
    /// # Errors
    /// [`Error::Jsonata`] where it has none, or one that is no JSON, or where it fails; [`Error::Limit`].
    pub fn get<'a>(&self, data: &Data<'a>) -> Result<Cow<'a, Value>, Error> {
        self.get_within(data, &Budget::new())
    }

    pub(super) fn get_within<'a>(
        &self,
        data: &Data<'a>,
        budget: &Budget,
    ) -> Result<Cow<'a, Value>, Error> {
        if let Some(found) = self.plain.as_ref().and_then(|plain| plain.find(data)) {
            return found.map(Cow::Borrowed).ok_or_else(|| self.undefined());
        }
        let value = self.evaluate(data).map_err(|error| self.thrown(&error))?;
        if value.is_undefined() {
            return Err(self.undefined());
        }
        match convert::to_json(&value, budget) {
            Ok(value) => Ok(Cow::Owned(value)),
            Err(convert::Unfit::Function) => {
                Err(self.failed("returned an unsupported result type."))
            }
            Err(convert::Unfit::Excess(excess)) => Err(self.limit(excess)),
        }
    }

    /// That its value has another type than its field.
    pub fn unexpected(&self, expected: &str, value: &Value) -> Error {
        let found = convert::type_name(value);
        self.failed(format!(
            "returned an unexpected result type. Expected '{expected}', but was '{found}' for value: {value}"
        ))
    }

    /// That its value has the type of its field, but is not what that takes.
    pub fn unfit(&self, expected: &str, value: &Value) -> Error {
        self.failed(format!("returned {value}, which is not {expected}."))
    }

    fn evaluate(&self, data: &Data<'_>) -> Result<JValue, EvaluatorError> {
        let mut context = Context::new();
        if !self.reads.members.is_empty() {
            context.bind("states".to_owned(), self.reads.states(data));
        }
        for name in &self.reads.variables {
            if let Some(value) = data.variables.variable(name) {
                context.bind(name.clone(), convert::from_json(value));
            }
        }
        if self.reads.now {
            let now = data.context.now_milliseconds();
            context.bind(reads::NOW.to_owned(), JValue::Number(now));
        }
        let options = EvaluatorOptions {
            timeout_ms: Some(JSONATA_MILLISECONDS_MAX),
            cancel: None,
            max_stack_depth: Some(JSONATA_CALLS_MAX),
            max_sequence_length: Some(JSONATA_SEQUENCE_ITEMS_MAX),
        };
        let mut evaluator = Evaluator::with_options(context, options);
        function::register(&mut evaluator, &self.reads.functions, &data.random)?;
        guard::register(&mut evaluator, &self.reads.functions)?;
        evaluator.evaluate(&self.tree, &JValue::Undefined)
    }

    fn undefined(&self) -> Error {
        self.failed("returned nothing (undefined).")
    }

    fn thrown(&self, error: &EvaluatorError) -> Error {
        let message = error.message();
        // The name that could not be called is the engine's own addition.
        let message = match message.split_once(':') {
            Some(("T1006", _)) => "T1006: Attempted to invoke a non-function",
            _ => message,
        };
        self.failed(format!("threw an error during evaluation. {message}"))
    }

    fn failed(&self, problem: impl Into<String>) -> Error {
        Error::Jsonata {
            expression: self.text.clone(),
            field: self.field.clone(),
            problem: problem.into(),
        }
    }

    fn limit(&self, excess: Excess) -> Error {
        Error::limit(&self.text, excess)
    }
}

impl PartialEq for Jsonata {
    fn eq(&self, other: &Jsonata) -> bool {
        (&self.text, &self.field) == (&other.text, &other.field)
    }
}

#[cfg(test)]
mod tests;
