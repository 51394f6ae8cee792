//! What becomes of what waits for an operator.

use crate::execution::{Broken, Disposition, Execution, Held, UndoProgress, Waiter};
use crate::history::{Event, HistoryRecord, Settlement};
use crate::ids::{EntryId, Runner, Sequence};

impl Execution {
    pub(super) fn apply_incident(&mut self, record: &HistoryRecord) -> Result<(), Broken> {
        match &record.event {
            Event::UndoSuspended { entry, .. } => {
                self.close_backoff(Runner::Undo(*entry))?;
                self.undo(*entry)?.progress = UndoProgress::Incident(record.sequence);
                self.open_incident(record.sequence, Held::Undo(*entry));
                self.dispose(*entry, Disposition::Suspended)
            }
            Event::IncidentRetried {
                incident,
                entry,
                arguments,
                ..
            } => {
                self.close_wait(*incident);
                let undo = self.undo(*entry)?;
                undo.progress = UndoProgress::Running;
                undo.retries.clear();
                undo.attempt += 1;
                if let Some(arguments) = arguments {
                    undo.arguments = Some(arguments.clone());
                }
                self.dispose(*entry, Disposition::Compensating)
            }
            Event::IncidentSettled {
                incident,
                settlement,
                ..
            } => {
                let Held::Undo(entry) = self.held_by(*incident)?;
                self.settle_undo(entry, settlement)
            }
            _ => Err(Broken::new("not an event of an incident")),
        }
    }

    fn settle_undo(&mut self, entry: EntryId, settlement: &Settlement) -> Result<(), Broken> {
        match settlement {
            Settlement::Skip { .. } => self.settle(entry, Disposition::Skipped),
            Settlement::Resolve => self.settle(entry, Disposition::Resolved),
            Settlement::Abandon => {
                for entry in self.rest_of(entry) {
                    // Whatever shows of it later is not undone either.
                    self.step(entry)?.undo_again = false;
                    self.settle(entry, Disposition::Abandoned)?;
                }
                Ok(())
            }
        }
    }

    /// Ends an entry by an operator's word: nothing of it is waited for any more.
    fn settle(&mut self, id: EntryId, disposition: Disposition) -> Result<(), Broken> {
        if let Some((wait, _)) = self.entry(id)?.wait() {
            self.close_wait(wait);
        }
        let step = self.step(id)?;
        step.drain = None;
        if let Some(undo) = step.undo.as_deref_mut() {
            undo.progress = UndoProgress::Running;
        }
        self.end_undo(id, disposition)
    }

    fn open_incident(&mut self, incident: Sequence, held: Held) {
        self.waits.insert(incident, Waiter::Incident(held));
        self.head.tally.incidents += 1;
    }

    /// What an incident holds up.
    pub(crate) fn held_by(&self, incident: Sequence) -> Result<Held, Broken> {
        match self.waits.get(&incident) {
            Some(Waiter::Incident(held)) => Ok(*held),
            _ => Err(Broken::new(format!("there is no incident {incident}"))),
        }
    }
}
