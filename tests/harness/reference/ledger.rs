//! The ledger: what is known of the effect of each visit that can be undone.

use serde_json::Value;

use super::run::{Doing, EntryId, Reference, VisitId};
use super::undoing::Compensation;

/// One round of the entry of one visit.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub visit: VisitId,
    pub round: u32,
    pub disposition: Disposition,
    pub undo: Undo,
    /// Whether it showed too late for its compensation and is undone on its own.
    pub is_stray: bool,
    /// Whether a result came in while its undo was under way, so that it has to be undone once more.
    pub showed_late: bool,
}

/// What is known of an effect, or was done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// Its step is at work, or may answer yet.
    Armed,
    /// It was done.
    Committed,
    /// It was not done.
    NotExecuted,
    /// Nobody knows.
    Unknown,
    /// It stays.
    Released,
    /// Its undo is out or backs off.
    Compensating,
    /// It is undone.
    Compensated,
    /// An operator has to say how its undo goes on.
    Suspended,
    /// An operator said that it stays.
    Skipped,
    /// An operator has undone it by hand.
    Resolved,
    /// An operator, or the stop of a machine that wants it so, gave it up.
    Abandoned,
}

/// What is known of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    Committed,
    NotExecuted,
    Unknown,
}

/// The Task that undoes one round of an entry.
#[derive(Debug, Clone)]
pub(super) struct Undo {
    pub doing: UndoDoing,
    /// The latest attempt; 0 before the first.
    pub attempt: u32,
    /// How often each retrier was used since the operator's latest retry.
    pub uses: Vec<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UndoDoing {
    /// It has not begun, or is over.
    Nothing,
    Out,
    BackingOff,
    /// Under an incident of its own.
    Suspended,
    /// Under the one incident of the phase.
    SuspendedByPhase,
}

impl Disposition {
    /// Whether that is the end of this round.
    pub fn is_settled(self) -> bool {
        match self {
            Disposition::NotExecuted
            | Disposition::Released
            | Disposition::Compensated
            | Disposition::Skipped
            | Disposition::Resolved
            | Disposition::Abandoned => true,
            Disposition::Armed
            | Disposition::Committed
            | Disposition::Unknown
            | Disposition::Compensating
            | Disposition::Suspended => false,
        }
    }

    /// Whether its undo has begun and is not over.
    pub(super) fn is_being_undone(self) -> bool {
        matches!(self, Disposition::Compensating | Disposition::Suspended)
    }

    /// Whether there is something to undo, and nobody has begun.
    pub(super) fn awaits_its_undo(self) -> bool {
        matches!(self, Disposition::Committed | Disposition::Unknown)
    }
}

impl Reference {
    pub(super) fn arm(&mut self, visit: VisitId, round: u32, disposition: Disposition) -> EntryId {
        let retriers = self.visit(visit).state.undo.as_ref().map_or(0, Vec::len);
        self.entries.push(Entry {
            visit,
            round,
            disposition,
            undo: Undo {
                doing: UndoDoing::Nothing,
                attempt: 0,
                uses: vec![0; retriers],
            },
            is_stray: false,
            showed_late: false,
        });
        EntryId(self.entries.len() - 1)
    }

    /// Puts down what is known of an attempt. A pivot is committed by its first committed attempt.
    pub(super) fn note(&mut self, id: VisitId, attempt: usize, outcome: Outcome) {
        self.visit_mut(id).attempts[attempt - 1] = Some(outcome);
        if self.visit(id).state.is_pivot && outcome == Outcome::Committed {
            self.commit_pivot(id);
        }
    }

    /// The visit is over, and what it comes to is put down in its entry.
    pub(super) fn conclude(&mut self, id: VisitId) {
        self.visit_mut(id).doing = Doing::Over;
        if let Some(entry) = self.entry_of(id)
            && self.entry(entry).disposition == Disposition::Armed
        {
            let disposition = match self.outcome(id) {
                Outcome::Committed | Outcome::Unknown if !self.leaves_anything(id) => {
                    Disposition::Released
                }
                Outcome::Committed => Disposition::Committed,
                Outcome::NotExecuted => Disposition::NotExecuted,
                Outcome::Unknown => Disposition::Unknown,
            };
            self.set(entry, disposition);
        }
    }

    /// An execution that an attempt started has ended well and has nothing to undo.
    pub(super) fn left_nothing(&mut self, id: VisitId, attempt: usize) {
        let Some(entry) = self.entry_of(id) else {
            return;
        };
        let disposition = self.entry(entry).disposition;
        if disposition.is_settled() || disposition.is_being_undone() {
            return;
        }
        self.visit_mut(id).nothing.insert(attempt);
        if disposition.awaits_its_undo() && !self.leaves_anything(id) {
            self.set(entry, Disposition::Released);
        }
    }

    fn leaves_anything(&self, id: VisitId) -> bool {
        let visit = self.visit(id);
        let mut attempts = (1..).zip(&visit.attempts);
        attempts.any(|(number, outcome)| {
            *outcome != Some(Outcome::NotExecuted) && !visit.nothing.contains(&number)
        })
    }

    /// The outcome of a visit. An attempt that was aborted in flight is unknown. Source: "Outcome of a visit".
    fn outcome(&self, id: VisitId) -> Outcome {
        let attempts = &self.visit(id).attempts;
        if attempts.contains(&Some(Outcome::Committed)) {
            Outcome::Committed
        } else if attempts.contains(&Some(Outcome::Unknown)) || attempts.contains(&None) {
            Outcome::Unknown
        } else {
            Outcome::NotExecuted
        }
    }

