//! Fail: the scope ends with an error. Source: States Language, "Fail State".

use serde_json::Value;

use super::data::Flow;
use crate::decide::{Failure, Turn};
use crate::definition::{Fail, State, Text};
use crate::execution::Broken;
use crate::ids::ScopeId;

pub(crate) fn fail(
    turn: &mut Turn<'_>,
    scope: ScopeId,
    state: &State,
    fail: &Fail,
) -> Result<(), Broken> {
    let flow = Flow::new(turn, scope, state, None)?;
    let error = text(&flow, fail.error.as_ref(), "ErrorPath");
    let cause = text(&flow, fail.cause.as_ref(), "CausePath");
    let failure = match (error, cause) {
        // An empty error is one that was not given.
        (Ok(error), Ok(cause)) => Failure::decided(error.unwrap_or_default(), cause),
        (Err(failure), _) | (_, Err(failure)) => failure,
    };
    turn.fail_scope(scope, failure, &state.name)
}

fn text(flow: &Flow<'_>, text: Option<&Text>, field: &str) -> Result<Option<String>, Failure> {
    match text {
        None => Ok(None),
        Some(Text::Literal(text)) => Ok(Some(text.clone())),
        Some(Text::Jsonata(expression)) => {
            let value = expression.get(&flow.data(&flow.raw));
            let value = value.map_err(|error| flow.failure(&error))?;
            match value.as_str() {
                Some(text) => Ok(Some(text.to_owned())),
                None => Err(flow.failure(&expression.unexpected("string", &value))),
            }
        }
        Some(Text::Path(expression)) => match expression.get(&flow.data(&flow.raw)) {
            Err(error) => Err(flow.failure(&error.in_field(field, &flow.raw))),
            Ok(found) => match &*found {
                Value::String(text) => Ok(Some(text.clone())),
                other => {
                    let path = expression.text();
                    Err(flow.runtime(format!(
                        "The {field} parameter does not reference a string: {path} == {other}"
                    )))
                }
            },
        },
    }
}
