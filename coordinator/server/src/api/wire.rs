//! Step Functions' wire protocol: JSON 1.0 over `POST /`, the operation named by `X-Amz-Target`.
//!
//! Every SDK of AWS speaks it when its endpoint is set to this server. Signatures are accepted unchecked. An error is
//! `{"__type": "<Name>", "message": "…"}`; a definition's faults also come one by one in `faults`, which SDKs ignore.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sagamore_interpreter::definition::Fault;
use serde_json::{Value, json};
use uuid::Uuid;

use super::router::{Api, BodyFault, read_body};
use super::{executions, history, machines, map_runs, rest, tasks};
use crate::commands::{ApiError, Members};
use crate::store::Store;

/// An operation of Step Functions that this server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    CreateStateMachine,
    DeleteStateMachine,
    DescribeExecution,
    DescribeMapRun,
    DescribeStateMachine,
    DescribeStateMachineForExecution,
    GetExecutionHistory,
    ListExecutions,
    ListMapRuns,
    ListStateMachines,
    SendTaskFailure,
    SendTaskHeartbeat,
    SendTaskSuccess,
    StartExecution,
    StartSyncExecution,
    RollbackExecution,
    StopExecution,
    UpdateStateMachine,
    ValidateStateMachineDefinition,
}

/// `POST /`
pub(super) async fn answer<S: Store>(
    State(api): State<Api<S>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let result = match operation(&headers) {
        Ok(operation) => run(&api, operation, body).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(response) => respond(StatusCode::OK, &response),
        Err(error) => respond(status(&error), &error_body(&error)),
    }
}

/// Any other method than POST at `/`: somebody looks at the API with a browser.
pub(super) async fn wrong_method() -> Response {
    rest::error(
        StatusCode::METHOD_NOT_ALLOWED,
        "MethodNotAllowed",
        "This is Sagamore's API, which AWS SDKs speak: POST / with the header X-Amz-Target. \
         People look at /reviews, machines at /sagamore/v1/incidents, /metrics, /health and /ready.",
    )
}

/// An address that is none.
pub(super) async fn no_such_address() -> Response {
    rest::error(
        StatusCode::NOT_FOUND,
        "NotFound",
        "There is nothing at this address.",
    )
}

async fn run<S: Store>(api: &Api<S>, operation: Operation, body: Body) -> Result<Value, ApiError> {
    let body = read_body(body).await.map_err(|fault| match fault {
        BodyFault::TooLarge => ApiError::new(ENTITY_TOO_LARGE, fault.to_string()),
        BodyFault::TooSlow => ApiError::new(REQUEST_TIMEOUT, fault.to_string()),
    })?;
    let request = if body.is_empty() {
        json!({})
    } else {
        parse(&body)?
    };
    let members = Members::of(&request)?;
    match operation {
        Operation::CreateStateMachine => machines::create(api, members).await,
        Operation::DeleteStateMachine => machines::delete(api, members).await,
        Operation::DescribeExecution => executions::describe(api, members).await,
        Operation::DescribeMapRun => map_runs::describe(api, members).await,
        Operation::DescribeStateMachine => machines::describe(api, members).await,
        Operation::DescribeStateMachineForExecution => {
            machines::describe_for_execution(api, members).await
        }
        Operation::GetExecutionHistory => history::get(api, members).await,
        Operation::ListExecutions => executions::list(api, members).await,
        Operation::ListMapRuns => map_runs::list(api, members).await,
        Operation::ListStateMachines => machines::list(api, members).await,
        Operation::SendTaskFailure => tasks::send_failure(api, members).await,
        Operation::SendTaskHeartbeat => tasks::send_heartbeat(api, members).await,
        Operation::SendTaskSuccess => tasks::send_success(api, members).await,
        Operation::StartExecution => api.commands.start_execution(&request).await,
        Operation::StartSyncExecution => api.commands.start_sync_execution(&request).await,
        Operation::RollbackExecution => api.commands.rollback_execution(&request).await,
        Operation::StopExecution => api.commands.stop_execution(&request).await,
        Operation::UpdateStateMachine => machines::update(api, members).await,
        Operation::ValidateStateMachineDefinition => machines::validate(members),
    }
}

fn parse(body: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(body).map_err(|error| {
        ApiError::new(
            "SerializationException",
            format!("The request is not JSON: {error}"),
        )
    })
}

fn operation(headers: &HeaderMap) -> Result<Operation, ApiError> {
    let unknown = |message: String| ApiError::new("UnknownOperationException", message);
    let target = headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok());
    let Some(target) = target else {
        let message = "The header X-Amz-Target is missing; it names the operation, as in AWSStepFunctions.StartExecution";
        return Err(unknown(message.to_owned()));
    };
    let Some(name) = target.strip_prefix("AWSStepFunctions.") else {
        let message = format!(
            "The header X-Amz-Target is '{target}'; it should begin with 'AWSStepFunctions.'"
        );
        return Err(unknown(message));
    };
    let known = Operation::ALL
        .into_iter()
        .find(|operation| operation.as_str() == name);
    known.ok_or_else(|| {
        let names = Operation::ALL.map(Operation::as_str).join(", ");
        unknown(format!(
            "This version of Sagamore has no operation '{name}'; it has {names}"
        ))
    })
}

