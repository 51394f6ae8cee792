//! What an operator decides. Source: the saga extension, "When an undo fails".

use super::Taken;
use super::turn::Turn;
use crate::effect::Announcement;
use crate::execution::{Broken, Held, UndoProgress, Waiter};
use crate::history::{Event, Payload, Settlement};
use crate::ids::{EntryId, Runner, Sequence};
use crate::input::Ignored;

/// Who decides, and why.
type Operator<'a> = (&'a Option<String>, &'a Option<String>);

impl Turn<'_> {
    pub(super) fn retry_incident(
        &mut self,
        incident: Sequence,
        (by, reason): Operator<'_>,
        arguments: Option<&Payload>,
    ) -> Result<Taken, Broken> {
        let Some(Held::Undo(entry)) = self.held_by(incident) else {
            return Ok(Err(Ignored::UnknownIncident));
        };
        self.record(Event::IncidentRetried {
            incident,
            entry,
            by: by.clone(),
            reason: reason.clone(),
            arguments: arguments.cloned(),
        })?;
        self.dispatch(Runner::Undo(entry))?;
        Ok(Ok(()))
    }

    pub(super) fn settle_incident(
        &mut self,
        incident: Sequence,
        settlement: &Settlement,
        (by, reason): Operator<'_>,
    ) -> Result<Taken, Broken> {
        let Some(Held::Undo(entry)) = self.held_by(incident) else {
            return Ok(Err(Ignored::UnknownIncident));
        };
        if *settlement == Settlement::Abandon {
            for entry in self.execution.rest_of(entry) {
                self.give_up(entry)?;
            }
        }
        self.record(Event::IncidentSettled {
            incident,
            settlement: settlement.clone(),
            by: by.clone(),
            reason: reason.clone(),
        })?;
        Ok(Ok(()))
    }

    /// Tells who works for an entry that nobody waits for it any more.
    fn give_up(&mut self, entry: EntryId) -> Result<(), Broken> {
        let step = self.step(entry)?;
        let undo = step.undo.as_deref().map(|undo| &undo.progress);
        let (task, state) = match (step.drain, undo) {
            (Some((task, _)), _) => (task, step.state.to_string()),
            (None, Some(UndoProgress::Task(flight))) => {
                (flight.task, super::task::undo_name(step.state.as_str()))
            }
            (None, _) => return Ok(()),
        };
        self.announce(Announcement::TaskCancelled { task, state });
        Ok(())
    }

    fn held_by(&self, incident: Sequence) -> Option<Held> {
        match self.execution.waits.get(&incident) {
            Some(Waiter::Incident(held)) => Some(*held),
            _ => None,
        }
    }
}
