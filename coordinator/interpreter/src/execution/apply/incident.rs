//! What becomes of what waits for an operator.

use jiff::Timestamp;

use crate::execution::{
    Activity, Broken, Disposition, Execution, Held, Suspension, UndoPhase, UndoProgress, Waiter,
};
use crate::history::{Event, HistoryRecord, Payload, Settlement, Trigger};
use crate::ids::{EntryId, Runner, ScopeId, Sequence};

impl Execution {
    pub(super) fn apply_incident(&mut self, record: &HistoryRecord) -> Result<(), Broken> {
        match &record.event {
            Event::UndoSuspended { entry, .. } => {
                self.close_backoff(Runner::Undo(*entry))?;
                self.undo(*entry)?.progress = UndoProgress::Incident(record.sequence);
                self.open_incident(record.sequence, Held::Undo(*entry));
                self.dispose(*entry, Disposition::Suspended)
            }
            Event::PivotSuspended {
                entry,
                input,
                trigger,
                ..
            } => self.suspend_pivot(record, *entry, input, trigger),
            Event::StateSuspended {
                scope,
                error,
                cause,
                group,
            } => {
                self.close_backoff(Runner::State(*scope))?;
                self.position(*scope)?.activity = Activity::Suspended(Box::new(Suspension {
                    incident: record.sequence,
                    error: error.clone(),
                    cause: cause.clone(),
                    group: *group,
                }));
                self.open_incident(record.sequence, Held::State(*scope));
                Ok(())
            }
            Event::IncidentRetried {
                incident,
                arguments,
                phase_until,
                ..
            } => {
                let held = self.held_by(*incident)?;
                self.close_wait(*incident);
                match held {
                    Held::Undo(entry) => self.resume(entry, arguments.as_ref()),
                    Held::State(scope) => self.resume_state(scope),
                    Held::Phase => self.resume_phase(record.sequence, *phase_until),
                }
            }
            Event::IncidentSettled {
                incident,
                settlement,
                ..
            } => match self.held_by(*incident)? {
                Held::Undo(entry) => self.settle_undo(entry, settlement),
                Held::State(scope) => {
                    self.close_wait(*incident);
                    self.settle_state(scope, settlement)
                }
                Held::Phase => {
                    self.close_wait(*incident);
                    self.head.undo_phase = None;
                    self.abandon(self.rest_of_all())
                }
            },
            Event::PhaseTimedOut => self.hold_phase(record.sequence),
            Event::PhaseEnded => {
                self.end_phase();
                Ok(())
            }
            _ => Err(Broken::new("not an event of an incident")),
        }
    }

    fn settle_undo(&mut self, entry: EntryId, settlement: &Settlement) -> Result<(), Broken> {
        let is_pivot = self.step(entry)?.is_pivot;
        match settlement {
            // It has had its effect.
            Settlement::Skip { .. } if is_pivot => self.commit_pivot(entry),
            Settlement::Skip { .. } => self.settle(entry, Disposition::Skipped),
            Settlement::Resolve => self.settle(entry, Disposition::Resolved),
            Settlement::Abandon => self.abandon(self.rest_of(entry)),
        }
    }

    /// A state that failed is left to what was decided.
    fn settle_state(&mut self, scope: ScopeId, settlement: &Settlement) -> Result<(), Broken> {
        let position = self.position(scope)?;
        position.activity = Activity::Running;
        let entry = position.entry;
        match (settlement, entry) {
            // The pivot has not had its effect.
            (Settlement::Resolve, Some(entry)) => self.dispose(entry, Disposition::NotExecuted),
            (Settlement::Resolve | Settlement::Skip { .. } | Settlement::Abandon, _) => Ok(()),
        }
    }

    fn resume_state(&mut self, scope: ScopeId) -> Result<(), Broken> {
        let position = self.position(scope)?;
        position.activity = Activity::Running;
        position.retries.clear();
        position.attempt += 1;
        Ok(())
    }

