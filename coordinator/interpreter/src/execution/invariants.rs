//! What must hold after every turn, in release builds too.

use super::{Activity, Disposition, Execution, Phase, Scope, UndoProgress, Waiter};
use crate::ids::ScopeId;

/// A broken invariant: the execution is set aside, for retrying can't help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("broken invariant: {0}")]
pub struct Broken(String);

impl Broken {
    pub(crate) fn new(what: impl Into<String>) -> Broken {
        Broken(what.into())
    }
}

impl Execution {
    /// Checks what must hold between two turns, of what changed since it was last written.
    ///
    /// # Errors
    /// With what is broken.
    pub fn check(&self) -> Result<(), Broken> {
        self.check_live_cause()?;
        let touched = self.touched.scopes.iter();
        self.check_scopes(touched.filter_map(|scope| self.scopes.get(scope)))?;
        let is_through = self.is_terminal() && !self.head.is_kept;
        if is_through && self.head.strays.is_empty() && self.head.tally.pending > 0 {
            return Err(Broken::new(
                "a terminal execution has entries that are not settled",
            ));
        }
        Ok(())
    }

    fn check_scopes<'s>(&self, scopes: impl Iterator<Item = &'s Scope>) -> Result<(), Broken> {
        for scope in scopes {
            match &scope.phase {
                Phase::Between => {
                    return Err(Broken::new(format!(
                        "scope {} is between two states",
                        scope.id.0
                    )));
                }
                Phase::At(position) if position.activity == Activity::Running => {
                    return Err(Broken::new(format!(
                        "scope {} computes between two turns",
                        scope.id.0
                    )));
                }
                Phase::Iterating(iterations) if iterations.has_room() || iterations.open == 0 => {
                    return Err(Broken::new(format!(
                        "the Map of scope {} waits for nothing",
                        scope.id.0
                    )));
                }
                Phase::At(_)
                | Phase::Yielding { .. }
                | Phase::Compensating(_)
                | Phase::Iterating(_)
                | Phase::Ended(_)
                | Phase::Closed => {}
            }
        }
        Ok(())
    }

    /// Invariant 11: a running execution waits for something.
    fn check_live_cause(&self) -> Result<(), Broken> {
        let timeout_alone = self.waits.len() == 1
            && self
                .waits
                .values()
                .all(|waiter| *waiter == Waiter::Execution);
        if !self.is_terminal() && (self.waits.is_empty() || timeout_alone) {
            return Err(Broken::new("a running execution waits for nothing"));
        }
        Ok(())
    }

    /// Checks, at the cost of the whole execution, that what is derived agrees with what it derives from.
    ///
    /// # Errors
    /// With what is broken.
    pub fn check_whole(&self) -> Result<(), Broken> {
        self.check()?;
        self.check_scopes(self.scopes.values())?;
        if self.waits != self.derive_waits() {
            return Err(Broken::new(
                "the index of waits differs from what scopes and entries wait for",
            ));
        }
        if self.undoing != self.derive_undoing() {
            return Err(Broken::new(
                "the index of scopes that undo differs from the scopes",
            ));
        }
        if self.variables_bytes != self.derive_variables_bytes() {
            return Err(Broken::new(
                "the bytes of all variables differ from those of the scopes",
            ));
        }
        let is_over = |scope: &&Scope| matches!(scope.phase, Phase::Ended(_) | Phase::Closed);
        let mut over = self.scopes.values().filter(is_over);
        if let Some(scope) = over.find(|scope| !scope.variables.is_empty()) {
            return Err(Broken::new(format!(
                "scope {} is over and has variables",
                scope.id.0
            )));
        }
        let steps = || self.ledger.values().filter_map(|entry| entry.step());
        let count = |wanted: fn(Disposition) -> bool| {
            let all = steps().flat_map(|step| step.past.iter().chain([&step.disposition]));
            all.filter(|disposition| wanted(**disposition)).count()
        };
        let tally = self.head.tally;
        let incidents = self
            .waits
            .values()
            .filter(|waiter| matches!(waiter, Waiter::Incident(_)));
        if tally.pending as usize != count(|disposition| !disposition.is_settled())
            || tally.incidents as usize != incidents.count()
            || tally.compensated as usize != count(Disposition::is_undone)
            || tally.skipped as usize != count(|disposition| disposition == Disposition::Skipped)
            || tally.abandoned as usize
                != count(|disposition| disposition == Disposition::Abandoned)
        {
            return Err(Broken::new("the tally differs from the ledger"));
        }
        for step in steps() {
            let suspended = matches!(step.undo.as_deref(), Some(undo) if matches!(undo.progress, UndoProgress::Incident(_) | UndoProgress::Held));
            if suspended != (step.disposition == Disposition::Suspended) {
                return Err(Broken::new(format!(
                    "the entry of {} and its undo disagree",
                    step.state
                )));
            }
        }
        if self.is_terminal() && !self.head.is_kept && self.scopes.contains_key(&ScopeId::TOP) {
            return Err(Broken::new("a terminal execution has an open top level"));
        }
        Ok(())
    }
}
