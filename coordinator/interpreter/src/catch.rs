//! Which catcher takes an error, and what it makes of it. Source: States Language, "Fallback states".

use serde_json::{Value, json};

use crate::decide::Failure;
use crate::definition::{Catcher, ErrorName};

/// What nobody can catch or retry: the definition or its data is wrong. Source: Step Functions, "Error names".
const RUNTIME: &str = "States.Runtime";
/// What `States.TaskFailed` does not take. Its documentation says the same of `States.ALL`, but the service takes it there.
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
            ErrorName::All => true,
            ErrorName::TaskFailed => error != TIMEOUT && error != DATA_LIMIT_EXCEEDED,
            ErrorName::Named(name) => name == error,
        })
}

/// What a catcher makes of an error: `{Error, Cause}`. Source: States Language, "Error output".
pub(crate) fn error_output(failure: &Failure) -> Value {
    let mut error_output = json!({ "Error": failure.error });
    if let Some(cause) = &failure.cause {
        error_output["Cause"] = json!(cause);
    }
    error_output
}
