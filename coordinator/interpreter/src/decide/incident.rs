//! What an operator decides. Source: the saga extension, "When an undo fails".

use super::Taken;
use super::task::undo_name;
use super::turn::Turn;
use crate::effect::Announcement;
use crate::execution::{Broken, Entry, Held, UndoProgress, Waiter};
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
        let Some(held) = self.held_by(incident) else {
            return Ok(Err(Ignored::UnknownIncident));
        };
        let (entry, phase_until, resumed) = match held {
            Held::Undo(entry) => (Some(entry), None, vec![entry]),
            Held::Phase if arguments.is_some() => return Ok(Err(Ignored::ActNotOffered)),
            Held::Phase => {
                let goes_on = self.execution.head.is_compensating;
                let until = goes_on.then(|| self.phase_until());
                (None, until, self.execution.held_undos())
            }
        };
        let wait = self.record(Event::IncidentRetried {
            incident,
            entry,
            by: by.clone(),
            reason: reason.clone(),
            arguments: arguments.cloned(),
            phase_until,
        })?;
        self.time_phase(wait, phase_until);
        for entry in resumed {
            self.dispatch(Runner::Undo(entry))?;
        }
        Ok(Ok(()))
    }

    pub(super) fn settle_incident(
        &mut self,
        incident: Sequence,
        settlement: &Settlement,
        (by, reason): Operator<'_>,
    ) -> Result<Taken, Broken> {
        let Some(held) = self.held_by(incident) else {
            return Ok(Err(Ignored::UnknownIncident));
        };
        let given_up = match (held, settlement) {
            (Held::Undo(_), Settlement::Skip { output: Some(_) })
            | (Held::Phase, Settlement::Skip { .. } | Settlement::Resolve) => {
                return Ok(Err(Ignored::ActNotOffered));
            }
            (Held::Undo(_), Settlement::Skip { .. } | Settlement::Resolve) => Vec::new(),
            (Held::Undo(entry), Settlement::Abandon) => self.execution.rest_of(entry),
            (Held::Phase, Settlement::Abandon) => self.execution.rest_of_all(),
        };
        for entry in given_up {
            self.cancel_step(entry);
            self.cancel_undo(entry);
        }
        self.record(Event::IncidentSettled {
            incident,
            settlement: settlement.clone(),
            by: by.clone(),
            reason: reason.clone(),
        })?;
        Ok(Ok(()))
    }

    /// Tells who works at the step of an entry, which may answer yet, that nobody waits for it.
    fn cancel_step(&mut self, entry: EntryId) {
        if let Some(step) = self.execution.ledger.get(&entry).and_then(Entry::step)
            && let Some((task, _)) = step.drain
        {
            let state = step.state.to_string();
            self.announce(Announcement::TaskCancelled { task, state });
        }
    }

    /// Tells who works at the undo of an entry that nobody waits for it.
    pub(super) fn cancel_undo(&mut self, entry: EntryId) {
        if let Some(step) = self.execution.ledger.get(&entry).and_then(Entry::step)
            && let Some(undo) = &step.undo
            && let UndoProgress::Task(flight) = &undo.progress
        {
            let (task, state) = (flight.task, undo_name(step.state.as_str()));
            self.announce(Announcement::TaskCancelled { task, state });
        }
    }

    fn held_by(&self, incident: Sequence) -> Option<Held> {
        match self.execution.waits.get(&incident) {
            Some(Waiter::Incident(held)) => Some(*held),
            _ => None,
        }
    }
}