    /// Whether the visit is a pivot of which nobody knows whether it happened.
    pub(super) fn is_in_doubt(&self, id: VisitId) -> bool {
        self.visit(id).state.is_pivot && self.outcome(id) == Outcome::Unknown
    }

    /// Releases these entries, except those that are being undone, or were once: an undo can't be taken back.
    pub(super) fn release(&mut self, which: impl Fn(&Reference, EntryId) -> bool) {
        for entry in self.unsettled() {
            if !which(self, entry) || self.entry(entry).disposition.is_being_undone() {
                continue;
            }
            if self.entry(entry).round > 1 {
                self.entry_mut(entry).is_stray = true;
            } else {
                self.settle_as(entry, Disposition::Released);
            }
        }
    }

    /// Settles an entry and ends all that is going on for it: its undo, and its step's drain.
    pub(super) fn settle_as(&mut self, id: EntryId, disposition: Disposition) {
        self.set(id, disposition);
        self.entry_mut(id).undo.doing = UndoDoing::Nothing;
        let visit = self.entry(id).visit;
        if self.visit(visit).doing == Doing::Draining {
            self.visit_mut(visit).doing = Doing::Over;
        }
    }

    /// The point of no return is passed: what was done stays.
    pub(super) fn commit_pivot(&mut self, pivot: VisitId) {
        if self.committed_pivot.is_some() {
            return;
        }
        self.committed_pivot = Some(pivot);
        let is_undone = |visit: &VisitId| {
            let mut over = self.compensations.iter();
            over.any(|of| of.covers.contains(visit)) && self.covering(*visit).is_none()
        };
        self.owed = (0..pivot.0).map(VisitId).filter(is_undone).collect();
        if let Some(entry) = self.entry_of(pivot) {
            self.settle_as(entry, Disposition::Released);
        }
        self.release(|_, _| true);
    }

    /// An attempt that nobody waits for any more has succeeded. Source: "Cancelling, late replies".
    pub(super) fn succeeded_late(&mut self, id: VisitId, attempt: usize, result: &Value) {
        let Some(entry) = self.entry_of(id) else {
            return;
        };
        let visit = self.visit(id);
        let disposition = self.entry(entry).disposition;
        // Executions are no attempts at one and the same effect.
        let has_result = visit.has_result && !visit.state.asks_executions;
        let is_known = visit.attempts[attempt - 1] == Some(Outcome::Committed) || has_result;
        let is_closed = matches!(disposition, Disposition::Released | Disposition::Abandoned);
        if is_known || is_closed {
            return;
        }
        self.visit_mut(id).has_result = true;
        if self.visit(id).state.is_pivot {
            self.pivot_succeeded_late(id, attempt, result);
            return;
        }
        self.note(id, attempt, Outcome::Committed);
        match disposition {
            // While its step is at work, its outcome shows when that is over.
            Disposition::Armed if self.visit(id).doing == Doing::Draining => self.conclude(id),
            Disposition::Armed => {}
            Disposition::Committed | Disposition::Unknown => {
                self.set(entry, Disposition::Committed);
            }
            Disposition::Compensating | Disposition::Suspended => {
                self.entry_mut(entry).showed_late = true;
            }
            Disposition::NotExecuted => {
                self.set(entry, Disposition::Committed);
                // Open on the page: past the pivot only what a compensation that is over was to undo is undone.
                let is_past = self.committed_pivot.is_some_and(|pivot| id < pivot);
                if is_past && !self.owed.contains(&id) {
                    self.settle_as(entry, Disposition::Released);
                } else {
                    self.place(entry);
                }
            }
            Disposition::Compensated | Disposition::Skipped | Disposition::Resolved => {
                self.arm_next_round(entry);
            }
            Disposition::Released | Disposition::Abandoned => {}
        }
    }

    /// The pivot did happen, whatever was thought of it.
    ///
    /// Open on the page: one that an operator resolved as not done has a second round, which is released at once.
    fn pivot_succeeded_late(&mut self, id: VisitId, attempt: usize, result: &Value) {
        let entry = self.entry_of(id).expect("a pivot has an entry");
        if self.entry(entry).disposition == Disposition::Resolved {
            self.arm(id, self.entry(entry).round + 1, Disposition::Committed);
        }
        self.note(id, attempt, Outcome::Committed);
        if matches!(self.visit(id).doing, Doing::Suspended(_)) {
            self.succeed(id, result.clone());
        }
    }

    /// The effect showed after its undo was over: it has to be undone once more.
    pub(super) fn arm_next_round(&mut self, id: EntryId) {
        let Entry { visit, round, .. } = *self.entry(id);
        let next = self.arm(visit, round + 1, Disposition::Committed);
        self.entry_mut(next).is_stray = self.entry(id).is_stray;
        self.place(next);
    }

    /// Says who undoes an effect that showed after its entry was settled: the compensation that runs, in its turn; it
    /// itself, if all that could have undone it is over; else whoever undoes its scope one day.
    ///
    /// Open on the page: inside a composite with an undo of its own that one undoes it, too.
    fn place(&mut self, id: EntryId) {
        let visit = self.entry(id).visit;
        let was_covered = |of: &Compensation| of.covers.contains(&visit);
        let is_replaced = |(composite, _): &(VisitId, _)| self.entry_of(*composite).is_some();
        if self.covering(visit).is_some() {
            return;
        }
        if self.compensations.iter().any(was_covered) || self.ending.is_some() {
            self.entry_mut(id).is_stray = true;
        } else if self.around(visit).iter().any(is_replaced) {
            self.settle_as(id, Disposition::Released);
        }
    }
}
