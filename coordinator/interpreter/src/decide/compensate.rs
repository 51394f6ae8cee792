//! Scopes that undo: when one begins, what starts next, what comes after. Source: the saga extension, "When it starts".

use super::turn::Turn;
use crate::compensation::frontier;
use crate::definition::Transition;
use crate::effect::Announcement;
use crate::execution::{Broken, Disposition, Phase, Subject};
use crate::history::{Event, Status, Target, Then, Trigger, TriggerKind};
use crate::ids::{EntryId, Runner, ScopeId};

impl Turn<'_> {
    /// The scope undoes the target, and then goes on. With nothing to undo it goes on at once.
    pub(crate) fn begin_compensation(
        &mut self,
        scope: ScopeId,
        target: Target,
        then: Then,
        trigger: Trigger,
    ) -> Result<(), Broken> {
        if target == Target::Scope {
            self.close_branches(scope, true)?;
        }
        let drain_until = self.let_go(scope, true)?;
        let is_needed = match target {
            // A compensation that found nothing is still written down: an effect may show late.
            Target::Scope => self.scope(scope)?.had_entries,
            Target::Group(group) => group.is_some(),
        };
        if !is_needed && !self.execution.is_undoing() {
            return self.after(scope, then);
        }
        self.record(Event::CompensationStarted {
            scope,
            target,
            then: Box::new(then),
            trigger,
            drain_until,
        })?;
        Ok(())
    }

    /// Starts what can start and ends what is through; whether there was any of it.
    pub(super) fn compensate(&mut self) -> Result<bool, Broken> {
        let mut has_progressed = false;
        for entry in self.execution.head.strays.clone() {
            if matches!(
                self.step(entry)?.disposition,
                Disposition::Committed | Disposition::Unknown
            ) {
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
        if !self.execution.head.is_compensating {
            return Ok(has_progressed);
        }
        let goals = self
            .execution
            .scopes
            .values()
            .filter_map(|scope| match &scope.phase {
                Phase::Compensating(goal) => Some((
                    scope.id,
                    goal.target,
                    goal.then.clone(),
                    goal.trigger.clone(),
                )),
                _ => None,
            });
        for (scope, target, then, trigger) in goals.collect::<Vec<_>>() {
            let frontier = frontier(self.execution, scope, target);
            for entry in &frontier.ready {
                self.start_undo(*entry, &trigger)?;
                has_progressed = true;
            }
            let waits_for_strays =
                matches!(then, Then::Finish(_)) && !self.execution.head.strays.is_empty();
            if !frontier.is_open && !waits_for_strays {
                self.record(Event::CompensationEnded { scope })?;
                self.after(scope, then)?;
                has_progressed = true;
            }
        }
        Ok(has_progressed)
    }

    fn after(&mut self, scope: ScopeId, then: Then) -> Result<(), Broken> {
        match then {
            Then::Exit { output, next } => {
                let transition = next.map_or(Transition::End, Transition::Next);
                self.exit(scope, output, &transition)
            }
            Then::Forgo => self.iteration_forgone(scope),
            Then::Retry { retrier } => self.schedule_retry(scope, retrier),
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
    pub(super) fn group_of_ended(&self) -> Option<EntryId> {
        let group = self
            .execution
            .ledger
            .get(&EntryId(self.execution.head.sequence))?;
        matches!(group.subject, Subject::Group(_)).then_some(group.id)
    }
}
