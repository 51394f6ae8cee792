//! The undo of an entry: a Task whose input is the entry, tried until it succeeds or an operator has to look.

use super::Taken;
use super::context::{PlaceContext, data};
use super::dispatch::Errand;
use super::task::undo_name;
use super::turn::{Failure, Turn};
use crate::compensation::{entry_input, of_failure};
use crate::definition::{Compensation, Retrier, Seconds, StateName};
use crate::effect::{About, Incident, Wait, WaitKind};
use crate::execution::Broken;
use crate::history::{Event, Outcome, Payload, Trigger};
use crate::ids::{EntryId, Runner, Sequence};
use crate::input::{Ignored, Reply};
use crate::mutation::{self, Mutation};
use crate::{retry, states};

impl<'a> Turn<'a> {
    pub(super) fn start_undo(&mut self, entry: EntryId, trigger: &Trigger) -> Result<(), Broken> {
        let step = self.step(entry)?;
        if step.is_pivot {
            return self.suspend_pivot(entry, trigger);
        }
        let name = StateName::new(&undo_name(step.state.as_str()));
        let input = Payload::new(entry_input(step, trigger));
        let scope = self.execution.ledger.get(&entry).map(|entry| entry.scope);
        let previous = scope.map_or(0, |scope| self.execution.last_event(Runner::State(scope)));
        let started = Event::UndoStarted {
            entry,
            name,
            input,
            trigger: trigger.clone(),
        };
        self.show_unless_hidden(Runner::Undo(entry), previous, started)?;
        self.dispatch(Runner::Undo(entry))
    }

