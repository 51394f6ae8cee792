//! What becomes of the entries of the ledger.

use jiff::Timestamp;

use crate::execution::{
    Activity, Broken, Disposition, Execution, Position, Step, Subject, Undo, UndoProgress, Waiter,
};
use crate::history::{Event, HistoryRecord, Outcome, Payload, Trigger};
use crate::ids::{EntryId, Sequence};
use crate::input::CompensationEnd;
use crate::mutation::{self, Mutation};

impl Execution {
    pub(super) fn apply_ledger(&mut self, record: &HistoryRecord) -> Result<(), Broken> {
        match &record.event {
            Event::EntryDrained {
                entry,
                task,
                outcome,
                result,
                error,
                cause,
            } => {
                let failure = error.as_ref().map(|error| (error, cause));
                self.record_attempt(*entry, *task, *outcome, result.as_ref(), failure)?;
                self.close_wait(*task);
                let step = self.step(*entry)?;
                step.drain = None;
                let disposition = step.at_end();
                self.dispose(*entry, disposition)
            }
            Event::EntryUpgraded {
                entry,
                task,
                result,
            } => self.upgrade(*entry, *task, result),
            Event::UndoStarted {
                entry,
                input,
                trigger,
                ..
            } => self.start_undo(record, *entry, input, trigger),
            Event::UndoSucceeded { entry, .. } => {
                let disposition = settled_as(&self.undo(*entry)?.asked);
                self.end_undo(*entry, disposition)
            }
            Event::ChildCompensated { entry, end } => {
                self.undo(*entry)?.asked.push(*end);
                Ok(())
            }
            _ => Err(Broken::new("not an event of the ledger")),
        }
    }

    /// Ends the visit of a state: what its entry stands for is known now, unless its last attempt may still answer.
    pub(super) fn settle_visit(
        &mut self,
        position: &Position,
        drain_until: Option<Timestamp>,
    ) -> Result<(), Broken> {
        let Some(entry) = position.entry else {
            return Ok(());
        };
        let step = self.step(entry)?;
        // One that is awaited already is awaited still when another compensation takes over.
        if step.disposition != Disposition::Armed || step.drain.is_some() {
            return Ok(());
        }
        if let (Activity::Task(flight), Some(until)) = (&position.activity, drain_until) {
            let task = flight.task;
            step.drain = Some((task, until));
            self.waits.insert(task, Waiter::Drain(entry));
            self.touched.closed.remove(&task);
            return Ok(());
        }
        for attempt in &mut step.attempts {
            attempt.outcome.get_or_insert(Outcome::Unknown);
        }
        let disposition = step.at_end();
        self.dispose(entry, disposition)
    }

    pub(super) fn start_undo(
        &mut self,
        record: &HistoryRecord,
        entry: EntryId,
        input: &Payload,
        trigger: &Trigger,
    ) -> Result<(), Broken> {
        let event_id = record.event_id.unwrap_or(0);
        self.step(entry)?.undo = Some(Box::new(Undo {
            input: input.clone(),
            trigger: trigger.clone(),
            entered_event: event_id,
            entered_at: record.at,
            last_event: event_id,
            attempt: 1,
            retries: Vec::new(),
            arguments: None,
            asked: Vec::new(),
            progress: UndoProgress::Running,
            result: None,
        }));
        self.dispose(entry, Disposition::Compensating)
    }

    /// The undo of this round is over; another follows when a success became known meanwhile.
    pub(super) fn end_undo(
        &mut self,
        entry: EntryId,
        disposition: Disposition,
    ) -> Result<(), Broken> {
        let step = self.step(entry)?;
        if step.undo_again {
            let from = step.disposition;
            step.begin_round(disposition);
            self.head.tally.shift(Some(from), disposition);
            self.head.tally.shift(None, Disposition::Committed);
            return self.keep_undoing(entry, true);
        }
        self.head.strays.retain(|stray| *stray != entry);
        self.dispose(entry, disposition)
    }

