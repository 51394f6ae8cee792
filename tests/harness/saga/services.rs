//! Services that are idempotent per key, as the worker library makes them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use sagamore_interpreter::execution::Disposition;
use sagamore_interpreter::{EntryId, Event, Execution, HistoryRecord, ScopeId, Sequence, Status};

/// What the services did, by the key of the step.
#[derive(Debug, Clone, Default)]
pub struct Services {
    effects: BTreeMap<String, Effect>,
}

/// What one key stands for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    /// Whether the work is done and not undone.
    pub is_there: bool,
    /// Whether it was undone, so that the work is refused from now on.
    pub is_refused: bool,
    /// Whether an operator undid it by hand: what becomes of it after that is the operator's to know.
    pub is_by_hand: bool,
}

impl Services {
    /// Does what a task message with this key says, an undo if it compensates a step's key; whether the service did it
    /// rather than refuse.
    pub fn work(&mut self, key: &str, compensates: Option<&str>) -> bool {
        let step = compensates.unwrap_or(key);
        let effect = self.effects.entry(step.to_owned()).or_default();
        if compensates.is_some() {
            // An undo of a key it never saw succeeds, and is remembered.
            effect.is_there = false;
            effect.is_refused = true;
            return true;
        }
        effect.is_there |= !effect.is_refused;
        !effect.is_refused
    }

    /// An operator undoes the step with this key.
    pub fn undo_by_hand(&mut self, key: &str) {
        let effect = self.effects.entry(key.to_owned()).or_default();
        *effect = Effect {
            is_there: false,
            is_refused: true,
            is_by_hand: true,
        };
    }

    /// What came of the step with this key.
    pub fn of(&self, key: &str) -> Effect {
        self.effects.get(key).copied().unwrap_or_default()
    }

    /// Invariant 10, of an execution that has ended: what was undone is gone, what is kept is there.
    ///
    /// # Errors
    /// Which step is not as its entry says.
    pub fn check(&self, execution: &Execution, history: &[HistoryRecord]) -> Result<()> {
        let covered = covered(history);
        for entry in execution.ledger.values() {
            let Some(step) = entry.step() else { continue };
            let effect = self.of(&step.key);
            if effect.is_by_hand && step.disposition.is_settled() {
                continue;
            }
            // What an execution did that is a saga of its own is checked there.
            let has_child = step.attempts.iter().any(|attempt| attempt.child.is_some());
            if has_child && !self.effects.contains_key(&step.key) {
                continue;
            }
            let is_right = match step.disposition {
                // What becomes of it is for the undo of the whole to say.
                Disposition::Released if covered.contains(&entry.id) => true,
                Disposition::Released => {
                    ensure!(
                        execution.head.status == Status::Succeeded
                            || execution.head.pivot.is_some(),
                        "{} is released by a saga that failed",
                        step.state
                    );
                    let is_whole = step.attempts.iter().any(|it| it.task == entry.id.0);
                    !effect.is_refused && (is_whole || effect.is_there || step.result.is_none())
                }
                Disposition::Compensated | Disposition::Resolved | Disposition::NotExecuted => {
                    !effect.is_there
                }
                // Whoever gave it up knows what is there.
                Disposition::Skipped | Disposition::Abandoned => true,
                Disposition::Armed
                | Disposition::Committed
                | Disposition::Unknown
                | Disposition::Compensating
                | Disposition::Suspended => false,
            };
            ensure!(
                is_right,
                "{} of the key {} is {:?} at the end, its effect {effect:?}",
                step.state,
                step.key,
                step.disposition
            );
        }
        Ok(())
    }
}

/// The entries inside a Parallel or Map that has an undo of its own, which completed after them; and those of executions in which
/// nothing can be undone.
pub fn covered(history: &[HistoryRecord]) -> BTreeSet<EntryId> {
    let (mut parents, mut scopes) = (BTreeMap::new(), BTreeMap::new());
    let mut covered = BTreeSet::new();
    for record in history {
        let here = ScopeId(record.sequence);
        match &record.event {
            Event::BranchStarted { parent: scope, .. }
            | Event::MapStateStarted { scope, .. }
            | Event::MapIterationStarted { run: scope, .. } => {
                parents.insert(here, *scope);
            }
            Event::EntryArmed { scope, .. } => {
                scopes.insert(EntryId(record.sequence), *scope);
            }
            Event::EntryReleased { entry, .. } => {
                covered.insert(*entry);
            }
            Event::CompositeArmed { scope, key, .. } => {
                let visit = key.rsplit('/').next().and_then(|visit| visit.parse().ok());
                let since = EntryId(Sequence(visit.unwrap_or(0)));
                let inside = scopes.range(since..).filter(|(_, inner)| {
                    let mut around =
                        std::iter::successors(parents.get(inner), |it| parents.get(it));
                    around.any(|around| around == scope)
                });
                covered.extend(inside.map(|(entry, _)| *entry));
                scopes.insert(EntryId(record.sequence), *scope);
            }
            _ => {}
        }
    }
    covered
}
