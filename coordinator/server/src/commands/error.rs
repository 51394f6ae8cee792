//! What a client is told when its request was not done, in Step Functions' names and words.

use std::error::Error as _;

use sagamore_interpreter::definition::Fault;

use crate::advance::Error as AdvanceError;
use crate::store::Error as StoreError;

/// Why a request was not done. The caller acts on it, except where [`ApiError::is_passing`] says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct ApiError {
    /// The error's name, as SDKs know it: `ExecutionAlreadyExists`.
    pub name: &'static str,
    /// The text for people, in Step Functions' words where it has some.
    pub message: String,
    /// What is wrong with a definition, each fault with its place and remedy; empty for every other error.
    pub faults: Vec<Fault>,
}

impl ApiError {
    /// An error with a name and a text.
    pub fn new(name: &'static str, message: impl Into<String>) -> ApiError {
        ApiError {
            name,
            message: message.into(),
            faults: Vec::new(),
        }
    }

    /// A definition that is refused.
    ///
    /// The message is what Step Functions would say; where each fault stands and what would be right is in `faults`.
    pub fn invalid_definition(faults: Vec<Fault>) -> ApiError {
        let root = |pointer: &str| {
            if pointer.is_empty() {
                "/".to_owned()
            } else {
                pointer.to_owned()
            }
        };
        let said: Vec<String> = faults
            .iter()
            .map(|fault| {
                format!(
                    "{}: {} at {}",
                    fault.code,
                    fault.problem,
                    root(&fault.pointer)
                )
            })
            .collect();
        let message = format!("Invalid State Machine Definition: '{}'", said.join(", "));
        ApiError {
            name: "InvalidDefinition",
            message,
            faults,
        }
    }

    /// A member of the request that breaks one constraint.
    pub fn constraint(member: &str, value: &str, constraint: &str) -> ApiError {
        let message = format!(
            "1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: {constraint}"
        );
        ApiError::new("ValidationException", message)
    }

    /// A request that can't be done as asked.
    pub fn validation(message: impl Into<String>) -> ApiError {
        ApiError::new("ValidationException", message)
    }

    /// There is no such machine.
    pub fn no_machine(arn: &str) -> ApiError {
        ApiError::new(
            "StateMachineDoesNotExist",
            format!("State Machine Does Not Exist: '{arn}'"),
        )
    }

    /// The operation is for machines of the other type.
    pub fn wrong_machine_kind() -> ApiError {
        ApiError::new(
            "StateMachineTypeNotSupported",
            "This operation is not supported by this type of state machine",
        )
    }

    /// There is no such execution.
    pub fn no_execution(arn: &str) -> ApiError {
        ApiError::new(
            "ExecutionDoesNotExist",
            format!("Execution Does Not Exist: '{arn}'"),
        )
    }

    /// An ARN that can't be used; `problem` says why.
    pub fn invalid_arn(problem: &str) -> ApiError {
        ApiError::new("InvalidArn", format!("Invalid Arn: '{problem}'"))
    }

    /// A task token or page token that is none.
    pub fn invalid_token() -> ApiError {
        ApiError::new("InvalidToken", "Invalid Token: 'Invalid token'")
    }

    /// A fault of the coordinator, not of the caller.
    pub fn internal(message: impl Into<String>) -> ApiError {
        ApiError::new(INTERNAL_FAILURE, message)
    }

    /// Whether the same request will do later, as it is: the store is away, or this coordinator stops. Whoever brings a
    /// command over AMQP holds its delivery rather than answer it.
    pub fn is_passing(&self) -> bool {
        self.name == SERVICE_UNAVAILABLE
    }

    /// Whether the coordinator is to blame.
    pub fn is_internal(&self) -> bool {
        self.name == INTERNAL_FAILURE
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> ApiError {
        let causes = causes(&error);
        match error {
            StoreError::Unavailable(_) => {
                tracing::warn!(error = causes, "a request could not be answered");
                ApiError::new(SERVICE_UNAVAILABLE, "The store does not answer. Try again.")
            }
            StoreError::Refused(_) | StoreError::Corrupt { .. } => {
                tracing::error!(error = causes, "a request could not be answered");
                ApiError::internal("The coordinator failed to answer; its log says why.")
            }
        }
    }
}

impl From<AdvanceError> for ApiError {
    fn from(error: AdvanceError) -> ApiError {
        match error {
            AdvanceError::UnknownExecution => {
                ApiError::new("ExecutionDoesNotExist", "Execution Does Not Exist")
            }
            AdvanceError::SetAside(problem) => ApiError::internal(format!(
                "The execution was set aside as an incident: {problem}"
            )),
            AdvanceError::Stopping => ApiError::new(
                SERVICE_UNAVAILABLE,
                "The coordinator is stopping. Try again.",
            ),
        }
    }
}

/// An error with all its causes, on one line.
fn causes(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}

const SERVICE_UNAVAILABLE: &str = "ServiceUnavailable";
const INTERNAL_FAILURE: &str = "InternalFailure";
