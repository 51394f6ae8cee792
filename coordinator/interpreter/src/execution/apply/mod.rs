//! `Execution::apply`: the only code that changes an execution, one arm per event.

mod arming;
mod chain;
mod incident;
mod keeping;
mod ledger;
mod map;
mod task;

use super::{Activity, Broken, Execution, Goal, Phase, Position, Scope, Waiter};
use crate::definition::{BlockId, StateName};
use crate::history::{Ending, Event, HistoryRecord, Payload, Status, Target, Then};
use crate::ids::{EntryId, Runner, ScopeId, Sequence};

impl Execution {
    /// Takes the next record of the history.
    ///
    /// # Errors
    /// When the record does not follow from what came before.
    pub fn apply(&mut self, record: &HistoryRecord) -> Result<(), Broken> {
        if record.sequence.0 != self.head.sequence.0 + 1 {
            return Err(Broken::new(format!(
                "record {} does not follow {}",
                record.sequence, self.head.sequence
            )));
        }
        self.head.sequence = record.sequence;
        self.head.at = record.at;
        if let Some(event_id) = record.event_id {
            self.head.event_id = event_id;
        }
        self.apply_event(record)
    }

    fn apply_event(&mut self, record: &HistoryRecord) -> Result<(), Broken> {
        match &record.event {
            Event::ExecutionStarted { .. } => Err(Broken::new("an execution starts once")),
            Event::ExecutionSucceeded { output, is_kept } => self.succeed(record, output, *is_kept),
            Event::ExecutionEnded(ending) => self.end(record, ending),
            Event::StateEntered { .. }
            | Event::StateExited { .. }
            | Event::EvaluationFailed { .. }
            | Event::ParallelStateStarted { .. }
            | Event::ParallelStateSucceeded { .. }
            | Event::ParallelStateFailed { .. }
            | Event::BranchStarted { .. }
            | Event::BranchSucceeded { .. }
            | Event::WaitScheduled { .. }
            | Event::Yielded { .. } => self.apply_state(record),
            Event::MapRunStarted { .. }
            | Event::MapRunSucceeded { .. }
            | Event::MapRunFailed { .. }
            | Event::MapStateStarted { .. }
            | Event::MapItemsRead { .. }
            | Event::MapStateSucceeded { .. }
            | Event::MapStateFailed { .. }
            | Event::MapIterationStarted { .. }
            | Event::MapIterationSucceeded { .. }
            | Event::MapIterationFailed { .. }
            | Event::MapIterationAborted { .. }
            | Event::IterationForgone { .. } => self.apply_map(record),
            Event::ScopeClosed { .. }
            | Event::CompensationStarted { .. }
            | Event::CompensationEnded { .. } => self.apply_closing(record),
            Event::TaskScheduled(_)
            | Event::TaskStarted { .. }
            | Event::TaskSubmitted { .. }
            | Event::TaskSucceeded { .. }
            | Event::TaskFailed { .. }
            | Event::TaskTimedOut { .. }
            | Event::RetryScheduled { .. } => self.apply_task(record),
            Event::UndoSuspended { .. }
            | Event::PivotSuspended { .. }
            | Event::StateSuspended { .. }
            | Event::PhaseTimedOut
            | Event::PhaseEnded
            | Event::IncidentRetried { .. }
            | Event::IncidentSettled { .. } => self.apply_incident(record),
            Event::LedgerAbandoned
            | Event::PivotCommitted { .. }
            | Event::LedgerReleased
            | Event::LedgerClosed
            | Event::EntryReleased { .. }
            | Event::UndoRequested { .. }
            | Event::UndoAnswered => self.apply_keeping(record),
            Event::EntryArmed { .. } | Event::CompositeArmed { .. } => self.apply_arming(record),
            Event::UndoStarted { .. }
            | Event::UndoSucceeded { .. }
            | Event::ChildCompensated { .. }
            | Event::EntryDrained { .. }
            | Event::EntryUpgraded { .. } => self.apply_ledger(record),
        }
    }