fn status(error: &ApiError) -> StatusCode {
    match error.name {
        ENTITY_TOO_LARGE => StatusCode::PAYLOAD_TOO_LARGE,
        REQUEST_TIMEOUT => StatusCode::REQUEST_TIMEOUT,
        _ if error.is_passing() => StatusCode::SERVICE_UNAVAILABLE,
        _ if error.is_internal() => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn error_body(error: &ApiError) -> Value {
    let mut body = json!({ "__type": error.name, "message": error.message });
    if !error.faults.is_empty() {
        body["faults"] = error.faults.iter().map(fault_body).collect();
    }
    body
}

fn fault_body(fault: &Fault) -> Value {
    json!({
        "code": fault.code.as_str(),
        "pointer": fault.pointer,
        "line": fault.line,
        "column": fault.column,
        "problem": fault.problem,
        "remedy": fault.remedy,
    })
}

fn respond(status: StatusCode, body: &Value) -> Response {
    let headers = [
        (
            header::CONTENT_TYPE.as_str(),
            "application/x-amz-json-1.0".to_owned(),
        ),
        ("x-amzn-requestid", Uuid::new_v4().to_string()),
    ];
    (status, headers, body.to_string()).into_response()
}

impl Operation {
    const ALL: [Operation; 19] = [
        Operation::CreateStateMachine,
        Operation::DeleteStateMachine,
        Operation::DescribeExecution,
        Operation::DescribeMapRun,
        Operation::DescribeStateMachine,
        Operation::DescribeStateMachineForExecution,
        Operation::GetExecutionHistory,
        Operation::ListExecutions,
        Operation::ListMapRuns,
        Operation::ListStateMachines,
        Operation::SendTaskFailure,
        Operation::SendTaskHeartbeat,
        Operation::SendTaskSuccess,
        Operation::StartExecution,
        Operation::StartSyncExecution,
        Operation::RollbackExecution,
        Operation::StopExecution,
        Operation::UpdateStateMachine,
        Operation::ValidateStateMachineDefinition,
    ];

    /// Its name in `X-Amz-Target`, behind `AWSStepFunctions.`
    fn as_str(self) -> &'static str {
        match self {
            Operation::CreateStateMachine => "CreateStateMachine",
            Operation::DeleteStateMachine => "DeleteStateMachine",
            Operation::DescribeExecution => "DescribeExecution",
            Operation::DescribeMapRun => "DescribeMapRun",
            Operation::DescribeStateMachine => "DescribeStateMachine",
            Operation::DescribeStateMachineForExecution => "DescribeStateMachineForExecution",
            Operation::GetExecutionHistory => "GetExecutionHistory",
            Operation::ListExecutions => "ListExecutions",
            Operation::ListMapRuns => "ListMapRuns",
            Operation::ListStateMachines => "ListStateMachines",
            Operation::SendTaskFailure => "SendTaskFailure",
            Operation::SendTaskHeartbeat => "SendTaskHeartbeat",
            Operation::SendTaskSuccess => "SendTaskSuccess",
            Operation::StartExecution => "StartExecution",
            Operation::StartSyncExecution => "StartSyncExecution",
            Operation::RollbackExecution => "RollbackExecution",
            Operation::StopExecution => "StopExecution",
            Operation::UpdateStateMachine => "UpdateStateMachine",
            Operation::ValidateStateMachineDefinition => "ValidateStateMachineDefinition",
        }
    }
}

const ENTITY_TOO_LARGE: &str = "RequestEntityTooLargeException";
const REQUEST_TIMEOUT: &str = "RequestTimeoutException";

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check(target: Option<&'static str>, expected: &str) {
        let mut headers = HeaderMap::new();
        if let Some(target) = target {
            headers.insert("x-amz-target", HeaderValue::from_static(target));
        }
        let read = match operation(&headers) {
            Ok(operation) => operation.as_str().to_owned(),
            Err(error) => error
                .to_string()
                .chars()
                .take(expected.chars().count())
                .collect(),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn the_target_names_the_operation() {
        for operation in Operation::ALL {
            let target = format!("AWSStepFunctions.{}", operation.as_str());
            check(Some(target.leak()), operation.as_str());
        }
    }

    #[test]
    fn a_target_that_names_none_is_told_what_would() {
        check(
            None,
            "UnknownOperationException: The header X-Amz-Target is missing; it names the operation",
        );
        check(
            Some("DynamoDB_20120810.GetItem"),
            "UnknownOperationException: The header X-Amz-Target is 'DynamoDB_20120810.GetItem'; it should begin with",
        );
        check(
            Some("AWSStepFunctions.CreateActivity"),
            "UnknownOperationException: This version of Sagamore has no operation 'CreateActivity'; it has Create",
        );
    }

    #[test]
    fn an_error_is_the_callers_the_coordinators_or_passes() {
        assert_eq!(
            status(&ApiError::no_machine("arn")),
            StatusCode::BAD_REQUEST
        );
        assert_eq!(
            status(&ApiError::internal("x")),
            StatusCode::INTERNAL_SERVER_ERROR
        );
        assert_eq!(
            status(&ApiError::new("ServiceUnavailable", "x")),
            StatusCode::SERVICE_UNAVAILABLE
        );
        assert_eq!(
            status(&ApiError::new(ENTITY_TOO_LARGE, "x")),
            StatusCode::PAYLOAD_TOO_LARGE
        );
    }

    #[test]
    fn a_refused_definition_tells_each_fault_with_its_place_and_remedy() {
        let faults =
            sagamore_interpreter::definition::Machine::parse(r#"{"StartAt": "A"}"#).unwrap_err();
        let body = error_body(&ApiError::invalid_definition(faults));
        assert_eq!(body["__type"], "InvalidDefinition");
        assert_eq!(
            body["message"],
            "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: These fields are required: [States] at /'"
        );
        assert_eq!(body["faults"][0]["line"], 1);
    }
}
