//! What must hold of a history and of the execution it makes. Source: the saga extension, "Invariants".

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, ensure};
use sagamore_interpreter::definition::Machine;
use sagamore_interpreter::execution::{Disposition, Phase, Position};
use sagamore_interpreter::{
    Decision, Effect, Event, Execution, ExecutionId, HistoryRecord, Runner, ScopeId, Sequence,
    TaskScheduled, WaitKind,
};

use super::ledger::Ledger;

/// Follows a history record by record.
#[derive(Debug, Clone, Default)]
pub(super) struct Guard {
    /// The fold of the history so far, made without `decide`.
    fold: Option<Execution>,
    events: u64,
    /// The key of each visit and of each round of undoing.
    keys: BTreeMap<Visit, String>,
    /// Whose attempt a task is.
    attempts: BTreeMap<Sequence, Visit>,
    ledger: Ledger,
}

/// What shares one key: a visit of a state, or one round of undoing an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Visit {
    State(Sequence),
    Undo(Sequence, u32),
}

impl Guard {
    /// Checks what a decision adds.
    pub(super) fn follow(
        &mut self,
        machine: &Machine,
        id: ExecutionId,
        decision: &Decision,
    ) -> Result<()> {
        for record in &decision.history {
            self.record(machine, id, record)
                .with_context(|| format!("record {}: {:?}", record.sequence, record.event))?;
        }
        for effect in &decision.effects {
            if let Effect::Open(wait) = effect
                && let WaitKind::Task(dispatch) = &wait.kind
            {
                self.key(wait.wait, &dispatch.key)?;
            }
        }
        Ok(())
    }

    /// Checks that the execution is the fold, and that it is sound.
    pub(super) fn check(&self, execution: &Execution) -> Result<()> {
        execution.check_whole()?;
        let fold = self.fold.as_ref().context("nothing was recorded")?;
        ensure!(fold.head == execution.head, "the head is not the fold's");
        ensure!(
            fold.scopes == execution.scopes,
            "the scopes are not the fold's"
        );
        ensure!(
            fold.ledger == execution.ledger,
            "the ledger is not the fold's"
        );
        ensure!(
            fold.open_waits().eq(execution.open_waits()),
            "the waits are not the fold's"
        );
        self.ledger.check(execution)
    }

    fn record(&mut self, machine: &Machine, id: ExecutionId, record: &HistoryRecord) -> Result<()> {
        if let Some(event_id) = record.event_id {
            ensure!(
                event_id == self.events + 1,
                "event {event_id} follows {}",
                self.events
            );
            self.events = event_id;
        }
        ensure!(
            record.previous_event_id <= self.events,
            "it follows from an event to come"
        );
        let Some(mut fold) = self.fold.take() else {
            self.fold = Some(Execution::begin(id, record)?);
            return Ok(());
        };
        ensure!(record.at >= fold.head.at, "time runs backwards");
        if let Event::TaskScheduled(scheduled) = &record.event {
            self.scheduled(machine, &fold, record.sequence, scheduled)?;
        }
        self.ledger.before(&fold, record)?;
        fold.apply(record)?;
        let touched = fold.take_touched();
        self.ledger.after(&fold, record, &touched.entries)?;
        self.fold = Some(fold);
        Ok(())
    }

    fn scheduled(
        &mut self,
        machine: &Machine,
        fold: &Execution,
        task: Sequence,
        scheduled: &TaskScheduled,
    ) -> Result<()> {
        let visit = match scheduled.runner {
            Runner::State(scope) => {
                let position = position(fold, scope)?;
                let has_undo = has_undo(machine, position);
                // Invariant 1: armed before dispatch.
                ensure!(
                    has_undo == position.entry.is_some(),
                    "a step is dispatched that is not armed"
                );
                check_forward(fold, scope)?;
                Visit::State(position.visit)
            }
            Runner::Undo(entry) => {
                let step = fold.ledger.get(&entry).and_then(|entry| entry.step());
                let step = step.ok_or_else(|| anyhow!("an undo has no entry"))?;
                ensure!(
                    step.disposition == Disposition::Compensating,
                    "an undo is dispatched of an entry that is {:?}",
                    step.disposition
                );
                Visit::Undo(entry.0, step.round)
            }
        };
        self.attempts.insert(task, visit);
        Ok(())
    }

    /// Invariant 6: one key per visit and per round of undoing, and no other has it.
    fn key(&mut self, task: Sequence, key: &str) -> Result<()> {
        let visit = *self
            .attempts
            .get(&task)
            .context("a message of an unknown attempt")?;
        let known = self.keys.entry(visit).or_insert_with(|| key.to_owned());
        ensure!(
            known == key,
            "{visit:?} has the key {known}, its task {task} {key}"
        );
        let shared = self
            .keys
            .iter()
            .find(|(other, known)| **other != visit && *known == key);
        ensure!(shared.is_none(), "{visit:?} shares its key with {shared:?}");
        Ok(())
    }
}

fn position(fold: &Execution, scope: ScopeId) -> Result<&Position> {
    let position = fold.scopes.get(&scope).and_then(|scope| scope.position());
    position.ok_or_else(|| anyhow!("scope {scope:?} is in no state"))
}

fn has_undo(machine: &Machine, position: &Position) -> bool {
    use sagamore_interpreter::definition::StateKind;
    match machine.state(&position.state).map(|state| &state.kind) {
        Some(StateKind::Task(task)) => {
            task.compensate.is_some() || task.is_pivot || task.resource.waits_for_child()
        }
        _ => false,
    }
}

/// Invariant 4: a scope that undoes, or stands in one that does, sends no step.
fn check_forward(fold: &Execution, scope: ScopeId) -> Result<()> {
    let mut next = Some(scope);
    while let Some(scope) = next.and_then(|scope| fold.scopes.get(&scope)) {
        ensure!(
            !matches!(scope.phase, Phase::Compensating(_) | Phase::Closed),
            "a step is dispatched while scope {:?} is {:?}",
            scope.id,
            scope.phase
        );
        next = scope.parent;
    }
    Ok(())
}
