//! Errors: who handles one, what that closes, and how an execution ends that does not succeed.

use super::ledger::Disposition;
use super::model::{Kind, retrier};
use super::run::{Condition, Doing, Ending, Reference, ScopeId, TOP, VisitId};
use super::undoing::{Region, Then};

/// Who handles an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handler {
    /// That retrier of that state.
    Retry(VisitId, usize),
    /// That catcher of that state.
    Catch(VisitId, usize),
    /// The Map that this iteration is of tolerates it.
    Forgo(ScopeId),
    /// It leaves the machine.
    Nobody,
}

/// What becomes of the attempts in flight in a scope that is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flight {
    /// Those with an entry may answer yet: they are undone after that.
    Drains,
    /// They are unknown at once.
    Unknown,
}

impl Reference {
    /// The visit fails with this error; `may_retry` says whether its own retriers are asked.
    pub(super) fn fail(&mut self, id: VisitId, error: &str, may_retry: bool) {
        let handler = self.handler(id, error, may_retry);
        let visit = self.visit(id);
        let retries_itself = matches!(handler, Handler::Retry(at, _) if at == id);
        let is_fail = matches!(visit.state.kind, Kind::Fail(_));
        let is_stuck = self.committed_pivot.is_some() && handler == Handler::Nobody && !is_fail;
        if is_stuck || (self.is_in_doubt(id) && !retries_itself) {
            self.visit_mut(id).doing = Doing::Suspended(error.to_owned());
            return;
        }
        if !retries_itself {
            self.conclude(id);
        }
        match handler {
            Handler::Retry(at, retrier) => {
                self.visit_mut(at).uses[retrier] += 1;
                if self.visit(at).state.is_composite() {
                    self.close_inside(at, Flight::Drains);
                    self.compensate(Region::Inside(at), Then::BackOff(at));
                } else {
                    self.visit_mut(at).doing = Doing::BackingOff;
                }
            }
            Handler::Catch(at, catcher) => self.catch(at, catcher, error),
            Handler::Forgo(scope) => {
                self.close(scope, Flight::Drains);
                self.scopes[scope.0].condition = Condition::Forgoing;
                self.compensate(self.whole(scope), Then::Forgo(scope));
            }
            Handler::Nobody => self.end("FAILED", Some(error)),
        }
    }

    /// Looks outward from the visit for who handles the error.
    fn handler(&self, id: VisitId, error: &str, may_retry: bool) -> Handler {
        let mut at = id;
        loop {
            let visit = self.visit(at);
            let may_retry = may_retry || at != id;
            let retrier = retrier(&visit.state.retriers, &visit.uses, error);
            if let Some(retrier) = retrier.filter(|_| may_retry) {
                return Handler::Retry(at, retrier);
            }
            let catchers = &visit.state.catchers;
            if let Some(catcher) = catchers.iter().position(|of| of.matches(error)) {
                return Handler::Catch(at, catcher);
            }
            let Some(composite) = self.scope(visit.scope).parent else {
                return Handler::Nobody;
            };
            if self.tolerates(composite) {
                return Handler::Forgo(visit.scope);
            }
            at = composite;
        }
    }

    /// Whether one iteration more may fail in the present try.
    fn tolerates(&self, composite: VisitId) -> bool {
        let visit = self.visit(composite);
        let Kind::Map(map) = &visit.state.kind else {
            return false;
        };
        let has_failed = |scope: &&ScopeId| match self.scope(**scope).condition {
            Condition::Forgoing | Condition::Forgone => true,
            Condition::Open | Condition::Succeeded(_) | Condition::Closed => false,
        };
        let children = &visit.children[visit.first_child..];
        children.iter().filter(has_failed).count() < map.tolerated as usize
    }

    fn catch(&mut self, at: VisitId, catcher: usize, error: &str) {
        let visit = self.visit(at);
        let catcher = &visit.state.catchers[catcher];
        let (next, output) = (catcher.next.clone(), catcher.output(&visit.input, error));
        let (compensates, scope) = (catcher.compensates, visit.scope);
        if !compensates {
            self.close_inside(at, Flight::Unknown);
            self.leave(at, Some(&next), output);
            return;
        }
        self.close_inside(at, Flight::Drains);
        let region = if self.visit(at).state.is_composite() {
            Region::Inside(at)
        } else {
            self.whole(scope)
        };
        self.compensate(region, Then::Leave(at, Some(next), output));
    }

    /// Ends the execution with this status, once all is undone. After a committed pivot nothing is undone.
    pub(super) fn end(&mut self, status: &'static str, error: Option<&str>) {
        if self.ending.is_some() {
            return;
        }
        self.ending = Some(Ending {
            status,
            error: error.map(str::to_owned),
        });
        if self.committed_pivot.is_some() {
            self.release(|of, entry| of.covering(of.entry(entry).visit).is_none());
            self.close(TOP, Flight::Unknown);
        } else {
            self.close(TOP, Flight::Drains);
        }
        self.compensate(self.whole(TOP), Then::End);
    }

    /// A stop where `OnStop` is `Abandon`: only what is undone already is undone to its end.
    pub(super) fn stop_and_abandon(&mut self) {
        if self.ending.is_some() {
            return;
        }
        self.ending = Some(Ending {
            status: "ABORTED",
            error: None,
        });
        self.abandon_untouched();
    }

    /// All is given up but what is undone already, be it on its own: that is undone to its end.
    pub(super) fn abandon_untouched(&mut self) {
        let strays = self.open_strays();
        for entry in self.unsettled() {
            let is_undone = self.covering(self.entry(entry).visit).is_some();
            if !is_undone && !strays.contains(&entry) {
                self.settle_as(entry, Disposition::Abandoned);
            }
        }
        self.close(TOP, Flight::Unknown);
        self.compensate(self.whole(TOP), Then::End);
    }

    fn close_inside(&mut self, composite: VisitId, flight: Flight) {
        for child in self.visit(composite).children.clone() {
            self.close(child, flight);
        }
    }

    /// Closes a scope and all in it. What is undone in there goes on, but nothing comes after it.
    pub(super) fn close(&mut self, scope: ScopeId, flight: Flight) {
        match self.scope(scope).condition {
            Condition::Open | Condition::Forgoing => {
                self.scopes[scope.0].condition = Condition::Closed;
            }
            Condition::Succeeded(_) | Condition::Forgone | Condition::Closed => {}
        }
        for id in self.scope(scope).visits.clone() {
            self.close_inside(id, flight);
            match self.visit(id).doing {
                Doing::Working if flight == Flight::Drains && self.may_answer_yet(id) => {
                    self.visit_mut(id).doing = Doing::Draining;
                }
                Doing::Working | Doing::BackingOff | Doing::Undoing | Doing::Suspended(_) => {
                    self.conclude(id);
                }
                Doing::Draining | Doing::Over => {}
            }
        }
    }

    /// Whether the visit is a Task at work whose effect would have to be undone.
    fn may_answer_yet(&self, id: VisitId) -> bool {
        let is_task = matches!(self.visit(id).state.kind, Kind::Task);
        let entry = self.entry_of(id).map(|entry| self.entry(entry));
        is_task && entry.is_some_and(|entry| entry.disposition == Disposition::Armed)
    }
}