    /// The Task that undoes the entry's step; `None` when the execution that did the step is asked.
    pub(super) fn compensation(&self, entry: EntryId) -> Result<Option<&'a Compensation>, Broken> {
        Ok(states::compensation_of(
            self.state(&self.step(entry)?.state)?,
        ))
    }

    /// Whether it is executions that the step's attempts started which are asked to undo what they did.
    pub(super) fn asks_executions(&self, entry: EntryId) -> Result<bool, Broken> {
        let step = self.step(entry)?;
        let has_children = step.attempts.iter().any(|attempt| attempt.child.is_some());
        Ok(has_children && !step.is_pivot && self.compensation(entry)?.is_none())
    }

    pub(super) fn undo_errand(
        &self,
        entry: EntryId,
    ) -> Result<Result<Errand<'a>, Failure>, Broken> {
        let compensation = self.compensation(entry)?;
        let compensation = compensation.ok_or_else(|| Broken::new("an undo has no Task"))?;
        let (step, undo) = (self.step(entry)?, self.undo(entry)?);
        let state = undo_name(step.state.as_str());
        let place = self.undo_place(entry, &state, self.next_token(0))?;
        let context = PlaceContext::new(self, place);
        let data = data(&undo.input, &context, self.random());
        let number = |seconds: &Seconds, field: &str| match seconds {
            Seconds::Literal(seconds) => Ok(*seconds),
            Seconds::Jsonata(expression) => states::integer_of(expression, &data, 1..=Seconds::MAX)
                .map_err(|error| Failure::of_query(&state, undo.entered_event, &error)),
            Seconds::Path(path) => states::seconds_at(path, &data, |problem| match problem {
                Ok(found) => {
                    super::task::not_seconds(&state, undo.entered_event, field, path.text(), found)
                }
                Err(error) => Failure::of_query(&state, undo.entered_event, error),
            }),
        };
        let arguments = match (&undo.arguments, &compensation.parameters) {
            (Some(arguments), _) => Ok(arguments.clone()),
            (None, None) => Ok(undo.input.clone()),
            (None, Some(parameters)) => match parameters.evaluate(&data) {
                Ok(arguments) => Ok(Payload::new(arguments)),
                Err(error) => Err(Failure::of_query(&state, undo.entered_event, &error)),
            },
        };
        let timeout_seconds = number(&compensation.timeout, "TimeoutSecondsPath");
        let heartbeat_seconds = compensation
            .heartbeat
            .as_ref()
            .map(|field| number(field, "HeartbeatSecondsPath"))
            .transpose();
        let errand = (|| {
            Ok(Errand {
                resource: &compensation.resource,
                arguments: arguments?,
                timeout_seconds: Some(timeout_seconds?),
                heartbeat_seconds: heartbeat_seconds?,
                attempt: undo.attempt,
                key: format!("{}/undo/{}", step.key, step.round),
                compensates: Some(step.key.clone()),
                state: state.clone(),
            })
        })();
        Ok(errand)
    }

    pub(super) fn undo_succeeded(
        &mut self,
        entry: EntryId,
        result: &Payload,
    ) -> Result<(), Broken> {
        let name = StateName::new(&undo_name(self.step(entry)?.state.as_str()));
        self.show(
            Runner::Undo(entry),
            Event::UndoSucceeded {
                entry,
                name,
                output: result.clone(),
            },
        )?;
        Ok(())
    }

    /// The attempt failed: the next is scheduled, or an operator has to look. Nothing is swallowed (invariant 9).
    pub(super) fn undo_failed(&mut self, entry: EntryId, failure: Failure) -> Result<(), Broken> {
        let retriers = match self.compensation(entry)? {
            Some(compensation) => compensation.retry.as_deref(),
            // An execution that has passed its pivot says so however often it is asked.
            None => Some(&[] as &[Retrier]),
        };
        let retriers = retriers.unwrap_or(&self.machine.policy.retry);
        let retries = &self.undo(entry)?.retries;
        if let Some(retrier) = retry::matching(retriers, retries, &failure.error) {
            let used = retries.get(retrier).copied().unwrap_or(0);
            let rule = &retriers[retrier];
            let until = retry::next_attempt(rule, used + 1, self.now, self.fraction());
            let wait = self.record(Event::RetryScheduled {
                runner: Runner::Undo(entry),
                retrier,
                until,
            })?;
            if !mutation::is(Mutation::ForgetTimer) {
                self.open(Wait {
                    wait,
                    due: Some(until),
                    kind: WaitKind::Timer,
                });
            }
            return Ok(());
        }
        if mutation::is(Mutation::SwallowUndoError) {
            return self.undo_succeeded(entry, &Payload::default());
        }
        let Failure { error, cause, .. } = failure;
        let wait = self.record(Event::UndoSuspended {
            entry,
            error: error.clone(),
            cause: cause.clone(),
        })?;
        let incident = Incident {
            about: About::Undo,
            state: self.step(entry)?.state.to_string(),
            error,
            cause,
            entry: (*self.undo(entry)?.input).clone(),
        };
        self.raise(wait, incident);
        Ok(())
    }

    /// A step that was in flight when its scope was closed answers in time.
    pub(super) fn drain_reply(
        &mut self,
        entry: EntryId,
        task: Sequence,
        reply: &Reply,
    ) -> Result<Taken, Broken> {
        match reply {
            // It keeps what time it was left.
            Reply::Heartbeat => {}
            Reply::Success(result) => self.drained(entry, task, Outcome::Committed, Ok(result))?,
            Reply::Failure {
                error,
                cause,
                effect,
            } => {
                let failure = Failure::reported(error, cause.clone());
                self.drained(entry, task, of_failure(error, *effect), Err(failure))?;
            }
            Reply::Unusable { error, cause } => {
                let failure = Failure::new(error, cause.clone());
                self.drained(entry, task, Outcome::Unknown, Err(failure))?;
            }
        }
        Ok(Ok(()))
    }

    /// It did not.
    pub(super) fn drain_due(&mut self, entry: EntryId, task: Sequence) -> Result<Taken, Broken> {
        let until = self.step(entry)?.drain.map(|(_, until)| until);
        if until.is_none_or(|until| self.now < until) {
            return Ok(Err(Ignored::NotDue));
        }
        let failure = Failure::reported("States.Timeout", None);
        self.drained(entry, task, Outcome::Unknown, Err(failure))?;
        Ok(Ok(()))
    }

    /// What became of a step that was in flight when its scope was closed.
    pub(super) fn drained(
        &mut self,
        entry: EntryId,
        task: Sequence,
        outcome: Outcome,
        answer: Result<&Payload, Failure>,
    ) -> Result<(), Broken> {
        let (result, error, cause) = match answer {
            Ok(result) => (Some(result.clone()), None, None),
            Err(Failure { error, cause, .. }) => (None, Some(error), cause),
        };
        self.record(Event::EntryDrained {
            entry,
            task,
            outcome,
            result,
            error,
            cause,
        })?;
        self.note_pivot(entry)
    }
}