    fn succeed(
        &mut self,
        record: &HistoryRecord,
        output: &Payload,
        is_kept: bool,
    ) -> Result<(), Broken> {
        self.head.output = Some(output.clone());
        if is_kept {
            return self.keep(record);
        }
        self.release_entries()?;
        self.finish(record, Status::Succeeded)
    }

    fn end(&mut self, record: &HistoryRecord, ending: &Ending) -> Result<(), Broken> {
        self.head.error.clone_from(&ending.error);
        self.head.cause.clone_from(&ending.cause);
        self.finish(record, ending.status)
    }

    /// What happens within a state, or between two.
    fn apply_state(&mut self, record: &HistoryRecord) -> Result<(), Broken> {
        let sequence = record.sequence;
        match &record.event {
            Event::StateEntered {
                scope,
                name,
                input,
                is_mark,
                ..
            } => {
                self.enter(record, *scope, name, input)?;
                if *is_mark {
                    let marks = &mut self.scope(*scope)?.marks;
                    marks.insert(name.clone(), sequence);
                }
                Ok(())
            }
            Event::EvaluationFailed { scope, .. } => self.follow(record, Runner::State(*scope)),
            Event::StateExited {
                scope,
                output,
                assigned,
                ..
            } => {
                self.assign(*scope, assigned.as_ref())?;
                self.exit(record, *scope, output)
            }
            Event::ParallelStateStarted { scope } => {
                self.follow(record, Runner::State(*scope))?;
                self.close_backoff(Runner::State(*scope))?;
                self.position(*scope)?.activity = Activity::Branches(Vec::new());
                Ok(())
            }
            Event::BranchStarted { parent, block } => self.start_branch(sequence, *parent, *block),
            Event::BranchSucceeded { scope, output } => self.end_branch(*scope, output),
            // What comes next follows from the last branch's end, as in Step Functions.
            Event::ParallelStateSucceeded { scope } => self.gather(*scope, sequence),
            Event::ParallelStateFailed { scope, .. } => {
                self.follow(record, Runner::State(*scope))?;
                self.gather(*scope, sequence)
            }
            Event::WaitScheduled { scope, until } => {
                self.waits.insert(sequence, Waiter::Scope(*scope));
                self.position(*scope)?.activity = Activity::Waiting {
                    wait: sequence,
                    until: *until,
                };
                Ok(())
            }
            Event::Yielded { scope, next, input } => {
                self.waits.insert(sequence, Waiter::Scope(*scope));
                self.scope(*scope)?.phase = Phase::Yielding {
                    wait: sequence,
                    next: next.clone(),
                    input: input.clone(),
                };
                Ok(())
            }
            _ => Err(Broken::new("not an event of a state")),
        }
    }

    /// What ends the way of a scope: it is closed, or undoes.
    fn apply_closing(&mut self, record: &HistoryRecord) -> Result<(), Broken> {
        let sequence = record.sequence;
        match &record.event {
            Event::ScopeClosed {
                scope,
                drain_until,
                goes_on,
                ..
            } => {
                self.follow(record, Runner::State(*scope))?;
                if *goes_on {
                    return self.detach(*scope);
                }
                self.gather(*scope, sequence)?;
                self.leave(*scope, Phase::Closed, *drain_until)?;
                self.note_compensating();
                self.prune(*scope);
                Ok(())
            }
            Event::CompensationStarted {
                scope,
                target,
                then,
                trigger,
                drain_until,
                phase_until,
            } => {
                if matches!(target, Target::Scope | Target::Since(_)) {
                    self.gather(*scope, sequence)?;
                }
                for inner in self.undone_inside(*scope, *target) {
                    self.leave(inner, Phase::Closed, None)?;
                }
                let left = self.leave(*scope, Phase::Between, *drain_until)?;
                let goal = Goal {
                    target: *target,
                    then: (**then).clone(),
                    trigger: trigger.clone(),
                    position: left.map(Box::new),
                };
                self.scope(*scope)?.phase = Phase::Compensating(Box::new(goal));
                self.undoing.insert(*scope);
                self.mark_undone(*scope, *target, sequence)?;
                self.head.is_compensating = true;
                if let Some(until) = phase_until {
                    self.begin_phase(sequence, *until);
                }
                if self.is_finishing() {
                    self.close_wait(Sequence(1));
                }
                Ok(())
            }
            Event::CompensationEnded { scope } => self.end_compensation(*scope),
            _ => Err(Broken::new("not an event of a scope that closes")),
        }
    }

