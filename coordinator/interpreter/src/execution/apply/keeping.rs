//! What stays: entries that are not undone any more, and ledgers that another execution may yet ask for.

use crate::execution::{Broken, Disposition, Execution};
use crate::history::{Event, HistoryRecord};
use crate::ids::EntryId;

impl Execution {
    pub(super) fn apply_keeping(&mut self, record: &HistoryRecord) -> Result<(), Broken> {
        match &record.event {
            Event::LedgerAbandoned => self.abandon_untouched(),
            Event::PivotCommitted { entry } => self.commit_pivot(*entry),
            Event::LedgerReleased => self.release_entries(),
            Event::LedgerClosed => {
                self.release_entries()?;
                self.head.is_kept = false;
                self.drop_scopes();
                Ok(())
            }
            Event::EntryReleased { entry } => self.release(vec![*entry]),
            Event::UndoRequested { task } => {
                self.head.asked_by = Some(*task);
                Ok(())
            }
            Event::UndoAnswered => {
                self.head.asked_by = None;
                Ok(())
            }
            _ => Err(Broken::new("not an event of a ledger that stays")),
        }
    }

    /// Past the pivot nothing that came before it is undone.
    pub(super) fn commit_pivot(&mut self, entry: EntryId) -> Result<(), Broken> {
        self.head.pivot = Some(entry);
        let before = self.ledger.range(..entry).map(|(_, before)| before);
        let undone = before.filter(|entry| {
            let step = entry.step().map(|step| step.disposition);
            step == Some(Disposition::NotExecuted)
                && self.was_undone_around(entry.id)
                && self.undone_by(entry.id).is_none()
        });
        for owed in undone.map(|entry| entry.id).collect::<Vec<_>>() {
            self.step(owed)?.is_owed = true;
        }
        if !self.step(entry)?.disposition.is_settled() {
            self.settle(entry, Disposition::Released)?;
        }
        self.release_entries()
    }

    /// Nothing will be undone any more, but what is being undone already or was once.
    pub(super) fn release_entries(&mut self) -> Result<(), Broken> {
        let open = self.ledger.values().filter(|entry| entry.is_open());
        self.release(open.map(|entry| entry.id).collect())
    }

    pub(super) fn release(&mut self, entries: Vec<EntryId>) -> Result<(), Broken> {
        for entry in entries {
            if self.head.strays.contains(&entry) {
                continue;
            }
            let step = self.step(entry)?;
            if step.undo.is_some() || step.round > 1 {
                self.head.strays.push(entry);
                continue;
            }
            if let Some((task, _)) = step.drain.take() {
                self.close_wait(task);
            }
            self.dispose(entry, Disposition::Released)?;
        }
        Ok(())
    }
}
