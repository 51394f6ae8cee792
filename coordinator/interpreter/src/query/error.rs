//! Why a query failed while an execution ran, in AWS's words where AWS has any.

use serde_json::Value;

use super::budget::Excess;

/// Why a query failed while an execution ran. The state fails with [`Error::name`], and the Display
/// text is its cause; the caller puts "An error occurred while executing the state …" before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A definite path of a Path field (InputPath, Variable, SecondsPath …) found nothing.
    #[error("Invalid path '{path}' : {reason}")]
    Path {
        /// The path as written.
        path: String,
        /// What was missing, and where.
        reason: String,
    },
    /// A definite path of a payload template's field, or of ErrorPath and CausePath, found nothing.
    #[error(
        "The JSONPath '{path}' specified for the field '{field}' could not be found in the input '{searched}'"
    )]
    Field {
        /// The path as written.
        path: String,
        /// The field's key as written, with its `.$`.
        field: String,
        /// The JSON text of what was searched.
        searched: String,
    },
    /// A definite path among an intrinsic call's arguments found nothing.
    #[error(
        "The function '{call}' had the following error: The JsonPath argument for the field '{path}' could not be found in the input '{input}'"
    )]
    Argument {
        /// The outermost call as written.
        call: String,
        /// The path, told from the context object's root if it is one of `$$`.
        path: String,
        /// The JSON text of the state's input.
        input: String,
    },
    /// An intrinsic function refused its arguments' values.
    #[error("The function '{call}' had the following error: {reason}")]
    Intrinsic {
        /// The outermost call as written.
        call: String,
        /// Which function refused what.
        reason: String,
    },
    /// A result cannot be put where ResultPath points.
    #[error("Unable to apply ReferencePath {path} to input {input}")]
    ResultPath {
        /// The path as written.
        path: String,
        /// The JSON text of the input.
        input: String,
    },
    /// A JSONata expression failed, or gave what its field can't take.
    #[error("The JSONata expression '{expression}' specified for the field '{field}' {problem}")]
    Jsonata {
        /// The expression, without its marks.
        expression: String,
        /// Its field, with slashes.
        field: String,
        /// What happened.
        problem: String,
    },
    /// The query or its result passes a limit.
    #[error("The query '{query}' was stopped: {excess}")]
    Limit {
        /// The query's text; empty for a whole template.
        query: String,
        /// Which limit was passed.
        excess: String,
    },
}

impl Error {
    /// The error name that Retry and Catch see.
    pub fn name(&self) -> &'static str {
        match self {
            Error::Path { .. } | Error::Field { .. } | Error::Argument { .. } => "States.Runtime",
            Error::Intrinsic { .. } => "States.IntrinsicFailure",
            Error::Jsonata { .. } => "States.QueryEvaluationError",
            Error::ResultPath { .. } => "States.ResultPathMatchFailure",
            Error::Limit { .. } => "States.DataLimitExceeded",
        }
    }

    /// The field whose JSONata failed.
    pub fn jsonata_field(&self) -> Option<&str> {
        match self {
            Error::Jsonata { field, .. } => Some(field),
            _ => None,
        }
    }

    /// Words a missing path as payload templates do, naming the field that holds it: what ErrorPath
    /// and CausePath want of an [`Expression`](super::Expression). Other errors stay as they are.
    pub fn in_field(self, field: &str, searched: &Value) -> Error {
        match self {
            Error::Path { path, .. } => Error::Field {
                path,
                field: field.to_owned(),
                searched: searched.to_string(),
            },
            other => other,
        }
    }

    pub(super) fn limit(query: &str, excess: Excess) -> Error {
        Error::Limit {
            query: query.to_owned(),
            excess: excess.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(error: Error, name: &str, cause: &str) {
        assert_eq!((error.name(), error.to_string().as_str()), (name, cause));
    }

    #[test]
    fn missing_path_is_worded_for_its_field() {
        let error = Error::Path {
            path: "$.e".into(),
            reason: "No results for path: $['e']".into(),
        };
        check(
            error.clone(),
            "States.Runtime",
            "Invalid path '$.e' : No results for path: $['e']",
        );
        check(
            error.in_field("ErrorPath", &serde_json::json!({"a": 1})),
            "States.Runtime",
            r#"The JSONPath '$.e' specified for the field 'ErrorPath' could not be found in the input '{"a":1}'"#,
        );
    }
}
