//! How scopes end: well, with an error that is retried or caught, or with one that leaves them.

use super::agenda::Exit;
use super::turn::{Failure, Turn};
use crate::definition::{Catcher, Retrier, StateKind, StateName, Transition};
use crate::effect::{Announcement, Wait, WaitKind};
use crate::execution::{Activity, Broken, Phase};
use crate::history::{Ending, Event, Payload, Status, Target, Then, Trigger, TriggerKind};
use crate::ids::{Runner, ScopeId};
use crate::limits::HISTORY_EVENTS_MAX;
use crate::{catch, retry, states};

/// What becomes of an error in a state.
enum Handling<'a> {
    Retry { retrier: usize },
    Catch(&'a Catcher),
    Leave,
}

impl<'a> Turn<'a> {
    /// The scope's last state is through.
    pub(super) fn scope_succeeded(
        &mut self,
        scope: ScopeId,
        output: Payload,
    ) -> Result<(), Broken> {
        if let Some(index) = self.scope(scope)?.iteration {
            return self.iteration_succeeded(scope, index, output);
        }
        let Some(parent) = self.scope(scope)?.parent else {
            let is_kept = self.is_kept_for_parent();
            let previous = self.execution.last_event(Runner::State(scope));
            self.show_letting_go(previous, Event::ExecutionSucceeded { output, is_kept })?;
            self.announce(Announcement::Execution(Status::Succeeded));
            self.tell_parent_of_end();
            return Ok(());
        };
        self.record(Event::BranchSucceeded { scope, output })?;
        match self.scope(parent)?.phase {
            Phase::Iterating(_) => states::besides_ended(self, scope, parent),
            _ => states::branch_ended(self, parent),
        }
    }

    /// The state the scope is in fails: it is tried again, caught, or the scope fails with it.
    pub(crate) fn fail(&mut self, scope: ScopeId, failure: Failure) -> Result<(), Broken> {
        let failure = self.show_evaluation(scope, failure)?;
        let position = self.position(scope)?;
        let name = position.state.clone();
        let handling = self.handling(scope, &failure)?;
        if !matches!(handling, Handling::Retry { .. }) && self.is_doubtful_pivot(scope)? {
            return self.suspend_state(scope, failure);
        }
        match handling {
            Handling::Retry { retrier } => self.retry(scope, retrier),
            Handling::Catch(catcher) => match states::caught(self, scope, catcher, &failure)? {
                Err(failure) => self.leave_state(scope, failure, &name),
                Ok(exit) if catcher.compensate => {
                    self.caught_compensating(scope, catcher, exit, failure, name)
                }
                Ok(exit) => self.exit(scope, exit, &Transition::Next(catcher.next.clone())),
            },
            Handling::Leave => self.leave_state(scope, failure, &name),
        }
    }

    /// Shows that JSONata is why the state fails, once. It follows from what came before the state, if that did nothing yet.
    fn show_evaluation(&mut self, scope: ScopeId, failure: Failure) -> Result<Failure, Broken> {
        let Some(evaluation) = &failure.evaluation else {
            return Ok(failure);
        };
        let last_event = self.execution.last_event(Runner::State(scope));
        let position = self.position(scope)?;
        let is_fresh = last_event == position.entered_event && !evaluation.is_late;
        let previous = if is_fresh {
            position.previous_event
        } else {
            last_event
        };
        let failed = Event::EvaluationFailed {
            scope,
            state: position.state.clone(),
            error: failure.error.clone(),
            cause: failure.cause.clone(),
            location: evaluation.location.clone(),
        };
        self.show_after(previous, failed)?;
        Ok(Failure {
            evaluation: None,
            ..failure
        })
    }

    /// Nothing in the state takes the error. Past the pivot an error that nothing takes at all waits for an operator.
    fn leave_state(
        &mut self,
        scope: ScopeId,
        failure: Failure,
        name: &StateName,
    ) -> Result<(), Broken> {
        let is_past = self.execution.head.pivot.is_some();
        if is_past && !failure.is_decided && self.leaves_machine(scope, &failure)? {
            return self.suspend_state(scope, failure);
        }
        self.fail_scope(scope, failure, name)
    }

    /// Whether an error that leaves the state of this scope is taken nowhere around it.
    fn leaves_machine(&self, scope: ScopeId, failure: &Failure) -> Result<bool, Broken> {
        let mut inner = scope;
        loop {
            if self.tolerates(inner)? {
                return Ok(false);
            }
            let Some(around) = self.scope(inner)?.parent else {
                return Ok(true);
            };
            let is_state = !matches!(self.scope(around)?.phase, Phase::Iterating(_));
            if is_state && !matches!(self.handling(around, failure)?, Handling::Leave) {
                return Ok(false);
            }
            inner = around;
        }
    }

