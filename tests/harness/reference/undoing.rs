//! Compensations: what each covers, in which order it is undone, and what comes after it.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::boundary::{Label, Reply, Task};
use super::ledger::{Disposition, Entry, UndoDoing};
use super::model::{Kind, retrier};
use super::run::{Condition, Doing, EntryId, Reference, ScopeId, VisitId, read};

/// The undoing of a part of the execution.
#[derive(Debug, Clone)]
pub(super) struct Compensation {
    pub region: Region,
    /// All visits in the region, when it began. Nothing is entered there while it runs.
    pub covers: BTreeSet<VisitId>,
    pub then: Then,
    pub runs: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Region {
    /// A scope from this visit on.
    Chain(ScopeId, VisitId),
    /// All branches or iterations of a composite.
    Inside(VisitId),
}

/// What comes after a compensation, unless its visit or scope has been closed by then.
#[derive(Debug, Clone)]
pub(super) enum Then {
    /// The visit is left for that state with that output.
    Leave(VisitId, Option<String>, Value),
    /// The composite's backoff begins.
    BackOff(VisitId),
    /// The composite begins again at once.
    Again(VisitId),
    /// The iteration is over.
    Forgo(ScopeId),
    /// The execution ends, as everything is undone.
    End,
}

impl Reference {
    pub(super) fn whole(&self, scope: ScopeId) -> Region {
        Region::Chain(scope, self.scope(scope).visits[0])
    }

    /// Begins a compensation, which takes over those inside it.
    pub(super) fn compensate(&mut self, region: Region, then: Then) {
        match &then {
            Then::Leave(visit, ..) | Then::BackOff(visit) | Then::Again(visit) => {
                self.visit_mut(*visit).doing = Doing::Undoing;
            }
            Then::Forgo(_) | Then::End => {}
        }
        let first = match region {
            Region::Chain(_, first) => first,
            Region::Inside(composite) => composite,
        };
        let is_covered = |visit: &VisitId| *visit >= first && self.is_in(*visit, region);
        let visits = (0..self.visits.len()).map(VisitId);
        let covers: BTreeSet<VisitId> = visits.filter(is_covered).collect();
        for inner in &mut self.compensations {
            inner.runs &= !inner.covers.is_subset(&covers);
        }
        self.compensations.push(Compensation {
            region,
            covers,
            then,
            runs: true,
        });
        // Where nothing was ever armed there is nothing to wait for, else its turn comes after all that is entered now.
        let begun = self.compensations.len() - 1;
        if !self
            .entries
            .iter()
            .any(|entry| self.is_in(entry.visit, region))
        {
            self.finish(begun);
        }
    }

    /// Whether a visit is in the scope of which a part is undone, or in the last try of the composite.
    fn is_in(&self, visit: VisitId, region: Region) -> bool {
        let around = self.around(visit);
        match region {
            Region::Chain(scope, _) => {
                let is_in = |at: VisitId| self.visit(at).scope == scope;
                is_in(visit) || around.iter().any(|(composite, _)| is_in(*composite))
            }
            // Those of earlier attempts were undone before this one began.
            Region::Inside(of) => {
                let last = &self.visit(of).children[self.visit(of).first_child..];
                let mut around = around.iter();
                around.any(|(at, inner)| *at == of && last.contains(inner))
            }
        }
    }

    /// The compensation that runs and covers this visit. There is one at most: the outer one takes over.
    pub(super) fn covering(&self, visit: VisitId) -> Option<usize> {
        let covers = |of: &Compensation| of.runs && of.covers.contains(&visit);
        self.compensations.iter().position(covers)
    }

    fn unsettled_of(&self, compensation: usize) -> Vec<EntryId> {
        let covers = &self.compensations[compensation].covers;
        let mut unsettled = self.unsettled();
        unsettled.retain(|entry| covers.contains(&self.entry(*entry).visit));
        unsettled
    }

    /// The entries that no compensation undoes, but they themselves.
    pub(super) fn open_strays(&self) -> Vec<EntryId> {
        let mut strays = self.unsettled();
        strays.retain(|entry| {
            let entry = self.entry(*entry);
            entry.is_stray && self.covering(entry.visit).is_none()
        });
        strays
    }

