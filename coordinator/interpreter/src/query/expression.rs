//! What a field ending in `.$` holds, and ErrorPath and CausePath too: a path or an intrinsic call.

use std::borrow::Cow;

use serde_json::Value;

use super::budget::{Budget, Excess};
use super::intrinsic::{Call, Failure, parse_call};
use super::path::Lookup;
use super::{Data, Error, Path};
use crate::limits::QUERY_TEXT_BYTES_MAX;

/// A path (`$.a`) or an intrinsic call (`States.Format('{}', $.a)`).
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Path(Path),
    Call(Call),
}

impl Expression {
    /// Reads a path or an intrinsic call.
    ///
    /// # Errors
    /// What is wrong with the text, at which column, and what would be right.
    pub fn parse(text: &str) -> Result<Expression, String> {
        if text.len() > QUERY_TEXT_BYTES_MAX {
            return Err(format!(
                "a path or an intrinsic call is at most {QUERY_TEXT_BYTES_MAX} bytes long"
            ));
        }
        let kind = if text.trim_start().starts_with('$') {
            Kind::Path(Path::parse(text)?)
        } else {
            Kind::Call(parse_call(text)?)
        };
        Ok(Expression {
            text: text.to_owned(),
            kind,
        })
    }

    /// The expression as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The expression's value: see [`Path::get`] for a path.
    ///
    /// # Errors
    /// [`Error::Path`] where a definite path finds nothing, which the caller words with
    /// [`Error::in_field`]; [`Error::Argument`] and [`Error::Intrinsic`] from a call; [`Error::Limit`].
    pub fn get<'a>(&self, data: &Data<'a>) -> Result<Cow<'a, Value>, Error> {
        match &self.kind {
            Kind::Path(path) => path.get(data),
            Kind::Call(call) => self.call(call, data, &Budget::new()),
        }
    }

    /// The text of every path in the expression.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let mut paths = Vec::new();
        match &self.kind {
            Kind::Path(path) => paths.push(path.text()),
            Kind::Call(call) => call.collect_paths(&mut paths),
        }
        paths.into_iter()
    }

    /// The value for the template field `field`, paid for from the template's budget.
    ///
    /// An index past an array's end gives null here, unlike in a Path field or an intrinsic's
    /// argument: so AWS answers.
    pub(super) fn fill(
        &self,
        field: &str,
        data: &Data<'_>,
        budget: &Budget,
        depth: usize,
    ) -> Result<Value, Error> {
        let limit = |excess: Excess| Error::limit(&self.text, excess);
        let value = match &self.kind {
            Kind::Call(call) => self.call(call, data, budget)?,
            Kind::Path(path) => match path.look_up(data, budget) {
                Ok(value) => value,
                Err(Lookup::PastTheEnd(_)) => Cow::Owned(Value::Null),
                Err(Lookup::Missing(_)) => {
                    return Err(Error::Field {
                        path: self.text.clone(),
                        field: field.to_owned(),
                        searched: path.searched(data).to_string(),
                    });
                }
                Err(Lookup::Excess(excess)) => return Err(limit(excess)),
            },
        };
        budget.copy(&value, depth).map_err(limit)?;
        Ok(value.into_owned())
    }

    fn call<'a>(
        &self,
        call: &Call,
        data: &Data<'a>,
        budget: &Budget,
    ) -> Result<Cow<'a, Value>, Error> {
        call.evaluate(data, budget)
            .map(Cow::Owned)
            .map_err(|failure| match failure {
                Failure::Missing { path } => Error::Argument {
                    call: self.text.clone(),
                    path,
                    input: data.input.to_string(),
                },
                Failure::Refused(reason) => Error::Intrinsic {
                    call: self.text.clone(),
                    reason,
                },
                Failure::Excess(excess) => Error::limit(&self.text, excess),
            })
    }
}