    /// Of a pivot there is no undo that could be sent.
    fn suspend_pivot(
        &mut self,
        record: &HistoryRecord,
        entry: EntryId,
        input: &Payload,
        trigger: &Trigger,
    ) -> Result<(), Broken> {
        self.start_undo(record, entry, input, trigger)?;
        self.undo(entry)?.progress = UndoProgress::Incident(record.sequence);
        self.open_incident(record.sequence, Held::Undo(entry));
        self.dispose(entry, Disposition::Suspended)
    }

    fn abandon(&mut self, entries: Vec<EntryId>) -> Result<(), Broken> {
        for entry in entries {
            self.settle(entry, Disposition::Abandoned)?;
        }
        Ok(())
    }

    /// Gives up what no compensation undoes already.
    pub(super) fn abandon_untouched(&mut self) -> Result<(), Broken> {
        let open = self.ledger.values().filter(|entry| {
            entry.is_open()
                && !self.head.strays.contains(&entry.id)
                && self.undone_by(entry.id).is_none()
        });
        let open: Vec<EntryId> = open.map(|entry| entry.id).collect();
        for entry in open {
            // An undo under way can't be cancelled.
            if self.step(entry)?.undo.is_some() {
                self.head.strays.push(entry);
            } else {
                self.settle(entry, Disposition::Abandoned)?;
            }
        }
        Ok(())
    }

    /// The next attempt of a suspended undo.
    fn resume(&mut self, entry: EntryId, arguments: Option<&Payload>) -> Result<(), Broken> {
        let undo = self.undo(entry)?;
        undo.progress = UndoProgress::Running;
        undo.retries.clear();
        undo.attempt += 1;
        if let Some(arguments) = arguments {
            undo.arguments = Some(arguments.clone());
        }
        // A suspended undo held no place among its iterations; now it does.
        self.cursors.0.clear();
        self.dispose(entry, Disposition::Compensating)
    }

    fn resume_phase(&mut self, sequence: Sequence, until: Option<Timestamp>) -> Result<(), Broken> {
        self.head.undo_phase = None;
        if let Some(until) = until {
            self.begin_phase(sequence, until);
        }
        for entry in self.held_undos() {
            self.resume(entry, None)?;
        }
        Ok(())
    }

    pub(super) fn begin_phase(&mut self, wait: Sequence, until: Timestamp) {
        self.head.undo_phase = Some(UndoPhase::Timed { wait, until });
        self.waits.insert(wait, Waiter::Phase);
    }

    /// Ends the phase when nothing undoes any more, unless an operator has yet to decide on what it held.
    pub(super) fn end_phase(&mut self) {
        let wait = match self.head.undo_phase {
            Some(UndoPhase::Timed { wait, .. }) => wait,
            Some(UndoPhase::Overdue { incident }) if self.held_undos().is_empty() => incident,
            Some(UndoPhase::Overdue { .. }) | None => return,
        };
        self.close_wait(wait);
        self.head.undo_phase = None;
    }

    fn hold_phase(&mut self, incident: Sequence) -> Result<(), Broken> {
        self.end_phase();
        let under_way = self.ledger.values().filter(|entry| {
            let step = entry.step();
            step.is_some_and(|step| step.disposition == Disposition::Compensating)
        });
        for entry in under_way.map(|entry| entry.id).collect::<Vec<_>>() {
            if let Some((wait, _)) = self.entry(entry)?.wait() {
                self.close_wait(wait);
            }
            let undo = self.undo(entry)?;
            // The attempt that waits for its time was counted, and was not made.
            if let UndoProgress::Backoff { .. } = undo.progress {
                undo.attempt -= 1;
            }
            undo.progress = UndoProgress::Held;
            self.dispose(entry, Disposition::Suspended)?;
        }
        self.head.undo_phase = Some(UndoPhase::Overdue { incident });
        self.open_incident(incident, Held::Phase);
        Ok(())
    }

    /// Ends an entry by an operator's word, or for its pivot has had its effect: nothing of it is waited for any more.
    pub(super) fn settle(&mut self, id: EntryId, disposition: Disposition) -> Result<(), Broken> {
        if let Some((wait, _)) = self.entry(id)?.wait() {
            self.close_wait(wait);
        }
        let step = self.step(id)?;
        step.drain = None;
        // Whoever decides knows of all that has shown.
        step.undo_again = false;
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
