//! StopExecution and RollbackExecution.

use jiff::Timestamp;
use sagamore_interpreter::{Ignored, Input};
use serde_json::{Value, json};

use super::arn::ARN_CHARACTERS_MAX;
use super::{ApiError, Commands, Members, epoch_seconds, execution_id};
use crate::advance::{Answer, Request};
use crate::store::Store;

impl<S: Store> Commands<S> {
    /// StopExecution: `{executionArn, error?, cause?}` in, `{stopDate}` out.
    ///
    /// An execution that has something to undo goes on running until that is undone. To stop one that is stopped, or
    /// has ended, is no error.
    ///
    /// # Errors
    /// `ExecutionDoesNotExist`, `InvalidArn`, `ValidationException`.
    pub async fn stop_execution(&self, request: &Value) -> Result<Value, ApiError> {
        self.stop(request, None, false).await
    }

    /// RollbackExecution: as StopExecution, but what was done is undone whatever `CompensationPolicy` says of a stop. Source: the
    /// saga extension.
    ///
    /// # Errors
    /// `ExecutionDoesNotExist`, `InvalidArn`, `ValidationException`.
    pub async fn rollback_execution(&self, request: &Value) -> Result<Value, ApiError> {
        self.stop(request, None, true).await
    }

    pub(super) async fn stop(
        &self,
        request: &Value,
        message_id: Option<&str>,
        rolls_back: bool,
    ) -> Result<Value, ApiError> {
        let members = Members::of(request)?;
        let arn = members.required("executionArn", ARN_CHARACTERS_MAX)?;
        let error = members
            .free_text("error", ERROR_CHARACTERS_MAX)?
            .map(str::to_owned);
        let cause = members
            .free_text("cause", CAUSE_CHARACTERS_MAX)?
            .map(str::to_owned);
        let execution = execution_id(arn)?;
        let Some(row) = self.store().execution(execution).await? else {
            return Err(ApiError::no_execution(arn));
        };
        let stopped_at = row.head.stopped_at;
        if let (Some(stopped_at), None) = (stopped_at, message_id) {
            return Ok(stop_date(stopped_at));
        }
        let request = Request {
            execution,
            input: Input::Stop {
                error,
                cause,
                rolls_back,
                parent: None,
            },
            machine: None,
            command: None,
        };
        self.submit(request, message_id, move |answer| {
            stopped(stopped_at, answer)
        })
        .await
    }
}

/// The response to a stop, from what became of it; `stopped_at` when the execution had ended before.
fn stopped(stopped_at: Option<Timestamp>, answer: &Answer) -> Result<Value, ApiError> {
    match answer.taken {
        Ok(()) | Err(Ignored::ExecutionClosed | Ignored::AlreadyCompensating) => {
            Ok(stop_date(stopped_at.unwrap_or(answer.at)))
        }
        Err(
            Ignored::AlreadyStarted { .. }
            | Ignored::TaskClosed
            | Ignored::UnknownTask
            | Ignored::NotDue
            | Ignored::UnknownIncident
            | Ignored::ActNotOffered
            | Ignored::NotItsChild,
        ) => Err(ApiError::internal(
            "The stop was ignored for a reason that no stop has",
        )),
    }
}

fn stop_date(at: Timestamp) -> Value {
    json!({ "stopDate": epoch_seconds(at) })
}

/// The longest name of an error. Source: Step Functions, `SensitiveError`.
pub(crate) const ERROR_CHARACTERS_MAX: usize = 256;
/// The longest cause. Source: Step Functions, `SensitiveCause`.
pub(crate) const CAUSE_CHARACTERS_MAX: usize = 32_768;
