//! Which catcher takes an error, and what it makes of it. Source: States Language, "Fallback states".

use serde_json::json;

use crate::decide::Failure;
use crate::definition::{Catcher, ErrorName};
use crate::history::Payload;
use crate::query;

/// What nobody can catch or retry: the definition or its data is wrong. Source: Step Functions, "Error names".
const RUNTIME: &str = "States.Runtime";
/// What `States.ALL` does not take. Source: Step Functions, "Error names".
const DATA_LIMIT_EXCEEDED: &str = "States.DataLimitExceeded";
/// What `States.TaskFailed` does not take. Source: Step Functions, "Error names".
const TIMEOUT: &str = "States.Timeout";

/// The first catcher that names the error.
pub(crate) fn matching<'a>(catchers: &'a [Catcher], error: &str) -> Option<&'a Catcher> {
    catchers
        .iter()
        .find(|catcher| matches(&catcher.error_equals, error))
}

/// Whether a list of names takes the error.
pub(crate) fn matches(names: &[ErrorName], error: &str) -> bool {
    error != RUNTIME
        && names.iter().any(|name| match name {
            ErrorName::All => error != DATA_LIMIT_EXCEEDED,
            ErrorName::TaskFailed => error != TIMEOUT && error != DATA_LIMIT_EXCEEDED,
            ErrorName::Named(name) => name == error,
        })
}

/// The catcher's output: the error output, put where its `ResultPath` says into the state's input.
pub(crate) fn output(
    catcher: &Catcher,
    input: &Payload,
    failure: &Failure,
) -> Result<Payload, query::Error> {
    let Some(path) = &catcher.result_path else {
        return Ok(input.clone());
    };
    let mut error_output = json!({ "Error": failure.error });
    if let Some(cause) = &failure.cause {
        error_output["Cause"] = json!(cause);
    }
    path.put((**input).clone(), error_output).map(Payload::new)
}
