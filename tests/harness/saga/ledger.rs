//! What must hold of the ledger, judged by the history alone. Source: the saga extension, "Invariants".

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use sagamore_interpreter::execution::Disposition;
use sagamore_interpreter::{EntryId, Event, Execution, HistoryRecord, ScopeId};

/// What was seen of the ledger.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    /// The scope that a branch's Parallel stands in.
    parents: BTreeMap<ScopeId, ScopeId>,
    /// The scope of each entry.
    scopes: BTreeMap<EntryId, ScopeId>,
    /// How each entry was settled, per round.
    settled: BTreeMap<(EntryId, u32), Disposition>,
}

impl Ledger {
    pub(super) fn before(&mut self, fold: &Execution, record: &HistoryRecord) -> Result<()> {
        match &record.event {
            Event::BranchStarted { parent, .. } => {
                self.parents.insert(ScopeId(record.sequence), *parent);
            }
            Event::EntryArmed { scope, .. } => {
                self.scopes.insert(EntryId(record.sequence), *scope);
            }
            Event::UndoStarted { entry, .. } if !fold.head.strays.contains(entry) => {
                // Invariant 7: nothing before a committed pivot is undone, but what was undone once already.
                let round = fold
                    .ledger
                    .get(entry)
                    .and_then(|entry| Some(entry.step()?.round));
                ensure!(
                    fold.head.pivot.is_none_or(|pivot| *entry > pivot) || round > Some(1),
                    "{entry:?} is undone past the pivot"
                );
                self.check_order(fold, *entry)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Invariant 2: what is settled stays so, but for an effect that shows late.
    pub(super) fn after(
        &mut self,
        fold: &Execution,
        record: &HistoryRecord,
        touched: &BTreeSet<EntryId>,
    ) -> Result<()> {
        for id in touched {
            let step = fold.ledger.get(id).and_then(|entry| entry.step());
            let Some(step) = step else { continue };
            let settled = self.settled.get(&(*id, step.round)).copied();
            if let Some(settled) = settled.filter(|settled| *settled != step.disposition) {
                let is_late = settled == Disposition::NotExecuted
                    && matches!(record.event, Event::EntryUpgraded { entry, .. } if entry == *id);
                ensure!(
                    is_late,
                    "the entry of {} was settled as {settled:?}, now it is {:?}",
                    step.state,
                    step.disposition
                );
                self.settled.remove(&(*id, step.round));
            }
            if step.disposition.is_settled() {
                self.settled.insert((*id, step.round), step.disposition);
            }
        }
        Ok(())
    }

    /// Invariant 3: whatever came after the entry in its chain is settled, be it in branches.
    fn check_order(&self, fold: &Execution, undone: EntryId) -> Result<()> {
        let Some(scope) = self.scopes.get(&undone) else {
            return Ok(());
        };
        for (later, entry) in fold.ledger.range(undone..).skip(1) {
            let Some(step) = entry.step() else { continue };
            ensure!(
                step.disposition.is_settled() || !self.is_inside(self.scopes.get(later), *scope),
                "{undone:?} is undone before its successor {} of {later:?}, which is {:?}",
                step.state,
                step.disposition
            );
        }
        Ok(())
    }

    fn is_inside(&self, scope: Option<&ScopeId>, outer: ScopeId) -> bool {
        let mut next = scope;
        while let Some(scope) = next {
            if *scope == outer {
                return true;
            }
            next = self.parents.get(scope);
        }
        false
    }

    /// Invariants 5 and 11: a terminal execution has settled all but what showed late, and somebody sees to that.
    pub(super) fn check(&self, execution: &Execution) -> Result<()> {
        // What a success leaves may be undone as long as the execution that waited for it may ask.
        if !execution.is_terminal() || execution.head.is_kept {
            return Ok(());
        }
        for (id, entry) in &execution.ledger {
            let Some(step) = entry.step() else { continue };
            ensure!(
                step.disposition.is_settled() || execution.head.strays.contains(id),
                "a terminal execution has the entry of {}, which is {:?}",
                step.state,
                step.disposition
            );
        }
        ensure!(
            execution.open_waits().count() == execution.head.strays.len(),
            "a terminal execution has {} undos and {} waits",
            execution.head.strays.len(),
            execution.open_waits().count()
        );
        Ok(())
    }
}
