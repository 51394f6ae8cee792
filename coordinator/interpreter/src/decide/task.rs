//! A Task that is out, be it a step's or an undo's: answered, failed, timed out.

use jiff::{SignedDuration, Timestamp};

use super::Taken;
use super::context::Place;
use super::turn::{Failure, Turn, in_state};
use crate::compensation::of_failure;
use crate::definition::Resource;
use crate::delivery;
use crate::execution::{Activity, Broken, Disposition, Flight, UndoProgress, Waiter};
use crate::history::{Event, Outcome, Payload};
use crate::ids::{EntryId, Runner, Sequence};
use crate::input::{Ignored, Reply};
use crate::limits::is_payload_too_large;
use crate::mutation::{self, Mutation};
use crate::states;

impl<'a> Turn<'a> {
    pub(super) fn task_reply(
        &mut self,
        runner: Runner,
        task: Sequence,
        reply: &Reply,
    ) -> Result<Taken, Broken> {
        let Some(flight) = self.flight(runner, task)? else {
            return Ok(Err(Ignored::UnknownTask));
        };
        let (timeout_at, heartbeat_seconds) = (flight.timeout_at, flight.heartbeat_seconds);
        match reply {
            Reply::Heartbeat => {
                if heartbeat_seconds.is_some() {
                    let due = heartbeat_due(self.now, heartbeat_seconds, timeout_at);
                    self.move_due(task, due, true);
                }
            }
            Reply::Success(result) => self.task_succeeded(runner, task, result)?,
            Reply::Failure {
                error,
                cause,
                effect,
            } => {
                let outcome = of_failure(error, *effect);
                let failure = Failure::reported(error, cause.clone());
                self.attempt_failed(runner, task, failure, outcome)?;
            }
            Reply::Unusable { error, cause } => {
                let failure = match error.as_str() {
                    // Whoever could not take it knows no more than that.
                    DATA_LIMIT_EXCEEDED => self.too_large_result(runner)?,
                    _ => Failure::new(error, cause.clone()),
                };
                self.attempt_failed(runner, task, failure, Outcome::Unknown)?;
            }
        }
        Ok(Ok(()))
    }

    fn too_large_result(&self, runner: Runner) -> Result<Failure, Broken> {
        let task = self.resource(runner)?.called();
        Ok(too_large_failure(&task, "returned a result"))
    }

    /// The broker's word for a message that nobody answers is its success, be it late; any other is on its way.
    pub(super) fn published(&mut self, task: Sequence, message_id: &str) -> Result<Taken, Broken> {
        let resource = self.resource_of(task)?;
        let flying = self.flying(task)?;
        let receipt = flying.and_then(|(_, flight)| flight.receipt.as_ref());
        let answer = delivery::confirmed(message_id, receipt);
        match (resource, flying) {
            (None, _) => self.answer(task, &Reply::Success(answer)),
            (Some(resource), _) if resource.is_told_only() => {
                self.answer(task, &Reply::Success(answer))
            }
            (Some(resource), Some((runner, flight))) if !flight.is_submitted => {
                let submitted = Event::TaskSubmitted {
                    runner,
                    resource: resource.to_string(),
                    output: Some(answer),
                };
                self.show(runner, submitted)?;
                Ok(Ok(()))
            }
            _ => Ok(Err(Ignored::TaskClosed)),
        }
    }

    pub(super) fn unroutable(
        &mut self,
        task: Sequence,
        only_publish: bool,
    ) -> Result<Taken, Broken> {
        let outcome = if only_publish {
            Outcome::NotExecuted
        } else {
            Outcome::Unknown
        };
        let failure = Failure::new(
            "Sagamore.Unroutable",
            "The broker has no queue for the task message.",
        );
        self.message_failed(task, failure, outcome)
    }

    pub(super) fn dead_lettered(&mut self, task: Sequence, reason: &str) -> Result<Taken, Broken> {
        let cause = format!("The task message was dead-lettered: {reason}.");
        let failure = Failure::new("Sagamore.DeadLettered", cause);
        self.message_failed(task, failure, Outcome::Unknown)
    }

    /// The bus did not get a task message to its service.
    fn message_failed(
        &mut self,
        task: Sequence,
        failure: Failure,
        outcome: Outcome,
    ) -> Result<Taken, Broken> {
        let runner = match self.execution.waits.get(&task).copied() {
            Some(Waiter::Scope(scope)) => Runner::State(scope),
            Some(Waiter::Undo(entry)) => Runner::Undo(entry),
            Some(Waiter::Drain(entry)) => {
                self.drained(entry, task, outcome, Err(failure))?;
                return Ok(Ok(()));
            }
            Some(Waiter::Execution | Waiter::Phase | Waiter::Incident(_)) | None => {
                return Ok(Err(Ignored::TaskClosed));
            }
        };
        if self.flight(runner, task)?.is_none() {
            return Ok(Err(Ignored::UnknownTask));
        }
        self.attempt_failed(runner, task, failure, outcome)?;
        Ok(Ok(()))
    }

