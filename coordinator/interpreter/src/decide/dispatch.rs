//! The dispatch of a Task's next attempt, be it a step's or an undo's.

use jiff::Timestamp;

use super::task::{heartbeat_due, seconds, too_large_failure};
use super::turn::{Failure, Turn, in_state};
use crate::definition::{Resource, State, StateName};
use crate::delivery::{self, Delivery, Sender};
use crate::effect::{Announcement, CustomEvent, Dispatch, Route, Wait, WaitKind};
use crate::execution::Broken;
use crate::history::{Event, Outcome, Payload, TaskScheduled};
use crate::ids::{EntryId, Runner, ScopeId, Sequence};
use crate::limits::{NESTING_MAX, is_payload_too_large};
use crate::mutation::{self, Mutation};
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
        if let Runner::Undo(entry) = runner
            && self.compensation(entry)?.is_none()
        {
            return self.ask_next_child(entry);
        }
        let errand = match runner {
            Runner::State(scope) => states::step_errand(self, scope)?,
            Runner::Undo(entry) => self.undo_errand(entry)?,
        };
        let delivery = match errand {
            Ok(errand) => self
                .delivery(runner, &errand)?
                .map(|delivery| (errand, delivery)),
            Err(failure) => Err(failure),
        };
        match delivery {
            Ok((errand, delivery)) => self.send(runner, errand, delivery),
            Err(failure) => self.task_failed(runner, failure),
        }
    }

    /// What becomes of the arguments.
    fn delivery(
        &self,
        runner: Runner,
        errand: &Errand<'_>,
    ) -> Result<Result<Delivery, Failure>, Broken> {
        if is_payload_too_large(&errand.arguments) {
            return Ok(Err(too_large_failure(&errand.state, "has a task input")));
        }
        let (entered_event, is_armed_first) = match runner {
            Runner::State(scope) => (
                self.position(scope)?.entered_event,
                self.needs_arming(scope)?,
            ),
            Runner::Undo(entry) => (self.undo(entry)?.entered_event, false),
        };
        let sender = Sender {
            head: &self.execution.head,
            task: Sequence(self.next_sequence().0 + u64::from(is_armed_first)),
            map_run: self.map_run_of(runner, errand.resource)?,
        };
        let delivery = delivery::deliver(errand.resource, &errand.arguments, &sender);
        Ok(match delivery {
            Ok(Delivery::Sent {
                route: Route::Execution(child),
                ..
            }) if delivery::is_nested_too_deep(&child) => Err(Failure::new(
                "Sagamore.NestingLimitExceeded",
                format!(
                    "{NESTING_MAX} executions wait for one another, each for one that it started, and one more is too many."
                ),
            )),
            Ok(delivery) => Ok(delivery),
            Err(problem) => {
                let cause = in_state(&errand.state, entered_event, problem);
                Err(Failure::new("States.Runtime", cause))
            }
        })
    }

    /// The ARN of the Map Run that an item is of.
    fn map_run_of(&self, runner: Runner, resource: &Resource) -> Result<Option<String>, Broken> {
        let (Runner::State(scope), Resource::Item { label, .. }) = (runner, resource) else {
            return Ok(None);
        };
        let run = self.around(scope)?;
        Ok(Some(states::map_run_arn(&self.execution.head, label, run)))
    }

    /// Writes the attempt down; its name.
    fn schedule(
        &mut self,
        runner: Runner,
        errand: &Errand<'_>,
        delivery: &Delivery,
        deadline: Timestamp,
    ) -> Result<Sequence, Broken> {
        if !mutation::is(Mutation::ArmAfterDispatch) {
            self.arm(runner, errand)?;
        }
        let (child, receipt) = match delivery {
            Delivery::Sent {
                route: Route::Execution(child),
                ..
            } => (child.is_waited_for.then(|| child.id()), None),
            Delivery::Sent { receipt, .. } => (None, receipt.clone()),
            Delivery::Told { .. } => (None, None),
        };
        let scheduled = TaskScheduled {
            runner,
            resource: errand.resource.to_string(),
            arguments: errand.arguments.clone(),
            attempt: errand.attempt,
            timeout_at: deadline,
            timeout_seconds: errand.timeout_seconds,
            heartbeat_seconds: errand.heartbeat_seconds,
            child,
            receipt,
        };
        let resource = scheduled.resource.clone();
        let task = self.show(runner, Event::TaskScheduled(Box::new(scheduled)))?;
        self.show(runner, Event::TaskStarted { runner, resource })?;
        if mutation::is(Mutation::ArmAfterDispatch) {
            self.arm(runner, errand)?;
        }
        Ok(task)
    }

    fn send(
        &mut self,
        runner: Runner,
        errand: Errand<'_>,
        delivery: Delivery,
    ) -> Result<(), Broken> {
        let timeout = errand
            .timeout_seconds
            .map_or_else(|| errand.resource.timeout_default(), seconds);
        let deadline = self.now.checked_add(timeout).unwrap_or(Timestamp::MAX);
        let task = self.schedule(runner, &errand, &delivery, deadline)?;
        let (route, is_told, body) = match delivery {
            Delivery::Sent {
                route,
                is_told,
                body,
                ..
            } => (route, is_told, body),
            Delivery::Told {
                events,
                answer,
                waits,
            } => {
                let answer = self.tell_all(events, answer);
                let due = heartbeat_due(self.now, errand.heartbeat_seconds, deadline);
                return match answer {
                    Ok(answer) if waits => self.await_callback(runner, task, answer, due),
                    Ok(result) => self.task_succeeded(runner, task, &result),
                    Err((failure, outcome)) => self.attempt_failed(runner, task, failure, outcome),
                };
            }
        };
        if let Route::Review(_) = route {
            let submitted = Event::TaskSubmitted {
                runner,
                resource: errand.resource.to_string(),
                output: None,
            };
            self.show(runner, submitted)?;
            self.announce(Announcement::ReviewWaiting { task });
        }
        let dispatch = Dispatch {
            route,
            is_told,
            state: errand.state,
            attempt: errand.attempt,
            token: (self.sealer)(self.execution.head.id, task),
            key: errand.key,
            compensates: errand.compensates,
            deadline,
            body,
        };
        let due = heartbeat_due(self.now, errand.heartbeat_seconds, deadline);
        self.open(Wait {
            wait: task,
            due: Some(due),
            kind: WaitKind::Task(Box::new(dispatch)),
        });
        Ok(())
    }

    /// What the Task says is written down with the turn.
    fn tell_all(
        &mut self,
        events: Vec<CustomEvent>,
        answer: Result<Payload, (String, String)>,
    ) -> Result<Payload, (Failure, Outcome)> {
        let is_told_in_part = !events.is_empty();
        for event in events {
            self.announce(Announcement::Event(Box::new(event)));
        }
        answer.map_err(|(error, cause)| {
            // Those events that are well-formed are out.
            let outcome = match is_told_in_part {
                true => Outcome::Committed,
                false => Outcome::NotExecuted,
            };
            (Failure::new(&error, cause), outcome)
        })
    }

    /// Nobody gets a message: whoever listened to what was said may answer.
    fn await_callback(
        &mut self,
        runner: Runner,
        task: Sequence,
        submitted: Payload,
        due: Timestamp,
    ) -> Result<(), Broken> {
        let resource = self.resource(runner)?.to_string();
        let submitted = Event::TaskSubmitted {
            runner,
            resource,
            output: Some(submitted),
        };
        self.show(runner, submitted)?;
        self.open(Wait {
            wait: task,
            due: Some(due),
            kind: WaitKind::Timer,
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
        let is_pivot = states::is_pivot(self.state(&state)?);
        let variables = self.kept_variables(scope, &state)?;
        self.record(Event::EntryArmed {
            scope,
            state,
            input,
            arguments,
            key,
            is_pivot,
            variables,
        })?;
        Ok(())
    }

    /// A Parallel or Map has completed: from now on its own undo, when it has one, stands for all inside.
    pub(crate) fn arm_composite(
        &mut self,
        scope: ScopeId,
        state: &State,
        group: Option<EntryId>,
        (result, output): (Payload, Payload),
    ) -> Result<(), Broken> {
        if states::compensation_of(state).is_none() {
            return Ok(());
        }
        let position = self.position(scope)?;
        let (input, visit) = (position.input.clone(), position.visit);
        let variables = self.kept_variables(scope, &state.name)?;
        let covered = group.map(|group| self.execution.open_inside(group));
        self.record(Event::CompositeArmed {
            scope,
            state: state.name.clone(),
            input,
            result,
            output,
            key: self.key(visit),
            group,
            variables,
        })?;
        self.let_children_go(covered.unwrap_or_default())
    }

    /// Those variables that the undo of a state reads. Source: the saga extension, "The input of a compensation".
    fn kept_variables(&self, scope: ScopeId, state: &StateName) -> Result<Option<Payload>, Broken> {
        let Some(compensation) = states::compensation_of(self.state(state)?) else {
            return Ok(None);
        };
        let names = compensation.variables().into_iter();
        let kept = names.filter_map(|name| {
            let value = self.execution.variable(scope, &name)?.clone();
            Some((name, value))
        });
        let kept: serde_json::Map<_, _> = kept.collect();
        Ok((!kept.is_empty()).then(|| Payload::new(kept.into())))
    }

    /// The idempotency key of a visit. Source: the saga extension, "Keys".
    pub(crate) fn key(&self, visit: Sequence) -> String {
        if mutation::is(Mutation::KeyPerAttempt) {
            let attempt = self.execution.head.sequence;
            return format!("{}/{visit}/{attempt}", self.execution.head.id);
        }
        format!("{}/{visit}", self.execution.head.id)
    }

    /// Whether the attempt that comes next is the first of a step that can be undone.
    pub(crate) fn needs_arming(&self, scope: ScopeId) -> Result<bool, Broken> {
        let position = self.position(scope)?;
        let state = self.state(&position.state)?;
        Ok(states::is_armed(state) && position.entry.is_none())
    }

    /// The token of the attempt that comes next, when `offset` records come before it.
    pub(crate) fn next_token(&self, offset: u64) -> String {
        (self.sealer)(
            self.execution.head.id,
            Sequence(self.next_sequence().0 + offset),
        )
    }
}