    fn finish(&mut self, record: &HistoryRecord, status: Status) -> Result<(), Broken> {
        self.head.status = status;
        self.head.stopped_at = Some(record.at);
        self.close_wait(Sequence(1));
        self.drop_scopes();
        Ok(())
    }

    /// The execution has succeeded, and what it did may yet be undone: its chains stay.
    fn keep(&mut self, record: &HistoryRecord) -> Result<(), Broken> {
        self.head.status = Status::Succeeded;
        self.head.stopped_at = Some(record.at);
        self.head.is_kept = true;
        self.close_wait(Sequence(1));
        self.close_scope(ScopeId::TOP)
    }

    fn drop_scopes(&mut self) {
        for scope in std::mem::take(&mut self.scopes).into_values() {
            if let Some((wait, _)) = scope.wait() {
                self.close_wait(wait);
            }
            self.touched.scope(scope.id);
        }
        self.undoing.clear();
        self.variables_bytes = 0;
        self.head.is_compensating = false;
        self.end_phase();
    }

    fn enter(
        &mut self,
        record: &HistoryRecord,
        scope: ScopeId,
        name: &StateName,
        input: &Payload,
    ) -> Result<(), Broken> {
        self.follow(record, Runner::State(scope))?;
        let wait = self.scope(scope)?.wait();
        if let Some((wait, _)) = wait {
            self.close_wait(wait);
        }
        self.scope(scope)?.phase = Phase::At(Box::new(Position {
            visit: record.sequence,
            previous_event: record.previous_event_id,
            entered_event: record.event_id.unwrap_or(0),
            entered_at: record.at,
            state: name.clone(),
            input: input.clone(),
            entry: None,
            attempt: 1,
            retries: Vec::new(),
            activity: Activity::Running,
        }));
        Ok(())
    }

    fn assign(&mut self, scope: ScopeId, assigned: Option<&Payload>) -> Result<(), Broken> {
        let Some(assigned) = assigned.and_then(|assigned| assigned.as_object()) else {
            return Ok(());
        };
        let bytes = self.variables_bytes_with(Some(scope), assigned);
        let variables = &mut self.scope(scope)?.variables;
        for (name, value) in assigned {
            variables.insert(name.clone(), Payload::new(value.clone()));
        }
        self.variables_bytes = bytes;
        Ok(())
    }

    fn exit(
        &mut self,
        record: &HistoryRecord,
        scope: ScopeId,
        output: &Payload,
    ) -> Result<(), Broken> {
        self.follow(record, Runner::State(scope))?;
        let position = self.leave(scope, Phase::Between, None)?;
        if let Some(entry) = position.and_then(|position| position.entry) {
            let step = self.step(entry)?;
            // What a catcher yields is not the step's.
            if step
                .attempts
                .last()
                .is_some_and(|last| last.result.is_some())
            {
                step.output = Some(output.clone());
            }
        }
        Ok(())
    }

    fn start_branch(
        &mut self,
        sequence: Sequence,
        parent: ScopeId,
        block: BlockId,
    ) -> Result<(), Broken> {
        let id = ScopeId(sequence);
        let last_event = self.scope(parent)?.last_event;
        if !self.count_open(parent, 1)? {
            let Activity::Branches(branches) = &mut self.position(parent)?.activity else {
                return Err(Broken::new(format!("scope {} has no branches", parent.0)));
            };
            branches.push(id);
        }
        self.scopes
            .insert(id, Scope::new(id, Some(parent), block, last_event));
        self.touched.scope(id);
        Ok(())
    }

    fn end_branch(&mut self, scope: ScopeId, output: &Payload) -> Result<(), Broken> {
        let branch = self.scope(scope)?;
        branch.phase = Phase::Ended(output.clone());
        let (parent, last_event) = (branch.parent, branch.last_event);
        self.forget_variables(scope);
        if let Some(parent) = parent {
            // What follows the branches follows from the one that ended last.
            self.scope(parent)?.last_event = last_event;
            self.count_open(parent, -1)?;
        }
        Ok(())
    }