    /// The task that a runner has out.
    fn flight_of(&self, runner: Runner) -> Result<Option<&Flight>, Broken> {
        Ok(match runner {
            Runner::State(scope) => match &self.position(scope)?.activity {
                Activity::Task(flight) => Some(flight),
                _ => None,
            },
            Runner::Undo(entry) => match &self.undo(entry)?.progress {
                UndoProgress::Task(flight) => Some(flight),
                _ => None,
            },
        })
    }

    fn flight(&self, runner: Runner, task: Sequence) -> Result<Option<&Flight>, Broken> {
        Ok(self.flight_of(runner)?.filter(|flight| flight.task == task))
    }

    /// Who has this task out.
    pub(super) fn flying(&self, task: Sequence) -> Result<Option<(Runner, &Flight)>, Broken> {
        let runner = match self.execution.waits.get(&task).copied() {
            Some(Waiter::Scope(scope)) => Runner::State(scope),
            Some(Waiter::Undo(entry)) => Runner::Undo(entry),
            Some(Waiter::Drain(_) | Waiter::Execution | Waiter::Phase | Waiter::Incident(_))
            | None => return Ok(None),
        };
        Ok(self.flight(runner, task)?.map(|flight| (runner, flight)))
    }

    pub(super) fn task_succeeded(
        &mut self,
        runner: Runner,
        task: Sequence,
        result: &Payload,
    ) -> Result<(), Broken> {
        // Items and results have a limit of their own.
        let is_file = *self.resource(runner)? == Resource::Files;
        if !is_file && is_payload_too_large(result) {
            let failure = self.too_large_result(runner)?;
            return self.attempt_failed(runner, task, failure, Outcome::Unknown);
        }
        let resource = self.resource(runner)?.to_string();
        self.show(
            runner,
            Event::TaskSucceeded {
                runner,
                task,
                resource,
                output: result.clone(),
            },
        )?;
        self.note_attempt(runner)?;
        match runner {
            Runner::State(scope) => states::task_result(self, scope, result),
            Runner::Undo(entry) => self.undo_succeeded(entry, result),
        }
    }

    pub(super) fn attempt_failed(
        &mut self,
        runner: Runner,
        task: Sequence,
        failure: Failure,
        outcome: Outcome,
    ) -> Result<(), Broken> {
        let resource = self.resource(runner)?.to_string();
        let Failure { error, cause, .. } = failure.clone();
        self.show(
            runner,
            Event::TaskFailed {
                runner,
                task,
                resource,
                error,
                cause,
                outcome,
            },
        )?;
        self.note_attempt(runner)?;
        self.task_failed(runner, failure)
    }

    pub(super) fn task_timed_out(&mut self, runner: Runner) -> Result<(), Broken> {
        let flight = self.flight_of(runner)?;
        let flight = flight.ok_or_else(|| Broken::new("no task is out that could time out"))?;
        let (task, timeout_at, child) = (flight.task, flight.timeout_at, flight.child);
        self.stop_child(task, child, true);
        let error = if self.now >= timeout_at {
            "States.Timeout"
        } else {
            "States.HeartbeatTimeout"
        };
        let failure = Failure::reported(error, None);
        let resource = self.resource(runner)?.to_string();
        let Failure { error, cause, .. } = failure.clone();
        self.show(
            runner,
            Event::TaskTimedOut {
                runner,
                task,
                resource,
                error,
                cause,
            },
        )?;
        self.task_failed(runner, failure)
    }

    pub(super) fn task_failed(&mut self, runner: Runner, failure: Failure) -> Result<(), Broken> {
        match runner {
            Runner::State(scope) => self.fail(scope, failure),
            Runner::Undo(entry) => self.undo_failed(entry, failure),
        }
    }

