//! A Task, be it a step's or an undo's: dispatched, answered, timed out.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Taken;
use super::context::Place;
use super::turn::{Failure, Turn, in_state};
use crate::compensation::of_failure;
use crate::definition::Resource;
use crate::effect::{Announcement, Dispatch, Wait, WaitKind};
use crate::execution::{Activity, Broken, Disposition, UndoProgress, Waiter};
use crate::history::{Event, Outcome, Payload, TaskScheduled};
use crate::ids::{EntryId, Runner, Sequence};
use crate::input::{Ignored, Reply};
use crate::limits::is_payload_too_large;
use crate::states;

/// A Task that is about to be dispatched, whoever runs it.
pub(crate) struct Errand<'a> {
    pub(crate) resource: &'a Resource,
    /// The state, `Compensate(<state>)` for an undo.
    pub(crate) state: String,
    pub(crate) arguments: Payload,
    /// As written; `None` where the resource's default holds.
    pub(crate) timeout_seconds: Option<u32>,
    pub(crate) heartbeat_seconds: Option<u32>,
    pub(crate) attempt: u32,
    pub(crate) key: String,
    /// K, on an undo.
    pub(crate) compensates: Option<String>,
}

impl<'a> Turn<'a> {
    /// Dispatches the next attempt.
    pub(crate) fn dispatch(&mut self, runner: Runner) -> Result<(), Broken> {
        let errand = match runner {
            Runner::State(scope) => states::step_errand(self, scope)?,
            Runner::Undo(entry) => self.undo_errand(entry)?,
        };
        let errand = errand.and_then(|errand| {
            let too_large = is_payload_too_large(&errand.arguments);
            if too_large {
                Err(too_large_failure(&errand.state, "has a task input"))
            } else {
                Ok(errand)
            }
        });
        match errand {
            Ok(errand) => self.send(runner, errand),
            Err(failure) => self.task_failed(runner, failure),
        }
    }

    fn send(&mut self, runner: Runner, errand: Errand<'_>) -> Result<(), Broken> {
        self.arm(runner, &errand)?;
        let timeout = errand
            .timeout_seconds
            .map_or_else(|| errand.resource.timeout_default(), seconds);
        let deadline = self.now.checked_add(timeout).unwrap_or(Timestamp::MAX);
        let scheduled = TaskScheduled {
            runner,
            resource: errand.resource.to_string(),
            arguments: errand.arguments.clone(),
            attempt: errand.attempt,
            timeout_at: deadline,
            timeout_seconds: errand.timeout_seconds,
            heartbeat_seconds: errand.heartbeat_seconds,
        };
        let resource = scheduled.resource.clone();
        let task = self.show(runner, Event::TaskScheduled(Box::new(scheduled)))?;
        self.show(
            runner,
            Event::TaskStarted {
                runner,
                resource: resource.clone(),
            },
        )?;
        if matches!(errand.resource, Resource::Review(_)) {
            self.show(runner, Event::TaskSubmitted { runner, resource })?;
            self.announce(Announcement::ReviewWaiting { task });
        }
        let dispatch = Dispatch {
            resource: errand.resource.clone(),
            state: errand.state,
            attempt: errand.attempt,
            token: (self.sealer)(self.execution.head.id, task),
            key: errand.key,
            compensates: errand.compensates,
            deadline,
            body: errand.arguments,
        };
        let due = heartbeat_due(self.now, errand.heartbeat_seconds, deadline);
        self.open(Wait {
            wait: task,
            due: Some(due),
            kind: WaitKind::Task(Box::new(dispatch)),
        });
        Ok(())
    }

    /// Writes the undo of a step down before its first attempt leaves (invariant 1).
    fn arm(&mut self, runner: Runner, errand: &Errand<'_>) -> Result<(), Broken> {
        let Runner::State(scope) = runner else {
            return Ok(());
        };
        if !self.needs_arming(scope)? {
            return Ok(());
        }
        let position = self.position(scope)?;
        let (state, input) = (position.state.clone(), position.input.clone());
        let (arguments, key) = (errand.arguments.clone(), errand.key.clone());
        self.record(Event::EntryArmed {
            scope,
            state,
            input,
            arguments,
            key,
        })?;
        Ok(())
    }

    /// Whether the attempt that comes next is the first of a step that can be undone.
    pub(crate) fn needs_arming(&self, scope: crate::ids::ScopeId) -> Result<bool, Broken> {
        let position = self.position(scope)?;
        let has_undo = states::compensation_of(self.state(&position.state)?).is_some();
        Ok(has_undo && position.entry.is_none())
    }

    /// The token of the attempt that comes next, when `offset` records come before it.
    pub(crate) fn next_token(&self, offset: u64) -> String {
        (self.sealer)(
            self.execution.head.id,
            Sequence(self.next_sequence().0 + offset),
        )
    }