    /// A scope that undoes is closed: it goes on, and nothing comes after.
    fn detach(&mut self, scope: ScopeId) -> Result<(), Broken> {
        match &mut self.scope(scope)?.phase {
            Phase::Compensating(goal) => {
                goal.then = Then::Close;
                Ok(())
            }
            _ => Err(Broken::new(format!("scope {} does not undo", scope.0))),
        }
    }

    fn end_compensation(&mut self, scope: ScopeId) -> Result<(), Broken> {
        let compensating = std::mem::replace(&mut self.scope(scope)?.phase, Phase::Between);
        self.undoing.remove(&scope);
        let Phase::Compensating(goal) = compensating else {
            return Err(Broken::new(format!(
                "scope {} does not compensate",
                scope.0
            )));
        };
        if goal.then == Then::Close {
            self.close_scope(scope)?;
        } else if let Some(position) = goal.position {
            self.scope(scope)?.phase = Phase::At(position);
            self.position(scope)?.activity = Activity::Running;
        }
        self.note_compensating();
        if !self.head.is_compensating {
            self.end_phase();
        }
        self.prune(scope);
        Ok(())
    }

    fn close_scope(&mut self, scope: ScopeId) -> Result<(), Broken> {
        self.forget_variables(scope);
        self.scope(scope)?.phase = Phase::Closed;
        Ok(())
    }

    /// Takes a scope out of its state; a step in flight may answer until `drain_until`.
    fn leave(
        &mut self,
        scope: ScopeId,
        into: Phase,
        drain_until: Option<jiff::Timestamp>,
    ) -> Result<Option<Position>, Broken> {
        let wait = self.scope(scope)?.wait();
        if let Some((wait, _)) = wait {
            self.close_wait(wait);
        }
        self.undoing.remove(&scope);
        if into == Phase::Closed {
            self.forget_variables(scope);
        }
        let position = match std::mem::replace(&mut self.scope(scope)?.phase, into) {
            Phase::At(position) => Some(*position),
            Phase::Compensating(goal) => goal.position.map(|position| *position),
            Phase::Between
            | Phase::Yielding { .. }
            | Phase::Iterating(_)
            | Phase::Ended(_)
            | Phase::Closed => None,
        };
        if let Some(position) = &position {
            self.settle_visit(position, drain_until)?;
        }
        Ok(position)
    }

    /// Notes that the runner's next event follows from this one, or from what an event that is not shown follows from.
    fn follow(&mut self, record: &HistoryRecord, runner: Runner) -> Result<(), Broken> {
        let event_id = record.event_id.unwrap_or(record.previous_event_id);
        if event_id == 0 {
            return Ok(());
        }
        match runner {
            Runner::State(scope) => self.scope(scope)?.last_event = event_id,
            Runner::Undo(entry) => self.undo(entry)?.last_event = event_id,
        }
        Ok(())
    }

    fn note_compensating(&mut self) {
        self.head.is_compensating = !self.undoing.is_empty();
    }

    fn close_wait(&mut self, wait: Sequence) {
        let Some(waiter) = self.waits.remove(&wait) else {
            return;
        };
        if let Waiter::Incident(_) = waiter {
            self.head.tally.incidents = self.head.tally.incidents.saturating_sub(1);
        }
        self.touched.closed.insert(wait);
    }

    fn scope(&mut self, scope: ScopeId) -> Result<&mut Scope, Broken> {
        self.touched.scope(scope);
        self.scopes
            .get_mut(&scope)
            .ok_or_else(|| Broken::new(format!("there is no scope {}", scope.0)))
    }

    fn position(&mut self, scope: ScopeId) -> Result<&mut Position, Broken> {
        match &mut self.scope(scope)?.phase {
            Phase::At(position) => Ok(position),
            _ => Err(Broken::new(format!("scope {} is in no state", scope.0))),
        }
    }

    fn entry(&mut self, entry: EntryId) -> Result<&mut super::Entry, Broken> {
        self.touched.entry(entry);
        self.ledger
            .get_mut(&entry)
            .ok_or_else(|| Broken::new(format!("there is no entry {}", entry.0)))
    }
}
