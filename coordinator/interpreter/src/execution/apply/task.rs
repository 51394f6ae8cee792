//! What becomes of a Task's attempts, be it a step's or an undo's.

use jiff::Timestamp;

use crate::execution::{Activity, Attempt, Broken, Execution, Flight, UndoProgress, Waiter};
use crate::history::{Event, HistoryRecord, Outcome, Payload, TaskScheduled};
use crate::ids::{EntryId, Runner, Sequence};
use crate::mutation::{self, Mutation};

/// What a failed attempt left: its error and cause.
pub(super) type Failure<'a> = (&'a String, &'a Option<String>);

impl Execution {
    pub(super) fn apply_task(&mut self, record: &HistoryRecord) -> Result<(), Broken> {
        match &record.event {
            Event::TaskScheduled(task) => self.schedule(record, task),
            Event::TaskStarted { runner, .. } => self.follow(record, *runner),
            Event::TaskSubmitted { runner, .. } => {
                self.follow(record, *runner)?;
                self.flight(*runner)?.is_submitted = true;
                Ok(())
            }
            Event::TaskSucceeded {
                runner,
                task,
                output,
                ..
            } => {
                self.follow(record, *runner)?;
                self.attempt_ended(*runner, *task, Outcome::Committed, Some(output), None)
            }
            Event::TaskFailed {
                runner,
                task,
                error,
                cause,
                outcome,
                ..
            } => {
                self.follow(record, *runner)?;
                self.attempt_ended(*runner, *task, *outcome, None, Some((error, cause)))
            }
            Event::TaskTimedOut {
                runner,
                task,
                error,
                cause,
                ..
            } => {
                self.follow(record, *runner)?;
                let outcome = match mutation::is(Mutation::TimeoutMeansNothingDone) {
                    true => Outcome::NotExecuted,
                    false => Outcome::Unknown,
                };
                self.attempt_ended(*runner, *task, outcome, None, Some((error, cause)))
            }
            Event::RetryScheduled {
                runner,
                retrier,
                until,
            } => self.back_off(record.sequence, *runner, *retrier, *until),
            _ => Err(Broken::new("not an event of a task")),
        }
    }

    fn schedule(
        &mut self,
        record: &HistoryRecord,
        scheduled: &TaskScheduled,
    ) -> Result<(), Broken> {
        let task = record.sequence;
        let flight = Flight::of(task, scheduled);
        self.follow(record, scheduled.runner)?;
        match scheduled.runner {
            Runner::State(scope) => {
                self.close_backoff(scheduled.runner)?;
                let position = self.position(scope)?;
                position.activity = Activity::Task(flight);
                let entry = position.entry;
                self.waits.insert(task, Waiter::Scope(scope));
                if let Some(entry) = entry {
                    let attempt = Attempt {
                        number: scheduled.attempt,
                        task,
                        outcome: None,
                        result: None,
                        error: None,
                        child: scheduled.child,
                        left_nothing: false,
                    };
                    self.step(entry)?.attempts.push(attempt);
                }
            }
            Runner::Undo(entry) => {
                self.close_backoff(scheduled.runner)?;
                self.undo(entry)?.progress = UndoProgress::Task(flight);
                self.waits.insert(task, Waiter::Undo(entry));
            }
        }
        Ok(())
    }

    fn flight(&mut self, runner: Runner) -> Result<&mut Flight, Broken> {
        match runner {
            Runner::State(scope) => match &mut self.position(scope)?.activity {
                Activity::Task(flight) => Ok(flight),
                _ => Err(Broken::new(format!("scope {} has no task out", scope.0))),
            },
            Runner::Undo(entry) => match &mut self.undo(entry)?.progress {
                UndoProgress::Task(flight) => Ok(flight),
                _ => Err(Broken::new(format!(
                    "the undo of {} has no task out",
                    entry.0
                ))),
            },
        }
    }

    fn attempt_ended(
        &mut self,
        runner: Runner,
        task: Sequence,
        outcome: Outcome,
        result: Option<&Payload>,
        failure: Option<Failure<'_>>,
    ) -> Result<(), Broken> {
        self.close_wait(task);
        match runner {
            Runner::State(scope) => {
                // A pivot that an operator was asked about may be answered late.
                self.close_backoff(runner)?;
                let position = self.position(scope)?;
                position.activity = Activity::Running;
                match position.entry {
                    Some(entry) => self.record_attempt(entry, task, outcome, result, failure),
                    None => Ok(()),
                }
            }
            Runner::Undo(entry) => {
                let undo = self.undo(entry)?;
                undo.progress = UndoProgress::Running;
                undo.result = result.cloned();
                Ok(())
            }
        }
    }

    /// Writes the end of an attempt into its entry.
    pub(super) fn record_attempt(
        &mut self,
        entry: EntryId,
        task: Sequence,
        outcome: Outcome,
        result: Option<&Payload>,
        failure: Option<Failure<'_>>,
    ) -> Result<(), Broken> {
        let step = self.step(entry)?;
        let attempt = step
            .attempts
            .iter_mut()
            .find(|attempt| attempt.task == task);
        let attempt = attempt
            .ok_or_else(|| Broken::new(format!("entry {} has no attempt {task}", entry.0)))?;
        attempt.outcome = Some(outcome);
        attempt.result = result.cloned();
        attempt.error = failure.map(|(error, _)| error.clone());
        if let Some((error, cause)) = failure {
            step.error = Some(error.clone());
            step.cause.clone_from(cause);
        }
        if let Some(result) = result {
            step.result = Some(result.clone());
        }
        Ok(())
    }

    fn back_off(
        &mut self,
        wait: Sequence,
        runner: Runner,
        retrier: usize,
        until: Timestamp,
    ) -> Result<(), Broken> {
        let count = |retries: &mut Vec<u32>| {
            if retries.len() <= retrier {
                retries.resize(retrier + 1, 0);
            }
            retries[retrier] += 1;
        };
        // An attempt that was not sent, since its arguments failed, leaves the wait for its time.
        self.close_backoff(runner)?;
        match runner {
            Runner::State(scope) => {
                let position = self.position(scope)?;
                count(&mut position.retries);
                position.attempt += 1;
                position.activity = Activity::Backoff { wait, until };
                self.waits.insert(wait, Waiter::Scope(scope));
            }
            Runner::Undo(entry) => {
                let undo = self.undo(entry)?;
                count(&mut undo.retries);
                undo.attempt += 1;
                undo.progress = UndoProgress::Backoff { wait, until };
                self.waits.insert(wait, Waiter::Undo(entry));
            }
        }
        Ok(())
    }

    /// Ends the wait for the time of the next attempt, when there is one.
    pub(super) fn close_backoff(&mut self, runner: Runner) -> Result<(), Broken> {
        let wait = match runner {
            Runner::State(scope) => self.scope(scope)?.wait(),
            Runner::Undo(entry) => self.entry(entry)?.wait(),
        };
        if let Some((wait, _)) = wait {
            self.close_wait(wait);
        }
        Ok(())
    }
}
