//! What an operator can do about the incidents.

use anyhow::{Result, bail};
use serde_json::Value;

use super::boundary::{Act, Label};
use super::ledger::{Disposition, Outcome, UndoDoing};
use super::run::{Doing, Ending, EntryId, Reference, VisitId};
use super::undoing::{Region, Then};

impl Reference {
    pub(super) fn operate(&mut self, incident: &Label, act: &Act) -> Result<()> {
        if *incident == Label::phase() && self.phase_is_suspended {
            self.operate_phase(act);
            return Ok(());
        }
        if incident.is_undo {
            let entry = self.undo_named(incident)?;
            if self.entry(entry).undo.doing == UndoDoing::Suspended {
                self.operate_undo(entry, act);
                return Ok(());
            }
        } else {
            let visit = self.visit_named(incident)?;
            if let Doing::Suspended(error) = self.visit(visit).doing.clone() {
                self.operate_state(visit, &error, act);
                return Ok(());
            }
        }
        bail!("there is no incident {incident}");
    }

    fn operate_undo(&mut self, id: EntryId, act: &Act) {
        let visit = self.entry(id).visit;
        let is_pivot = self.visit(visit).state.is_pivot;
        match act {
            // No attempt of a pivot's undo tells whether the pivot happened.
            Act::Retry if is_pivot => {}
            Act::Retry => {
                self.entry_mut(id).undo.uses.fill(0);
                self.try_undo(id);
            }
            Act::Skip { .. } if is_pivot => self.commit_pivot(visit),
            Act::Skip { .. } => self.settle_as(id, Disposition::Skipped),
            Act::Resolve => self.settle_as(id, Disposition::Resolved),
            Act::Abandon => match self.covering(visit) {
                Some(compensation) => self.abandon(compensation),
                None => self.settle_as(id, Disposition::Abandoned),
            },
        }
    }

    fn operate_phase(&mut self, act: &Act) {
        match act {
            Act::Retry => {
                self.phase_is_suspended = false;
                for id in self.suspended_by_phase() {
                    self.entry_mut(id).undo.uses.fill(0);
                    self.try_undo(id);
                }
            }
            Act::Abandon => {
                self.phase_is_suspended = false;
                for compensation in 0..self.compensations.len() {
                    if self.compensations[compensation].runs {
                        self.abandon(compensation);
                    }
                }
                // Strays, which no compensation covers.
                for id in self.suspended_by_phase() {
                    self.settle_as(id, Disposition::Abandoned);
                }
            }
            Act::Skip { .. } | Act::Resolve => {}
        }
    }

    fn suspended_by_phase(&self) -> Vec<EntryId> {
        let mut found = self.unsettled();
        found.retain(|id| self.entry(*id).undo.doing == UndoDoing::SuspendedByPhase);
        found
    }

    /// A state is suspended that is a pivot in doubt, or whose error would leave the machine after the pivot.
    fn operate_state(&mut self, id: VisitId, error: &str, act: &Act) {
        let is_in_doubt = self.is_in_doubt(id);
        let attempts = self.visit(id).attempts.len();
        match act {
            Act::Retry if self.visit(id).state.is_composite() => {
                self.visit_mut(id).uses.fill(0);
                self.compensate(Region::Inside(id), Then::Again(id));
            }
            Act::Retry => {
                self.visit_mut(id).uses.fill(0);
                self.begin_try(id);
            }
            Act::Skip { output } => {
                if is_in_doubt {
                    self.note(id, attempts, Outcome::Committed);
                }
                self.conclude(id);
                self.succeed(id, output.clone().unwrap_or(Value::Null));
            }
            Act::Resolve if is_in_doubt => {
                let known = vec![Some(Outcome::NotExecuted); attempts];
                self.visit_mut(id).attempts = known;
                self.fail(id, error, false);
            }
            Act::Resolve => {}
            Act::Abandon => {
                self.ending = Some(Ending {
                    status: "FAILED",
                    error: Some(error.to_owned()),
                });
                self.abandon_untouched();
            }
        }
    }
}
