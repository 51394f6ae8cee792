//! Operations for who holds a task token: done, failed, still at it.

use sagamore_interpreter::{ClaimedEffect, ExecutionId, Ignored, Input, Payload, Reply, Sequence};
use sagamore_messages::UNNAMED_FAILURE;
use serde_json::{Value, json};

use super::router::Api;
use crate::advance::{Error as AdvanceError, Request};
use crate::commands::stop::{CAUSE_CHARACTERS_MAX, ERROR_CHARACTERS_MAX};
use crate::commands::{ApiError, Members, read_payload};
use crate::store::Store;

/// SendTaskSuccess. An output that can't be used is refused, and the task goes on: its holder may send another.
pub(super) async fn send_success<S: Store>(
    api: &Api<S>,
    members: Members<'_>,
) -> Result<Value, ApiError> {
    let task = open(api, members)?;
    let output = members.free_text("output", usize::MAX)?;
    let output =
        output.ok_or_else(|| ApiError::constraint("output", "null", "Member must not be null"))?;
    let output = read_payload(output).map_err(|problem| {
        ApiError::new("InvalidOutput", format!("Invalid Output: '{problem}'"))
    })?;
    reply(api, task, Reply::Success(output)).await
}

/// SendTaskFailure.
pub(super) async fn send_failure<S: Store>(
    api: &Api<S>,
    members: Members<'_>,
) -> Result<Value, ApiError> {
    let task = open(api, members)?;
    let error = members
        .free_text("error", ERROR_CHARACTERS_MAX)?
        .filter(|error| !error.is_empty());
    let cause = members.free_text("cause", CAUSE_CHARACTERS_MAX)?;
    let failure = Reply::Failure {
        error: error.unwrap_or(UNNAMED_FAILURE).to_owned(),
        cause: cause.map(str::to_owned),
        effect: ClaimedEffect::None,
    };
    reply(api, task, failure).await
}

/// SendTaskHeartbeat.
pub(super) async fn send_heartbeat<S: Store>(
    api: &Api<S>,
    members: Members<'_>,
) -> Result<Value, ApiError> {
    let task = open(api, members)?;
    reply(api, task, Reply::Heartbeat).await
}

/// The result of a person's review. Source: the message contract, "Where a Task goes", `review:`.
pub(super) fn review_result(approved: bool, comment: &str, reviewer: Option<&str>) -> Payload {
    json!({ "approved": approved, "comment": comment, "reviewer": reviewer }).into()
}

/// A reply to a task.
pub(super) fn request((execution, task): (ExecutionId, Sequence), reply: Reply) -> Request {
    Request {
        execution,
        input: Input::Reply {
            task,
            reply,
            bytes: None,
        },
        machine: None,
        command: None,
    }
}

fn open<S: Store>(api: &Api<S>, members: Members<'_>) -> Result<(ExecutionId, Sequence), ApiError> {
    let token = members.required("taskToken", TOKEN_CHARACTERS_MAX)?;
    let (execution, sequence) = api.key.open(token).ok_or_else(ApiError::invalid_token)?;
    Ok((ExecutionId(execution), Sequence(sequence)))
}

async fn reply<S: Store>(
    api: &Api<S>,
    task: (ExecutionId, Sequence),
    reply: Reply,
) -> Result<Value, ApiError> {
    let answer = match api.commands.advance().submit(request(task, reply)).await {
        Ok(answer) => answer,
        Err(AdvanceError::UnknownExecution) => return Err(no_task()),
        Err(error @ (AdvanceError::SetAside(_) | AdvanceError::Stopping)) => {
            return Err(error.into());
        }
    };
    match answer.taken {
        Ok(()) => Ok(json!({})),
        Err(Ignored::TaskClosed | Ignored::ExecutionClosed | Ignored::NotDue) => Err(closed()),
        Err(Ignored::UnknownTask) => Err(no_task()),
        Err(
            Ignored::AlreadyStarted { .. }
            | Ignored::AlreadyCompensating
            | Ignored::UnknownIncident
            | Ignored::ActNotOffered
            | Ignored::NotItsChild,
        ) => Err(ApiError::internal(
            "The reply was ignored for a reason that no reply has",
        )),
    }
}

/// The task has its answer, timed out, or is no longer wanted. Source: Step Functions, `TaskTimedOut`.
fn closed() -> ApiError {
    ApiError::new(
        "TaskTimedOut",
        "Task Timed Out: 'Provided task does not exist anymore'",
    )
}

fn no_task() -> ApiError {
    ApiError::new(
        "TaskDoesNotExist",
        "Task Does Not Exist: 'Provided task does not exist'",
    )
}

/// Source: Step Functions, `TaskToken`.
const TOKEN_CHARACTERS_MAX: usize = 2_048;