    pub(super) fn resource(&self, runner: Runner) -> Result<&'a Resource, Broken> {
        match runner {
            Runner::State(scope) => {
                let state = self.state(&self.position(scope)?.state)?;
                states::resource_of(state)
                    .ok_or_else(|| Broken::new(format!("{} is no Task", state.name)))
            }
            Runner::Undo(entry) => {
                let state = self.state(&self.step(entry)?.state)?;
                let undo = self.compensation(entry)?.map(|it| &it.resource);
                undo.or_else(|| states::resource_of(state))
                    .ok_or_else(|| Broken::new(format!("{} has no undo", state.name)))
            }
        }
    }

    /// The resource of a task that is out, or may be answered late; `None` when nobody would take an answer.
    pub(super) fn resource_of(&self, task: Sequence) -> Result<Option<&'a Resource>, Broken> {
        if let Some((runner, _)) = self.flying(task)? {
            return self.resource(runner).map(Some);
        }
        match self.execution.entry_of_attempt(task) {
            Some(entry) => {
                let state = self.state(&self.step(entry)?.state)?;
                Ok(states::resource_of(state))
            }
            None => Ok(None),
        }
    }

    /// The answer to a task that nobody waits for any more. Source: the saga extension, "Cancelling, late replies".
    pub(super) fn late_reply(&mut self, task: Sequence, reply: &Reply) -> Result<Taken, Broken> {
        if task.0 == 0 || task > self.execution.head.sequence {
            return Ok(Err(Ignored::UnknownTask));
        }
        let Reply::Success(result) = reply else {
            return Ok(Err(Ignored::TaskClosed));
        };
        let entry = self.execution.entry_of_attempt(task);
        let Some(entry) = entry.filter(|_| !mutation::is(Mutation::DropLateSuccess)) else {
            return Ok(Err(Ignored::TaskClosed));
        };
        // One over the limit failed its task as Unknown, and is no better when it comes late.
        if !self.is_upgrade(entry, task)? || is_payload_too_large(result) {
            return Ok(Err(Ignored::TaskClosed));
        }
        if let Some(scope) = self.asked_about(entry) {
            self.task_succeeded(Runner::State(scope), task, result)?;
            return Ok(Ok(()));
        }
        self.record(Event::EntryUpgraded {
            entry,
            task,
            result: result.clone(),
        })?;
        self.note_pivot(entry)?;
        Ok(Ok(()))
    }

    fn is_upgrade(&self, entry: EntryId, task: Sequence) -> Result<bool, Broken> {
        let step = self.step(entry)?;
        let mut attempts = step.attempts.iter();
        let Some(attempt) = attempts.find(|attempt| attempt.task == task) else {
            return Ok(false);
        };
        // Executions are no attempts at one and the same effect: each is asked by itself.
        let is_news = step.result.is_none() || self.asks_executions(entry)?;
        Ok(attempt.outcome != Some(Outcome::Committed)
            && is_news
            && !matches!(
                step.disposition,
                Disposition::Committed | Disposition::Released | Disposition::Abandoned
            ))
    }

    pub(super) fn undo_place<'p>(
        &self,
        entry: EntryId,
        name: &'p str,
        token: String,
    ) -> Result<Place<'p>, Broken> {
        let undo = self.undo(entry)?;
        let retry_count = Some(undo.attempt - 1);
        Ok(Place {
            state: name,
            entered_at: undo.entered_at,
            retry_count,
            token: Some(token),
            scope: None,
            kept: self.step(entry)?.variables.clone(),
            item: None,
        })
    }
}

/// The name under which the undo of a state stands in the history.
pub(crate) fn undo_name(state: &str) -> String {
    format!("Compensate({state})")
}

/// The failure of data that passes the limit: `what` a state or task did with it.
pub(crate) fn too_large_failure(state: &str, what: &str) -> Failure {
    let cause = format!(
        "The state/task '{state}' {what} with a size exceeding the maximum number of bytes service limit."
    );
    Failure::new(DATA_LIMIT_EXCEEDED, cause)
}

/// The error of what passes the limit. Source: Step Functions, "Error names".
const DATA_LIMIT_EXCEEDED: &str = "States.DataLimitExceeded";

/// The failure of a number that a path should have found.
pub(super) fn not_seconds(
    state: &str,
    entered_event: u64,
    field: &str,
    path: &str,
    found: &serde_json::Value,
) -> Failure {
    let text = format!(
        "The {field} parameter does not reference an integer of 1 to 99999999: {path} == {found}"
    );
    Failure::new("States.Runtime", in_state(state, entered_event, text))
}

pub(super) fn heartbeat_due(
    now: Timestamp,
    heartbeat_seconds: Option<u32>,
    timeout_at: Timestamp,
) -> Timestamp {
    let heartbeat =
        heartbeat_seconds.and_then(|heartbeat| now.checked_add(seconds(heartbeat)).ok());
    heartbeat.map_or(timeout_at, |heartbeat| heartbeat.min(timeout_at))
}

pub(super) fn seconds(seconds: u32) -> SignedDuration {
    SignedDuration::from_secs(i64::from(seconds))
}