    /// Starts every undo that may start; whether a compensation is through.
    pub(super) fn undo(&mut self) -> bool {
        let running: Vec<usize> = (0..self.compensations.len())
            .filter(|index| self.compensations[*index].runs)
            .collect();
        for index in running {
            let covers = self.compensations[index].covers.clone();
            let is_undone = match self.compensations[index].region {
                Region::Chain(scope, _) => self.undo_chain(scope, &covers),
                Region::Inside(composite) => self.undo_inside(composite, &covers),
            };
            if is_undone {
                self.finish(index);
                return true;
            }
        }
        for stray in self.open_strays() {
            if self.entry(stray).disposition.awaits_its_undo() && !self.phase_is_suspended {
                self.try_undo(stray);
            }
        }
        false
    }

    /// Undoes a chain, last first, up to what is not settled yet; whether there is no such thing.
    fn undo_chain(&mut self, scope: ScopeId, covers: &BTreeSet<VisitId>) -> bool {
        for visit in self.scope(scope).visits.clone().into_iter().rev() {
            if !covers.contains(&visit) {
                continue;
            }
            if let Some(entry) = self.entry_of(visit)
                && !self.entry(entry).disposition.is_settled()
            {
                self.start_undo(entry);
                return false;
            }
            if !self.undo_inside(visit, covers) {
                return false;
            }
        }
        true
    }

    /// Undoes branches or iterations side by side, those of the last attempt first.
    fn undo_inside(&mut self, composite: VisitId, covers: &BTreeSet<VisitId>) -> bool {
        let visit = self.visit(composite);
        let (mut children, tries) = (visit.children.clone(), visit.tries.clone());
        for first in tries.into_iter().rev() {
            let mut are_undone = true;
            for child in children.split_off(first) {
                are_undone &= self.undo_chain(child, covers);
            }
            if !are_undone {
                return false;
            }
        }
        true
    }

    /// Starts the undo whose turn it is, unless it has begun, its step drains, or it has to wait for its place.
    fn start_undo(&mut self, id: EntryId) {
        let entry = self.entry(id);
        let (awaits, visit) = (entry.disposition.awaits_its_undo(), entry.visit);
        if !awaits || self.phase_is_suspended || !self.has_place(visit) {
            return;
        }
        if self.visit(visit).state.is_pivot {
            // Whether it happened decides which way it goes on, so an operator has to say.
            self.set(id, Disposition::Suspended);
            self.entry_mut(id).undo.doing = UndoDoing::Suspended;
        } else {
            self.try_undo(id);
        }
    }

    /// Sends the next attempt of the undo.
    pub(super) fn try_undo(&mut self, id: EntryId) {
        self.set(id, Disposition::Compensating);
        let undo = &mut self.entry_mut(id).undo;
        undo.attempt += 1;
        undo.doing = UndoDoing::Out;
    }

    /// Whether each Map around the visit that is undone as a whole has a place for its iteration. A suspended undo holds none.
    fn has_place(&self, visit: VisitId) -> bool {
        let Some(covering) = self.covering(visit) else {
            return true;
        };
        let covering = &self.compensations[covering];
        self.around(visit)
            .into_iter()
            .all(|(composite, iteration)| {
                let is_whole = covering.covers.contains(&composite)
                    || matches!(covering.region, Region::Inside(of) if of == composite);
                let Kind::Map(map) = &self.visit(composite).state.kind else {
                    return true;
                };
                if !is_whole {
                    return true;
                }
                let under_way = self.entries.iter().filter(|entry| match entry.undo.doing {
                    UndoDoing::Out | UndoDoing::BackingOff => true,
                    UndoDoing::Nothing | UndoDoing::Suspended | UndoDoing::SuspendedByPhase => {
                        false
                    }
                });
                // Those of one try share the places.
                let tried = self.try_of(composite, iteration);
                let at_work: BTreeSet<ScopeId> = under_way
                    .flat_map(|entry| self.around(entry.visit))
                    .filter(|(at, _)| *at == composite)
                    .map(|(_, iteration)| iteration)
                    .filter(|iteration| self.try_of(composite, *iteration) == tried)
                    .collect();
                at_work.contains(&iteration) || at_work.len() < map.concurrency
            })
    }

    /// Which of the tries of a composite a branch or iteration belongs to.
    fn try_of(&self, composite: VisitId, inner: ScopeId) -> usize {
        let visit = self.visit(composite);
        let place = visit.children.iter().position(|child| *child == inner);
        visit.tries.partition_point(|first| Some(*first) <= place)
    }