    pub(super) fn task_reply(
        &mut self,
        runner: Runner,
        task: Sequence,
        reply: &Reply,
    ) -> Result<Taken, Broken> {
        let Some((timeout_at, heartbeat_seconds)) = self.in_flight(runner, task)? else {
            return Ok(Err(Ignored::UnknownTask));
        };
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
                self.attempt_failed(
                    runner,
                    task,
                    Failure {
                        error: error.clone(),
                        cause: cause.clone(),
                    },
                    outcome,
                )?;
            }
            Reply::Unusable { error, cause } => {
                self.attempt_failed(
                    runner,
                    task,
                    Failure::new(error, cause.clone()),
                    Outcome::Unknown,
                )?;
            }
        }
        Ok(Ok(()))
    }

    /// The broker's word for a message that nobody answers is its success, be it late.
    pub(super) fn published(&mut self, task: Sequence, message_id: &str) -> Result<Taken, Broken> {
        let message_id = Payload::new(json!({ "MessageId": message_id }));
        self.reply(task, &Reply::Success(message_id))
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
            Some(Waiter::Execution) | None => return Ok(Err(Ignored::TaskClosed)),
        };
        if self.in_flight(runner, task)?.is_none() {
            return Ok(Err(Ignored::UnknownTask));
        }
        self.attempt_failed(runner, task, failure, outcome)?;
        Ok(Ok(()))
    }

    fn in_flight(
        &self,
        runner: Runner,
        asked: Sequence,
    ) -> Result<Option<(Timestamp, Option<u32>)>, Broken> {
        let (task, timeout_at, heartbeat_seconds) = match runner {
            Runner::State(scope) => match self.position(scope)?.activity {
                Activity::Task {
                    task,
                    timeout_at,
                    heartbeat_seconds,
                } => (task, timeout_at, heartbeat_seconds),
                _ => return Ok(None),
            },
            Runner::Undo(entry) => match self.undo(entry)?.progress {
                UndoProgress::Task {
                    task,
                    timeout_at,
                    heartbeat_seconds,
                } => (task, timeout_at, heartbeat_seconds),
                _ => return Ok(None),
            },
        };
        Ok((task == asked).then_some((timeout_at, heartbeat_seconds)))
    }

    fn task_succeeded(
        &mut self,
        runner: Runner,
        task: Sequence,
        result: &Payload,
    ) -> Result<(), Broken> {
        if is_payload_too_large(result) {
            let failure = too_large_failure(&self.state_name(runner)?, "returned a result");
            return self.attempt_failed(runner, task, failure, Outcome::Unknown);
        }
        let resource = self.resource(runner)?;
        self.show(
            runner,
            Event::TaskSucceeded {
                runner,
                task,
                resource,
                output: result.clone(),
            },
        )?;
        match runner {
            Runner::State(scope) => states::task_result(self, scope, result),
            Runner::Undo(entry) => self.undo_succeeded(entry, result),
        }
    }

    fn attempt_failed(
        &mut self,
        runner: Runner,
        task: Sequence,
        failure: Failure,
        outcome: Outcome,
    ) -> Result<(), Broken> {
        let resource = self.resource(runner)?;
        let Failure { error, cause } = failure.clone();
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
        self.task_failed(runner, failure)
    }

    pub(super) fn task_timed_out(
        &mut self,
        runner: Runner,
        task: Sequence,
        timeout_at: Timestamp,
    ) -> Result<(), Broken> {
        let error = if self.now >= timeout_at {
            "States.Timeout"
        } else {
            "States.HeartbeatTimeout"
        };
        let failure = Failure {
            error: error.to_owned(),
            cause: None,
        };
        let resource = self.resource(runner)?;
        let Failure { error, cause } = failure.clone();
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

    fn task_failed(&mut self, runner: Runner, failure: Failure) -> Result<(), Broken> {
        match runner {
            Runner::State(scope) => self.fail(scope, failure),
            Runner::Undo(entry) => self.undo_failed(entry, failure),
        }
    }

    fn resource(&self, runner: Runner) -> Result<String, Broken> {
        match runner {
            Runner::State(scope) => {
                let state = self.state(&self.position(scope)?.state)?;
                Ok(states::resource_of(state)
                    .map(ToString::to_string)
                    .unwrap_or_default())
            }
            Runner::Undo(entry) => Ok(self.compensation(entry)?.resource.to_string()),
        }
    }

    fn state_name(&self, runner: Runner) -> Result<String, Broken> {
        match runner {
            Runner::State(scope) => Ok(self.position(scope)?.state.to_string()),
            Runner::Undo(entry) => Ok(undo_name(self.step(entry)?.state.as_str())),
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
        let Some(entry) = self.execution.entry_of_attempt(task) else {
            return Ok(Err(Ignored::TaskClosed));
        };
        // One over the limit failed its task as Unknown, and is no better when it comes late.
        if !self.is_upgrade(entry, task)? || is_payload_too_large(result) {
            return Ok(Err(Ignored::TaskClosed));
        }
        self.record(Event::EntryUpgraded {
            entry,
            task,
            result: result.clone(),
        })?;
        Ok(Ok(()))
    }

    fn is_upgrade(&self, entry: EntryId, task: Sequence) -> Result<bool, Broken> {
        let step = self.step(entry)?;
        let is_news = step
            .attempts
            .iter()
            .any(|attempt| attempt.task == task && attempt.outcome != Some(Outcome::Committed));
        Ok(is_news
            && step.result.is_none()
            && !matches!(
                step.disposition,
                Disposition::Committed | Disposition::Released
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
    Failure::new("States.DataLimitExceeded", cause)
}

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

fn heartbeat_due(
    now: Timestamp,
    heartbeat_seconds: Option<u32>,
    timeout_at: Timestamp,
) -> Timestamp {
    let heartbeat =
        heartbeat_seconds.and_then(|heartbeat| now.checked_add(seconds(heartbeat)).ok());
    heartbeat.map_or(timeout_at, |heartbeat| heartbeat.min(timeout_at))
}

fn seconds(seconds: u32) -> SignedDuration {
    SignedDuration::from_secs(i64::from(seconds))
}