    fn caught_compensating(
        &mut self,
        scope: ScopeId,
        catcher: &Catcher,
        Exit { output, assigned }: Exit,
        failure: Failure,
        name: StateName,
    ) -> Result<(), Broken> {
        let target = match &self.state(&name)?.kind {
            StateKind::Parallel(_) | StateKind::Map(_) => Target::Group(self.group_of_ended()),
            _ => Target::Scope,
        };
        let then = Then::Exit {
            output,
            next: Some(catcher.next.clone()),
            assigned,
        };
        self.begin_compensation(
            scope,
            target,
            then,
            trigger(TriggerKind::Catch, failure, Some(name)),
        )
    }

    fn handling(&self, scope: ScopeId, failure: &Failure) -> Result<Handling<'a>, Broken> {
        let position = self.position(scope)?;
        let (retriers, catchers): (&'a [Retrier], &'a [Catcher]) =
            match &self.state(&position.state)?.kind {
                StateKind::Task(task) => (&task.retry, &task.catch),
                StateKind::Parallel(parallel) => (&parallel.retry, &parallel.catch),
                StateKind::Map(map) => (&map.retry, &map.catch),
                StateKind::Pass(_)
                | StateKind::Choice(_)
                | StateKind::Wait(_)
                | StateKind::Succeed
                | StateKind::Fail(_)
                | StateKind::Compensate(_) => (&[], &[]),
            };
        Ok(
            if let Some(retrier) = retry::matching(retriers, &position.retries, &failure.error) {
                Handling::Retry { retrier }
            } else if let Some(catcher) = catch::matching(catchers, &failure.error) {
                Handling::Catch(catcher)
            } else {
                Handling::Leave
            },
        )
    }

    /// Schedules the next attempt; what a Parallel or Map did in the last one is undone first.
    fn retry(&mut self, scope: ScopeId, retrier: usize) -> Result<(), Broken> {
        let name = self.position(scope)?.state.clone();
        if let StateKind::Parallel(_) | StateKind::Map(_) = self.state(&name)?.kind
            && let Some(group) = self.group_of_ended()
        {
            let trigger = Trigger {
                kind: TriggerKind::Retry,
                error: None,
                cause: None,
                state: Some(name),
            };
            return self.begin_compensation(
                scope,
                Target::Group(Some(group)),
                Then::Retry { retrier },
                trigger,
            );
        }
        self.schedule_retry(scope, retrier)
    }

    pub(super) fn schedule_retry(&mut self, scope: ScopeId, retrier: usize) -> Result<(), Broken> {
        let position = self.position(scope)?;
        let used = position.retries.get(retrier).copied().unwrap_or(0);
        let rule = match &self.state(&position.state)?.kind {
            StateKind::Task(task) => task.retry.get(retrier),
            StateKind::Parallel(parallel) => parallel.retry.get(retrier),
            StateKind::Map(map) => map.retry.get(retrier),
            _ => None,
        };
        let rule = rule
            .ok_or_else(|| Broken::new(format!("{} has no retrier {retrier}", position.state)))?;
        let until = retry::next_attempt(rule, used + 1, self.now, self.fraction());
        let wait = self.record(Event::RetryScheduled {
            runner: Runner::State(scope),
            retrier,
            until,
        })?;
        self.open(Wait {
            wait,
            due: Some(until),
            kind: WaitKind::Timer,
        });
        Ok(())
    }

    /// The time of the next attempt has come.
    pub(super) fn attempt_again(&mut self, scope: ScopeId) -> Result<(), Broken> {
        let name = self.position(scope)?.state.clone();
        let state = self.state(&name)?;
        match &state.kind {
            StateKind::Parallel(parallel) => states::parallel(self, scope, state, parallel),
            StateKind::Map(map) => states::map(self, scope, state, map),
            _ => self.dispatch(Runner::State(scope)),
        }
    }

    /// The error leaves the scope: its Parallel or Map fails with it, or the machine.
    pub(crate) fn fail_scope(
        &mut self,
        scope: ScopeId,
        failure: Failure,
        state: &StateName,
    ) -> Result<(), Broken> {
        let failure = self.show_evaluation(scope, failure)?;
        if let Some(index) = self.scope(scope)?.iteration {
            return self.iteration_failed(scope, index, failure, state);
        }
        let Some(parent) = self.scope(scope)?.parent else {
            let Failure { error, cause, .. } = failure.clone();
            let (error, cause) = (Some(error).filter(|error| !error.is_empty()), cause);
            let ending = Ending {
                status: Status::Failed,
                error,
                cause,
            };
            return self.finish(
                ending,
                trigger(TriggerKind::Error, failure, Some(state.clone())),
            );
        };
        if let Phase::Iterating(_) = self.scope(parent)?.phase {
            return self.besides_failed(scope, parent, failure);
        }
        let drains = self.compensates(parent, &failure)?;
        let last_event = self.scope(scope)?.last_event;
        let is_shown = self.shows_failed_branch(parent, state)?;
        self.close(scope, drains, is_shown)?;
        self.close_branches(parent, drains)?;
        self.fail_composite(parent, last_event, failure)
    }

    /// A Map can't begin. Step Functions shows that the Map fails where JSONata is why.
    pub(crate) fn fail_map(&mut self, scope: ScopeId, failure: Failure) -> Result<(), Broken> {
        if failure.evaluation.is_none() {
            return self.fail(scope, failure);
        }
        let failure = self.show_evaluation(scope, failure)?;
        let last_event = self.execution.last_event(Runner::State(scope));
        self.fail_composite(scope, last_event, failure)
    }

    /// A distributed Map can't go on that has just begun. Step Functions shows neither that it fails nor a Map Run.
    pub(crate) fn fail_begun_map(
        &mut self,
        scope: ScopeId,
        failure: Failure,
    ) -> Result<(), Broken> {
        self.close_branches(scope, false)?;
        let last_event = self.execution.last_event(Runner::State(scope));
        let (error, cause) = (failure.error.clone(), failure.cause.clone());
        let failed = Event::MapStateFailed {
            scope,
            error,
            cause,
        };
        self.record_after(last_event, failed)?;
        self.fail(scope, failure)
    }

    /// A Parallel or Map fails, all inside which is closed; what comes next follows from the event of what made it fail.
    pub(super) fn fail_composite(
        &mut self,
        scope: ScopeId,
        last_event: u64,
        failure: Failure,
    ) -> Result<(), Broken> {
        let last_event = self.show_map_run_failed(scope, last_event, &failure)?;
        let Failure { error, cause, .. } = failure.clone();
        let failed = match &self.state(&self.position(scope)?.state)?.kind {
            StateKind::Map(_) => Event::MapStateFailed {
                scope,
                error,
                cause,
            },
            _ => Event::ParallelStateFailed {
                scope,
                error,
                cause,
            },
        };
        // Step Functions does not show the failure of one that is tried again.
        match self.handling(scope, &failure)? {
            Handling::Retry { .. } => self.record_after(last_event, failed)?,
            Handling::Catch(_) | Handling::Leave => self.show_after(last_event, failed)?,
        };
        self.fail(scope, failure)
    }

    /// Whether an error in this scope's state makes somebody undo what was done inside that state.
    pub(super) fn compensates(&self, scope: ScopeId, failure: &Failure) -> Result<bool, Broken> {
        let mut next = Some(scope);
        while let Some(scope) = next {
            if matches!(self.scope(scope)?.phase, Phase::Iterating(_)) {
                next = self.scope(scope)?.parent;
                continue;
            }
            match self.handling(scope, failure)? {
                Handling::Retry { .. } => return Ok(true),
                Handling::Catch(catcher) => return Ok(catcher.compensate),
                Handling::Leave if self.tolerates(scope)? => return Ok(true),
                Handling::Leave => next = self.scope(scope)?.parent,
            }
        }
        Ok(self.execution.head.pivot.is_none())
    }

    /// The whole machine fails, wherever it is.
    pub(super) fn fail_machine(&mut self, failure: Failure) -> Result<(), Broken> {
        let Failure { error, cause, .. } = failure.clone();
        let ending = Ending {
            status: Status::Failed,
            error: Some(error),
            cause,
        };
        self.finish(ending, trigger(TriggerKind::Error, failure, None))
    }

    /// The execution ends, once all it did is undone.
    pub(super) fn finish(&mut self, ending: Ending, trigger: Trigger) -> Result<(), Broken> {
        if self.execution.head.pivot.is_some() {
            self.record_letting_go(Event::LedgerReleased)?;
        }
        self.begin_compensation(ScopeId::TOP, Target::Scope, Then::Finish(ending), trigger)
    }

    /// The event that what comes of the failure follows from: that of the Map Run, when there is one.
    fn show_map_run_failed(
        &mut self,
        scope: ScopeId,
        last_event: u64,
        failure: &Failure,
    ) -> Result<u64, Broken> {
        let position = self.position(scope)?;
        let StateKind::Map(map) = &self.state(&position.state)?.kind else {
            return Ok(last_event);
        };
        let run = match &position.activity {
            Activity::Branches(runs) if map.is_distributed => runs.first().copied(),
            _ => None,
        };
        let Some(run) = run else {
            return Ok(last_event);
        };
        let failed = Event::MapRunFailed {
            run,
            error: failure.error.clone(),
            cause: failure.cause.clone(),
        };
        self.show_after(last_event, failed)?;
        Ok(self.execution.head.event_id)
    }

    pub(super) fn history_limit(&self) -> Option<Failure> {
        // An execution that compensates enters no state, so what was done is undone past the limit, too.
        (self.execution.head.event_id > HISTORY_EVENTS_MAX).then(|| {
            Failure::new(
                "States.Runtime",
                format!(
                    "The execution reached the maximum of {HISTORY_EVENTS_MAX} history events."
                ),
            )
        })
    }
}

fn trigger(kind: TriggerKind, failure: Failure, state: Option<StateName>) -> Trigger {
    Trigger {
        kind,
        error: Some(failure.error).filter(|error| !error.is_empty()),
        cause: failure.cause,
        state,
    }
}
