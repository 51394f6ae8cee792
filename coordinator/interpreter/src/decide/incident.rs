//! What an operator decides. Source: the saga extension, "When an undo fails".

use super::Taken;
use super::pivot::given;
use super::task::undo_name;
use super::turn::{Failure, Turn};
use crate::effect::Announcement;
use crate::execution::{Activity, Broken, Entry, Held, Suspension, UndoProgress, Waiter};
use crate::history::{Event, Payload, Settlement, Target, Then, Trigger, TriggerKind};
use crate::ids::{EntryId, Runner, ScopeId, Sequence};
use crate::input::Ignored;
use crate::states;

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
        let (entry, phase_until) = match held {
            // There is no undo of a pivot.
            Held::Undo(entry) if self.step(entry)?.is_pivot => {
                return Ok(Err(Ignored::ActNotOffered));
            }
            Held::State(_) | Held::Phase if arguments.is_some() => {
                return Ok(Err(Ignored::ActNotOffered));
            }
            // An execution that is asked to undo what it did gets nothing sent.
            Held::Undo(entry) if arguments.is_some() && self.compensation(entry)?.is_none() => {
                return Ok(Err(Ignored::ActNotOffered));
            }
            Held::Undo(entry) => (Some(entry), None),
            Held::State(_) => (None, None),
            Held::Phase => {
                let goes_on = self.execution.head.is_compensating;
                (None, goes_on.then(|| self.phase_until()))
            }
        };
        let suspension = self.suspension(held)?;
        let held_undos = self.execution.held_undos();
        let wait = self.record(Event::IncidentRetried {
            incident,
            entry,
            by: by.clone(),
            reason: reason.clone(),
            arguments: arguments.cloned(),
            phase_until,
        })?;
        self.time_phase(wait, phase_until);
        match held {
            Held::Undo(entry) => self.dispatch(Runner::Undo(entry))?,
            Held::State(scope) => {
                let group = suspension.and_then(|suspension| suspension.group);
                self.rerun(scope, group)?;
            }
            Held::Phase => {
                for entry in held_undos {
                    self.dispatch(Runner::Undo(entry))?;
                }
            }
        }
        Ok(Ok(()))
    }

    /// A state begins again; what a Parallel or Map did is undone first.
    fn rerun(&mut self, scope: ScopeId, group: Option<EntryId>) -> Result<(), Broken> {
        if group.is_none() {
            return self.run_state(scope);
        }
        let trigger = Trigger {
            kind: TriggerKind::Retry,
            error: None,
            cause: None,
            state: Some(self.position(scope)?.state.clone()),
        };
        self.begin_compensation(scope, Target::Group(group), Then::Rerun, trigger)
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
        if !self.offers(held, settlement)? {
            return Ok(Err(Ignored::ActNotOffered));
        }
        let given_up = match (held, settlement) {
            (Held::Undo(entry), Settlement::Abandon) => self.execution.rest_of(entry),
            (Held::Phase, Settlement::Abandon) => self.execution.rest_of_all(),
            (Held::State(_), Settlement::Abandon)
            | (_, Settlement::Skip { .. } | Settlement::Resolve) => Vec::new(),
        };
        for entry in given_up {
            self.cancel_step(entry);
            self.cancel_undo(entry);
        }
        let suspension = self.suspension(held)?;
        self.record_letting_go(Event::IncidentSettled {
            incident,
            settlement: settlement.clone(),
            by: by.clone(),
            reason: reason.clone(),
        })?;
        if let (Held::State(scope), Some(suspension)) = (held, suspension) {
            self.settle_state(scope, suspension, settlement)?;
        }
        Ok(Ok(()))
    }

    /// Whether this can be decided of such an incident.
    fn offers(&self, held: Held, settlement: &Settlement) -> Result<bool, Broken> {
        Ok(match (held, settlement) {
            (_, Settlement::Abandon) | (Held::Undo(_), Settlement::Resolve) => true,
            (Held::Undo(_), Settlement::Skip { output }) => output.is_none(),
            (Held::State(scope), Settlement::Skip { .. }) => {
                states::can_skip(self.state(&self.position(scope)?.state)?)
            }
            // What has had its effect can't be taken for not done.
            (Held::State(_), Settlement::Resolve) => self.execution.head.pivot.is_none(),
            (Held::Phase, Settlement::Skip { .. } | Settlement::Resolve) => false,
        })
    }

    /// Goes on from a state that failed, as was decided.
    fn settle_state(
        &mut self,
        scope: ScopeId,
        suspension: Suspension,
        settlement: &Settlement,
    ) -> Result<(), Broken> {
        let failure = Failure::reported(&suspension.error, suspension.cause);
        match settlement {
            Settlement::Skip { output } => {
                if let Some(entry) = self.position(scope)?.entry
                    && self.execution.head.pivot.is_none()
                {
                    self.record_letting_go(Event::PivotCommitted { entry })?;
                }
                states::skip(self, scope, given(output.as_ref()))
            }
            Settlement::Resolve => self.fail(scope, failure),
            Settlement::Abandon => {
                self.record_letting_go(Event::LedgerAbandoned)?;
                self.fail_machine(failure)
            }
        }
    }

    fn suspension(&self, held: Held) -> Result<Option<Suspension>, Broken> {
        let Held::State(scope) = held else {
            return Ok(None);
        };
        match &self.position(scope)?.activity {
            Activity::Suspended(suspension) => Ok(Some((**suspension).clone())),
            _ => Err(Broken::new(format!("scope {} is not suspended", scope.0))),
        }
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
        // One that was asked to undo what it did goes on.
        let is_asked = matches!(self.compensation(entry), Ok(None));
        if let Some(step) = self.execution.ledger.get(&entry).and_then(Entry::step)
            && let Some(undo) = &step.undo
            && let UndoProgress::Task(flight) = &undo.progress
        {
            let (task, state) = (flight.task, undo_name(step.state.as_str()));
            let started = flight.child.filter(|_| !is_asked);
            self.stop_child(task, started, true);
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
