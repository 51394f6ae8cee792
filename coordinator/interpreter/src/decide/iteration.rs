//! The iterations of a Map: one begins where another is over, and each ends well, with a failure that its Map tolerates, or
//! with one that it fails with.

use super::turn::{Failure, Turn};
use crate::definition::{StateKind, StateName};
use crate::execution::{Broken, Iterations, Phase};
use crate::history::{Event, Payload, Target, Then, Trigger, TriggerKind};
use crate::ids::{Runner, ScopeId};
use crate::states;

impl Turn<'_> {
    /// Begins as many iterations as may be open at a time; the first follows from the event `previous`. Ends the Map when all
    /// are over.
    pub(crate) fn iterate(&mut self, run: ScopeId, previous: u64) -> Result<(), Broken> {
        while self.iterations(run)?.has_room() {
            if let Err(failure) = states::iteration(self, run, previous)? {
                let scope = self.around(run)?;
                self.close_branches(scope, true)?;
                return self.fail_composite(scope, previous, failure);
            }
        }
        if self.iterations(run)?.are_over() {
            states::map_ended(self, run)?;
        }
        Ok(())
    }

    /// The last state of an iteration is through.
    pub(super) fn iteration_succeeded(
        &mut self,
        scope: ScopeId,
        index: u32,
        output: Payload,
    ) -> Result<(), Broken> {
        let run = self.around(scope)?;
        let name = self.map_name(run)?;
        let last_event = self.scope(scope)?.last_event;
        let succeeded = Event::MapIterationSucceeded {
            scope,
            index,
            name,
            output,
        };
        self.show_unless_hidden(Runner::State(scope), last_event, succeeded)?;
        self.iterate(run, last_event)
    }

    /// An error leaves an iteration: its Map does without it, or fails with it.
    pub(super) fn iteration_failed(
        &mut self,
        scope: ScopeId,
        index: u32,
        failure: Failure,
        state: &StateName,
    ) -> Result<(), Broken> {
        let run = self.around(scope)?;
        let name = self.map_name(run)?;
        let is_tolerated = self.tolerates(scope)?;
        let last_event = self.scope(scope)?.last_event;
        let items = states::weight(self, run, index)?;
        let failed = Event::MapIterationFailed {
            scope,
            index,
            name,
            items,
        };
        self.show_unless_hidden(Runner::State(scope), last_event, failed)?;
        if is_tolerated {
            let trigger = Trigger {
                kind: TriggerKind::Iteration,
                error: Some(failure.error),
                cause: failure.cause,
                state: Some(state.clone()),
            };
            return self.begin_compensation(scope, Target::Scope, Then::Forgo, trigger);
        }
        let around = self.around(run)?;
        let failure = self.beyond_tolerance(around, failure)?;
        let drains = self.compensates(around, &failure)?;
        self.close(scope, drains, false)?;
        self.close_branches(around, drains)?;
        self.fail_composite(around, last_event, failure)
    }

    /// What a Map fails with when one of its iterations does: a distributed one with an error of its own.
    fn beyond_tolerance(&self, map: ScopeId, failure: Failure) -> Result<Failure, Broken> {
        match &self.state(&self.position(map)?.state)?.kind {
            StateKind::Map(map) if map.is_distributed => Ok(Failure::new(
                "States.ExceedToleratedFailureThreshold",
                "The specified tolerated failure threshold was exceeded",
            )),
            _ => Ok(failure),
        }
    }

    /// What an iteration did whose failure is tolerated is undone.
    pub(super) fn iteration_forgone(&mut self, scope: ScopeId) -> Result<(), Broken> {
        let run = self.around(scope)?;
        let last_event = self.scope(scope)?.last_event;
        self.record(Event::IterationForgone { scope })?;
        self.iterate(run, last_event)
    }

    /// Closes the iterations that are open, and the scope that holds them.
    pub(super) fn close_iterations(&mut self, run: ScopeId, drains: bool) -> Result<(), Broken> {
        let name = self.map_name(run)?;
        for scope in self.execution.inside_of(run) {
            let inside = self.scope(scope)?;
            if matches!(inside.phase, Phase::Ended(_) | Phase::Closed) {
                continue;
            }
            match inside.iteration {
                Some(_) => self.abort_iteration(scope, &name, drains)?,
                None => self.close(scope, drains, false)?,
            }
        }
        self.record(Event::ScopeClosed {
            scope: run,
            kind: None,
            drain_until: None,
            goes_on: false,
        })?;
        Ok(())
    }

    fn abort_iteration(
        &mut self,
        scope: ScopeId,
        name: &StateName,
        drains: bool,
    ) -> Result<(), Broken> {
        let iteration = self.scope(scope)?;
        let (index, last_event) = (iteration.iteration.unwrap_or(0), iteration.last_event);
        let before = self.execution.head.event_id;
        self.close(scope, drains, true)?;
        // It follows from the end of what the iteration was in, where that is shown.
        let shown = self.execution.head.event_id;
        let previous = if shown > before { shown } else { last_event };
        let name = name.clone();
        let aborted = Event::MapIterationAborted { scope, index, name };
        self.show_unless_hidden(Runner::State(scope), previous, aborted)?;
        Ok(())
    }

    /// The Task fails that a Map needs besides: the Map fails with it.
    pub(super) fn besides_failed(
        &mut self,
        scope: ScopeId,
        run: ScopeId,
        failure: Failure,
    ) -> Result<(), Broken> {
        let around = self.around(run)?;
        let drains = self.compensates(around, &failure)?;
        let last_event = self.scope(run)?.last_event;
        self.close(scope, drains, false)?;
        self.close_branches(around, drains)?;
        self.fail_composite(around, last_event, failure)
    }

    /// Fails a Map that has begun, before any of its iterations has.
    pub(crate) fn fail_map_run(&mut self, run: ScopeId, failure: Failure) -> Result<(), Broken> {
        let around = self.around(run)?;
        let last_event = self.scope(run)?.last_event;
        self.close_branches(around, false)?;
        self.fail_composite(around, last_event, failure)
    }

    /// Whether an error that leaves this scope only ends an iteration.
    pub(super) fn tolerates(&self, scope: ScopeId) -> Result<bool, Broken> {
        let Some(index) = self.scope(scope)?.iteration else {
            return Ok(false);
        };
        let run = self.around(scope)?;
        let iterations = self.iterations(run)?;
        if iterations.failed >= iterations.failures_max {
            return Ok(false);
        }
        let failed = iterations.failed + states::weight(self, run, index)?;
        Ok(failed <= iterations.failures_max)
    }

    fn iterations(&self, run: ScopeId) -> Result<Iterations, Broken> {
        match self.scope(run)?.phase {
            Phase::Iterating(iterations) => Ok(iterations),
            _ => Err(Broken::new(format!("scope {} holds no iterations", run.0))),
        }
    }

    /// The scope around a scope that is not the top level.
    pub(crate) fn around(&self, scope: ScopeId) -> Result<ScopeId, Broken> {
        let parent = self.scope(scope)?.parent;
        parent.ok_or_else(|| Broken::new(format!("scope {} is the top level", scope.0)))
    }

    /// The name of the Map whose iterations a scope holds.
    pub(crate) fn map_name(&self, run: ScopeId) -> Result<StateName, Broken> {
        Ok(self.position(self.around(run)?)?.state.clone())
    }
}
