//! Scopes that undo: when one begins, what starts next, what comes after. Source: the saga extension, "When it starts".

use jiff::Timestamp;
use serde_json::Value;

use super::Taken;
use super::agenda::Exit;
use super::turn::Turn;
use crate::compensation::frontier;
use crate::definition::Transition;
use crate::effect::{About, Announcement, Incident, Wait, WaitKind};
use crate::execution::{Broken, Phase, Subject, UndoPhase};
use crate::history::{Event, Status, Target, Then, Trigger, TriggerKind};
use crate::ids::{EntryId, Runner, ScopeId, Sequence};
use crate::input::Ignored;
use crate::mutation::{self, Mutation};

impl Turn<'_> {
    /// The scope undoes the target, and then goes on. With nothing to undo it goes on at once.
    pub(crate) fn begin_compensation(
        &mut self,
        scope: ScopeId,
        target: Target,
        then: Then,
        trigger: Trigger,
    ) -> Result<(), Broken> {
        if target == Target::Scope && !mutation::is(Mutation::GoOnWhileUndoing) {
            self.close_branches(scope, true)?;
        }
        let drain_until = self.let_go(scope, true)?;
        let is_needed = match target {
            // A compensation that found nothing is still written down: an effect may show late.
            Target::Scope | Target::Since(_) => self.execution.had_entries(scope),
            Target::Group(group) => group.is_some(),
        };
        if !is_needed {
            return self.after(scope, then);
        }
        let is_first = self.execution.head.undo_phase.is_none();
        let phase_until = is_first.then(|| self.phase_until());
        let wait = self.record(Event::CompensationStarted {
            scope,
            target,
            then: Box::new(then),
            trigger,
            drain_until,
            phase_until,
        })?;
        self.time_phase(wait, phase_until);
        Ok(())
    }

    /// When a phase of undoing that begins now has taken too long.
    pub(super) fn phase_until(&self) -> Timestamp {
        let timeout = self.machine.policy.timeout;
        self.now.checked_add(timeout).unwrap_or(Timestamp::MAX)
    }

    pub(super) fn time_phase(&mut self, wait: Sequence, until: Option<Timestamp>) {
        if until.is_some() {
            self.open(Wait {
                wait,
                due: until,
                kind: WaitKind::Timer,
            });
        }
    }

    /// The phase of undoing has taken too long: nothing is given up, but an operator has to look.
    pub(super) fn phase_due(&mut self) -> Result<Taken, Broken> {
        match self.execution.head.undo_phase {
            Some(UndoPhase::Timed { until, .. }) if self.now >= until => {}
            _ => return Ok(Err(Ignored::NotDue)),
        }
        for entry in self.execution.ledger.keys().copied().collect::<Vec<_>>() {
            self.cancel_undo(entry);
        }
        let wait = self.record(Event::PhaseTimedOut)?;
        let incident = Incident {
            about: About::Phase,
            state: String::new(),
            error: "Sagamore.CompensationTimeout".to_owned(),
            cause: Some(format!(
                "Undoing has taken longer than the {} of CompensationPolicy.",
                self.machine.policy.timeout
            )),
            entry: Value::Null,
        };
        self.raise(wait, incident);
        Ok(Ok(()))
    }

    pub(super) fn end_phase(&mut self) -> Result<(), Broken> {
        let head = &self.execution.head;
        let is_over = head.undo_phase.is_some() && !head.is_compensating;
        if is_over && self.execution.held_undos().is_empty() {
            self.record(Event::PhaseEnded)?;
        }
        Ok(())
    }

    /// Asks an operator.
    pub(super) fn raise(&mut self, wait: Sequence, incident: Incident) {
        self.open(Wait {
            wait,
            due: None,
            kind: WaitKind::Incident(Box::new(incident.clone())),
        });
        self.announce(Announcement::Suspended(Box::new(incident)));
    }

    /// Starts what can start and ends what is through; whether there was any of it.
    pub(super) fn compensate(&mut self) -> Result<bool, Broken> {
        let may_start = !self.execution.is_overdue();
        let mut has_progressed = may_start && self.undo_strays()?;
        if !self.execution.head.is_compensating {
            return Ok(has_progressed);
        }
        for scope in self.execution.undoing.clone() {
            // The end of another may have ended this one, or left it nothing to go on to.
            let phase = self.execution.scopes.get(&scope).map(|scope| &scope.phase);
            let Some(Phase::Compensating(goal)) = phase else {
                continue;
            };
            let (target, then, trigger) = (goal.target, goal.then.clone(), goal.trigger.clone());
            let mut cursors = std::mem::take(&mut self.execution.cursors);
            let frontier = frontier(self.execution, &mut cursors, scope, target);
            self.execution.cursors = cursors;
            if may_start {
                for entry in &frontier.ready {
                    self.start_undo(*entry, &trigger)?;
                    has_progressed = true;
                }
            }
            let waits_for_strays =
                matches!(then, Then::Finish(_)) && !self.execution.head.strays.is_empty();
            let is_open = frontier.is_open && !mutation::is(Mutation::EndEarly);
            if !is_open && !waits_for_strays {
                self.record(Event::CompensationEnded { scope })?;
                self.after(scope, then)?;
                has_progressed = true;
            }
        }
        Ok(has_progressed)
    }

    fn undo_strays(&mut self) -> Result<bool, Broken> {
        let mut has_progressed = false;
        for entry in self.execution.head.strays.clone() {
            // One that a compensation has yet to undo has its turn there.
            if self.step(entry)?.disposition.awaits_undo()
                && self.execution.undone_by(entry).is_none()
            {
                let trigger = Trigger {
                    kind: TriggerKind::LateReply,
                    error: None,
                    cause: None,
                    state: None,
                };
                self.start_undo(entry, &trigger)?;
                has_progressed = true;
            }
        }
        Ok(has_progressed)
    }

    fn after(&mut self, scope: ScopeId, then: Then) -> Result<(), Broken> {
        match then {
            Then::Exit {
                output,
                next,
                assigned,
            } => {
                let transition = next.map_or(Transition::End, Transition::Next);
                self.exit(scope, Exit { output, assigned }, &transition)
            }
            Then::Close => Ok(()),
            Then::Forgo => self.iteration_forgone(scope),
            Then::Retry { retrier } => self.schedule_retry(scope, retrier),
            Then::Rerun => self.run_state(scope),
            Then::Settle => {
                self.record(Event::LedgerClosed)?;
                Ok(())
            }
            Then::Finish(ending) => {
                let status = ending.status;
                // Step Functions lets a stop follow from nothing.
                let previous = match status {
                    Status::Aborted => 0,
                    _ => self.execution.last_event(Runner::State(scope)),
                };
                self.show_after(previous, Event::ExecutionEnded(ending))?;
                self.announce(Announcement::Execution(status));
                self.tell_parent_of_end();
                Ok(())
            }
        }
    }

    /// The group that the Parallel or Map which ended just now, with the last record, left of what was in it.
    pub(crate) fn group_of_ended(&self) -> Option<EntryId> {
        let group = self
            .execution
            .ledger
            .get(&EntryId(self.execution.head.sequence))?;
        (!matches!(group.subject, Subject::Step(_))).then_some(group.id)
    }
}
