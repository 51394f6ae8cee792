//! What stays: entries that are not undone any more, and ledgers that another execution may yet ask for.

use crate::execution::{Broken, Disposition, Execution};
use crate::history::{Event, HistoryRecord};
use crate::ids::{EntryId, Sequence};

impl Execution {
    pub(super) fn apply_keeping(&mut self, record: &HistoryRecord) -> Result<(), Broken> {
        match &record.event {
            Event::LedgerAbandoned => self.abandon_untouched(),
            Event::PivotCommitted { entry } => self.commit_pivot(*entry),
            Event::LedgerReleased => self.release_untouched(),
            Event::LedgerClosed => {
                self.release_entries()?;
                self.head.is_kept = false;
                self.drop_scopes();
                Ok(())
            }
            Event::EntryReleased { entry, task } => self.note_nothing(*entry, *task),
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

    /// The execution that an attempt started has nothing to undo: so has its step, unless another attempt left something.
    fn note_nothing(&mut self, entry: EntryId, task: Option<Sequence>) -> Result<(), Broken> {
        let step = self.step(entry)?;
        let attempts = step.attempts.iter_mut();
        for attempt in attempts.filter(|attempt| task.is_none_or(|task| attempt.task == task)) {
            attempt.left_nothing = true;
        }
        let is_over = step.disposition.awaits_undo();
        if is_over && step.at_end() == Disposition::Released {
            return self.dispose(entry, Disposition::Released);
        }
        Ok(())
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

    /// The same, but what a compensation has yet to undo has its turn.
    fn release_untouched(&mut self) -> Result<(), Broken> {
        let open = self.ledger.values().filter(|entry| entry.is_open());
        let open = open.filter(|entry| self.undone_by(entry.id).is_none());
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
