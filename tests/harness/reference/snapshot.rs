//! What can be told of an execution from outside.

use std::collections::BTreeSet;

use super::boundary::{Label, Task};
use super::ledger::{Disposition, Entry, UndoDoing};
use super::model::Kind;
use super::run::{Doing, Reference, Visit};

/// What can be observed of an execution once everybody waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED.
    pub status: &'static str,
    /// The error of an execution that has FAILED.
    pub error: Option<String>,
    /// NONE, COMPENSATING, SUSPENDED, COMPENSATED, INCOMPLETE or ABANDONED.
    pub compensation: &'static str,
    /// The attempts, of steps and undos, whose answers are waited for, without those that drain.
    pub out: BTreeSet<Task>,
    /// The attempts of steps whose scope compensates, and that may answer yet.
    pub draining: BTreeSet<Task>,
    /// The backoffs and Waits that run.
    pub timers: BTreeSet<Label>,
    /// A suspended undo by its own name, a suspended state by its visit's, and that of a phase by [`Label::phase`].
    pub incidents: BTreeSet<Label>,
    /// The label of the step's visit, the round and the disposition of each entry, in order of arming.
    pub ledger: Vec<(Label, u32, Disposition)>,
}

impl Reference {
    /// What can be observed now.
    pub fn snapshot(&self) -> Snapshot {
        let ending = self.ending.as_ref().filter(|_| self.is_over);
        let mut seen = Snapshot {
            status: ending.map_or("RUNNING", |ending| ending.status),
            error: ending.and_then(|ending| ending.error.clone()),
            compensation: "NONE",
            out: BTreeSet::new(),
            draining: BTreeSet::new(),
            timers: BTreeSet::new(),
            incidents: BTreeSet::new(),
            ledger: Vec::new(),
        };
        for visit in &self.visits {
            seen.see_visit(visit);
        }
        for entry in &self.entries {
            seen.see_entry(&self.visits[entry.visit.0].label, entry);
        }
        if self.phase_is_suspended {
            seen.incidents.insert(Label::phase());
        }
        seen.compensation = self.compensation_status(!seen.incidents.is_empty());
        seen
    }

    fn compensation_status(&self, has_incident: bool) -> &'static str {
        let has = |disposition| {
            let mut entries = self.entries.iter();
            entries.any(|entry| entry.disposition == disposition)
        };
        if has_incident {
            "SUSPENDED"
        } else if self.compensations.iter().any(|of| of.runs) || !self.open_strays().is_empty() {
            "COMPENSATING"
        } else if has(Disposition::Abandoned) {
            "ABANDONED"
        } else if has(Disposition::Skipped) {
            "INCOMPLETE"
        } else if has(Disposition::Compensated) || has(Disposition::Resolved) {
            "COMPENSATED"
        } else {
            "NONE"
        }
    }
}

impl Snapshot {
    fn see_visit(&mut self, visit: &Visit) {
        let label = visit.label.clone();
        let task = Task {
            label: label.clone(),
            round: 0,
            attempt: u32::try_from(visit.attempts.len()).expect("attempts are few"),
        };
        match (&visit.doing, &visit.state.kind) {
            (Doing::Working, Kind::Task) => {
                self.out.insert(task);
            }
            (Doing::Working, Kind::Wait) | (Doing::BackingOff, _) => {
                self.timers.insert(label);
            }
            (Doing::Draining, _) => {
                self.draining.insert(task);
            }
            (Doing::Suspended(_), _) => {
                self.incidents.insert(label);
            }
            (Doing::Working | Doing::Undoing | Doing::Over, _) => {}
        }
    }

    fn see_entry(&mut self, step: &Label, entry: &Entry) {
        match entry.undo.doing {
            UndoDoing::Out => {
                self.out.insert(Task {
                    label: step.undo(),
                    round: entry.round,
                    attempt: entry.undo.attempt,
                });
            }
            UndoDoing::BackingOff => {
                self.timers.insert(step.undo());
            }
            UndoDoing::Suspended => {
                self.incidents.insert(step.undo());
            }
            UndoDoing::Nothing | UndoDoing::SuspendedByPhase => {}
        }
        let seen = (step.clone(), entry.round, entry.disposition);
        self.ledger.push(seen);
    }
}