    /// A success became known that its entry did not know of. Source: the saga extension, "Cancelling, late replies".
    fn upgrade(&mut self, entry: EntryId, task: Sequence, result: &Payload) -> Result<(), Broken> {
        self.record_attempt(entry, task, Outcome::Committed, Some(result), None)?;
        let is_past = self.head.pivot.is_some_and(|pivot| entry < pivot);
        let is_covered = self.is_covered(entry);
        let step = self.step(entry)?;
        let is_kept = is_covered || is_past && !step.is_owed;
        match step.disposition {
            Disposition::Armed => {
                let Some((drained, _)) = step.drain.take() else {
                    return Ok(());
                };
                self.close_wait(drained);
                self.dispose(entry, Disposition::Committed)
            }
            Disposition::Unknown => self.dispose(entry, Disposition::Committed),
            Disposition::Compensating | Disposition::Suspended => {
                step.undo_again = true;
                Ok(())
            }
            Disposition::NotExecuted if is_kept => self.dispose(entry, Disposition::Released),
            Disposition::NotExecuted => self.reopen(entry),
            Disposition::Compensated if mutation::is(Mutation::ReopenRound) => self.reopen(entry),
            Disposition::Compensated | Disposition::Skipped | Disposition::Resolved => {
                step.begin_round(step.disposition);
                self.head.tally.shift(None, Disposition::Committed);
                self.reopen(entry)
            }
            Disposition::Committed | Disposition::Released | Disposition::Abandoned => Ok(()),
        }
    }

    /// A settled entry is to be undone: in its turn when its scope undoes or may yet, on its own when it has undone.
    fn reopen(&mut self, entry: EntryId) -> Result<(), Broken> {
        self.dispose(entry, Disposition::Committed)?;
        let is_chained = self.rejoin(entry)?;
        self.keep_undoing(entry, is_chained)
    }

    /// An entry that is to be undone, though the compensation that was to do so is over, or was cut short by one that caught an
    /// error around it, is undone on its own.
    fn keep_undoing(&mut self, entry: EntryId, is_chained: bool) -> Result<(), Broken> {
        let is_left_over = self.was_undone_around(entry) && self.undone_by(entry).is_none();
        if (!is_chained || is_left_over) && !self.head.strays.contains(&entry) {
            self.head.strays.push(entry);
        }
        Ok(())
    }

    /// Moves an entry to another disposition; one that is settled leaves its chain.
    pub(super) fn dispose(
        &mut self,
        entry: EntryId,
        disposition: Disposition,
    ) -> Result<(), Broken> {
        let from = std::mem::replace(&mut self.step(entry)?.disposition, disposition);
        self.head.tally.shift(Some(from), disposition);
        if disposition.is_settled() {
            let scope = self.entry(entry)?.scope;
            self.prune(scope);
        }
        Ok(())
    }

    pub(super) fn step(&mut self, entry: EntryId) -> Result<&mut Step, Broken> {
        match &mut self.entry(entry)?.subject {
            Subject::Step(step) => Ok(step),
            Subject::Group(_) | Subject::Iterations { .. } => {
                Err(Broken::new(format!("entry {} is a group", entry.0)))
            }
        }
    }

    pub(super) fn undo(&mut self, entry: EntryId) -> Result<&mut Undo, Broken> {
        let undo = self.step(entry)?.undo.as_deref_mut();
        undo.ok_or_else(|| Broken::new(format!("entry {} is not being undone", entry.0)))
    }
}

/// What an undo comes to that asked executions to undo what they did.
fn settled_as(asked: &[CompensationEnd]) -> Disposition {
    if asked.contains(&CompensationEnd::Abandoned) {
        Disposition::Abandoned
    } else if asked.contains(&CompensationEnd::Incomplete) {
        Disposition::Skipped
    } else {
        Disposition::Compensated
    }
}