    /// The compensation is through: on to what comes after it.
    fn finish(&mut self, compensation: usize) {
        self.compensations[compensation].runs = false;
        // What comes next may undo anew, which is another phase.
        self.close_phase();
        let then = self.compensations[compensation].then.clone();
        match then {
            Then::Leave(visit, next, output) => {
                if self.visit(visit).doing == Doing::Undoing {
                    self.leave(visit, next.as_deref(), output);
                }
            }
            Then::BackOff(visit) => {
                if self.visit(visit).doing == Doing::Undoing {
                    self.visit_mut(visit).doing = Doing::BackingOff;
                }
            }
            Then::Again(visit) => {
                if self.visit(visit).doing == Doing::Undoing {
                    self.begin_try(visit);
                }
            }
            Then::Forgo(scope) => {
                if self.scope(scope).condition == Condition::Forgoing {
                    self.scopes[scope.0].condition = Condition::Forgone;
                    let composite = self.scope(scope).parent;
                    self.proceed(composite.expect("an iteration is in a Map"));
                }
            }
            Then::End => {}
        }
    }

    pub(super) fn undo_answered(&mut self, task: &Task, reply: &Reply) -> Result<()> {
        let id = self.entry_named(&task.label, task.round)?;
        let entry = self.entry(id);
        ensure!(
            (1..=entry.undo.attempt).contains(&task.attempt),
            "{task:?} was never sent"
        );
        if entry.undo.doing != UndoDoing::Out || entry.undo.attempt != task.attempt {
            return Ok(());
        }
        match read(reply).1 {
            Err(error) => self.undo_failed(id, error),
            Ok(_) => {
                self.settle_as(id, Disposition::Compensated);
                if self.entry(id).showed_late {
                    self.arm_next_round(id);
                }
            }
        }
        Ok(())
    }

    pub(super) fn undo_timed_out(&mut self, task: &Task) -> Result<()> {
        let id = self.entry_named(&task.label, task.round)?;
        let undo = &self.entry(id).undo;
        let is_out = undo.doing == UndoDoing::Out && undo.attempt == task.attempt;
        ensure!(is_out, "{task:?} is not out");
        self.undo_failed(id, "States.Timeout");
        Ok(())
    }

    fn undo_failed(&mut self, id: EntryId, error: &str) {
        let visit = self.visit(self.entry(id).visit);
        let retriers = visit.state.undo.clone().unwrap_or_default();
        let entry = self.entry_mut(id);
        match retrier(&retriers, &entry.undo.uses, error) {
            Some(retrier) => {
                entry.undo.uses[retrier] += 1;
                entry.undo.doing = UndoDoing::BackingOff;
            }
            None => {
                entry.undo.doing = UndoDoing::Suspended;
                entry.disposition = Disposition::Suspended;
            }
        }
    }

    pub(super) fn undo_backoff_over(&mut self, of: &Label) -> Result<()> {
        let id = self.undo_named(of)?;
        let is_backing_off = self.entry(id).undo.doing == UndoDoing::BackingOff;
        ensure!(is_backing_off, "no timer of {of} runs");
        self.try_undo(id);
        Ok(())
    }

    /// The phase has passed its timeout: what is under way waits for an operator, under one incident.
    ///
    /// Open on the page: strays that are under way belong to the phase.
    pub(super) fn phase_timed_out(&mut self) {
        if !self.compensations.iter().any(|of| of.runs) {
            return;
        }
        self.phase_is_suspended = true;
        for entry in &mut self.entries {
            match entry.undo.doing {
                UndoDoing::Out | UndoDoing::BackingOff => {
                    entry.undo.doing = UndoDoing::SuspendedByPhase;
                    entry.disposition = Disposition::Suspended;
                }
                UndoDoing::Nothing | UndoDoing::Suspended | UndoDoing::SuspendedByPhase => {}
            }
        }
    }

    /// Gives up all that the compensation has not undone yet, which ends it.
    pub(super) fn abandon(&mut self, compensation: usize) {
        for entry in self.unsettled_of(compensation) {
            self.settle_as(entry, Disposition::Abandoned);
        }
    }

    fn entry_named(&self, undo: &Label, round: u32) -> Result<EntryId> {
        let is_it = |of: &Entry| of.round == round && self.visit(of.visit).label.undo() == *undo;
        let found = self.entries.iter().position(is_it);
        found
            .map(EntryId)
            .with_context(|| format!("there was no undo {undo} of round {round}"))
    }

    /// The undo of that name in its latest round.
    pub(super) fn undo_named(&self, undo: &Label) -> Result<EntryId> {
        let is_it = |of: &Entry| self.visit(of.visit).label.undo() == *undo;
        let found = self.entries.iter().rposition(is_it);
        found
            .map(EntryId)
            .with_context(|| format!("there is no undo {undo}"))
    }
}
