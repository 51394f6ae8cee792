//! What becomes of a Map and its iterations.
//!
//! A scope of its own, named by the record that started the Map, holds the counts: the row of the state, with its input, is
//! not written for each iteration.

use crate::definition::BlockId;
use crate::execution::{Activity, Broken, Execution, Iterations, Phase, Scope};
use crate::history::{Event, HistoryRecord};
use crate::ids::{Runner, ScopeId};

impl Execution {
    pub(super) fn apply_map(&mut self, record: &HistoryRecord) -> Result<(), Broken> {
        match &record.event {
            Event::MapStateStarted {
                scope,
                length,
                concurrency,
                failures_max,
                ..
            } => {
                self.follow(record, Runner::State(*scope))?;
                self.close_backoff(Runner::State(*scope))?;
                let iterations = Iterations {
                    length: *length,
                    started: 0,
                    open: 0,
                    failed: 0,
                    concurrency: *concurrency,
                    failures_max: *failures_max,
                };
                self.start_map(record, *scope, iterations)
            }
            Event::MapItemsRead {
                run,
                length,
                concurrency,
                failures_max,
                ..
            } => {
                let iterations = self.iterations(*run)?;
                let holder = self.scope(*run)?;
                holder.concurrency = Some(*concurrency);
                holder.phase = Phase::Iterating(Iterations {
                    length: *length,
                    concurrency: *concurrency,
                    failures_max: *failures_max,
                    ..iterations
                });
                Ok(())
            }
            Event::MapRunStarted { run, .. }
            | Event::MapRunSucceeded { run }
            | Event::MapRunFailed { run, .. } => {
                self.scope(*run)?.last_event = record.event_id.unwrap_or(0);
                Ok(())
            }
            // What comes next follows from the last iteration's end, as in Step Functions.
            Event::MapStateSucceeded { scope } => {
                if let Some(last_event) = self.last_of_iterations(*scope)? {
                    self.scope(*scope)?.last_event = last_event;
                }
                self.gather(*scope, record.sequence)
            }
            Event::MapStateFailed { scope, .. } => {
                self.follow(record, Runner::State(*scope))?;
                self.gather(*scope, record.sequence)
            }
            iteration => self.apply_iteration(record, iteration),
        }
    }

    fn apply_iteration(&mut self, record: &HistoryRecord, event: &Event) -> Result<(), Broken> {
        match event {
            Event::MapIterationStarted {
                run, block, index, ..
            } => self.start_iteration(record, *run, *block, *index),
            Event::MapIterationSucceeded { scope, output, .. } => {
                let iteration = self.scope(*scope)?;
                iteration.phase = Phase::Ended(output.clone());
                // The next iteration follows from what was before this event, the end of the Map from it.
                iteration.last_event = record.event_id.unwrap_or(iteration.last_event);
                self.forget_variables(*scope);
                self.iteration_over(*scope)
            }
            Event::MapIterationFailed { scope, items, .. } => {
                let (run, iterations) = self.run_of(*scope)?;
                self.scope(run)?.phase = Phase::Iterating(Iterations {
                    failed: iterations.failed.saturating_add(*items),
                    ..iterations
                });
                Ok(())
            }
            // The record before it closed its scope.
            Event::MapIterationAborted { .. } => Ok(()),
            Event::IterationForgone { scope } => {
                self.close_scope(*scope)?;
                self.iteration_over(*scope)?;
                self.prune(*scope);
                Ok(())
            }
            _ => Err(Broken::new("not an event of a Map")),
        }
    }

    fn start_map(
        &mut self,
        record: &HistoryRecord,
        scope: ScopeId,
        iterations: Iterations,
    ) -> Result<(), Broken> {
        let run = ScopeId(record.sequence);
        self.position(scope)?.activity = Activity::Branches(vec![run]);
        let last_event = self.scope(scope)?.last_event;
        let mut holder = Scope::new(run, Some(scope), BlockId::TOP, last_event);
        holder.concurrency = Some(iterations.concurrency);
        holder.phase = Phase::Iterating(iterations);
        self.scopes.insert(run, holder);
        self.touched.scope(run);
        Ok(())
    }

    fn start_iteration(
        &mut self,
        record: &HistoryRecord,
        run: ScopeId,
        block: BlockId,
        index: u32,
    ) -> Result<(), Broken> {
        let iterations = self.iterations(run)?;
        self.scope(run)?.phase = Phase::Iterating(Iterations {
            started: index + 1,
            open: iterations.open + 1,
            ..iterations
        });
        let id = ScopeId(record.sequence);
        let event = record.event_id.unwrap_or(record.previous_event_id);
        let mut scope = Scope::new(id, Some(run), block, event);
        scope.iteration = Some(index);
        self.scopes.insert(id, scope);
        self.touched.scope(id);
        Ok(())
    }

    /// One more, or one less, goes on in what holds iterations; false for any other scope.
    pub(super) fn count_open(&mut self, run: ScopeId, more: i32) -> Result<bool, Broken> {
        let Phase::Iterating(iterations) = &mut self.scope(run)?.phase else {
            return Ok(false);
        };
        iterations.open = iterations.open.saturating_add_signed(more);
        Ok(true)
    }

    /// What follows the iterations follows from the one that ended last.
    fn iteration_over(&mut self, scope: ScopeId) -> Result<(), Broken> {
        let last_event = self.scope(scope)?.last_event;
        let (run, iterations) = self.run_of(scope)?;
        let holder = self.scope(run)?;
        holder.last_event = last_event;
        holder.phase = Phase::Iterating(Iterations {
            open: iterations.open.saturating_sub(1),
            ..iterations
        });
        Ok(())
    }

    fn last_of_iterations(&mut self, scope: ScopeId) -> Result<Option<u64>, Broken> {
        let run = match &self.position(scope)?.activity {
            Activity::Branches(runs) => runs.first().copied(),
            _ => None,
        };
        let run = run.and_then(|run| self.scopes.get(&run));
        Ok(run.map(|run| run.last_event))
    }

    /// The scope that holds an iteration, and how far its Map is.
    fn run_of(&mut self, scope: ScopeId) -> Result<(ScopeId, Iterations), Broken> {
        let run = self.scope(scope)?.parent;
        let run = run.ok_or_else(|| Broken::new(format!("scope {} is in no Map", scope.0)))?;
        Ok((run, self.iterations(run)?))
    }

    fn iterations(&self, run: ScopeId) -> Result<Iterations, Broken> {
        match self.scopes.get(&run).map(|run| &run.phase) {
            Some(Phase::Iterating(iterations)) => Ok(*iterations),
            _ => Err(Broken::new(format!("scope {} holds no iterations", run.0))),
        }
    }
}
