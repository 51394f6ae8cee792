//! The way forward: states are entered and left, branches and iterations start and succeed.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::boundary::Label;
use super::ledger::Disposition;
use super::model::{self, Kind, Machine};
use super::run::{Condition, Doing, Ending, Reference, Scope, ScopeId, Visit, VisitId};
use super::undoing::{Region, Then};

impl Reference {
    /// Opens a scope and has its first state entered.
    pub(super) fn open(&mut self, machine: Arc<Machine>, parent: Option<VisitId>, input: Value) {
        let scope = ScopeId(self.scopes.len());
        if let Some(parent) = parent {
            self.visit_mut(parent).children.push(scope);
        }
        self.agenda.push_back((scope, machine.start.clone(), input));
        self.scopes.push(Scope {
            machine,
            parent,
            visits: Vec::new(),
            condition: Condition::Open,
        });
    }

    /// Enters a state, unless its scope was closed in the meantime.
    pub(super) fn enter(&mut self, scope: ScopeId, name: &str, input: Value) {
        if self.scope(scope).condition != Condition::Open {
            return;
        }
        let state = Arc::clone(&self.scope(scope).machine.states[name]);
        let visited = self.visits.iter().filter(|visit| visit.label.state == name);
        let ordinal = u32::try_from(visited.count() + 1).expect("visits are few");
        let visit = VisitId(self.visits.len());
        self.scopes[scope.0].visits.push(visit);
        self.visits.push(Visit {
            label: Label::visit(name, ordinal),
            scope,
            input: input.clone(),
            doing: Doing::Working,
            uses: vec![0; state.retriers.len()],
            attempts: Vec::new(),
            nothing: BTreeSet::new(),
            has_result: false,
            children: Vec::new(),
            tries: Vec::new(),
            first_child: 0,
            waiting: [].into(),
            state: Arc::clone(&state),
        });
        match &state.kind {
            Kind::Task => {
                if state.undo.is_some() {
                    self.arm(visit, 1, Disposition::Armed);
                }
                self.begin_try(visit);
            }
            Kind::Parallel(_) | Kind::Map(_) => self.begin_try(visit),
            Kind::Wait => {}
            Kind::Choice(rules, default) => {
                let chosen = rules.iter().find(|(rule, _)| rule.holds(&input));
                let next = chosen.map_or(default, |(_, next)| next);
                self.leave(visit, Some(next), input);
            }
            Kind::Pass => self.succeed(visit, input),
            Kind::Succeed => self.leave(visit, None, input),
            Kind::Fail(error) => self.fail(visit, error, true),
            Kind::Compensate(through) => {
                let is_first =
                    |of: &&VisitId| Some(&self.visit(**of).label.state) == through.as_ref();
                let first = self.scope(scope).visits.iter().rev().find(is_first);
                let region = first.map_or(self.whole(scope), |first| Region::Chain(scope, *first));
                self.compensate(region, Then::Leave(visit, state.next.clone(), input));
            }
        }
    }

    /// The next attempt of a Task, or the next try of a composite.
    pub(super) fn begin_try(&mut self, id: VisitId) {
        let state = Arc::clone(&self.visit(id).state);
        let execution_input = self.input.clone();
        let visit = self.visit_mut(id);
        visit.doing = Doing::Working;
        visit.first_child = visit.children.len();
        visit.tries.push(visit.first_child);
        let input = visit.input.clone();
        match &state.kind {
            Kind::Parallel(branches) => {
                let branches = branches.iter().cloned();
                visit.waiting = branches.map(|branch| (branch, input.clone())).collect();
                self.proceed(id);
            }
            Kind::Map(map) => match model::items(&map.items_path, &input, &execution_input) {
                None => self.fail(id, "States.Runtime", true),
                Some(items) => {
                    let iteration = |item| (Arc::clone(&map.processor), item);
                    visit.waiting = items.into_iter().map(iteration).collect();
                    self.proceed(id);
                }
            },
            Kind::Task => visit.attempts.push(None),
            Kind::Wait
            | Kind::Choice(..)
            | Kind::Pass
            | Kind::Succeed
            | Kind::Fail(_)
            | Kind::Compensate(_) => {}
        }
    }

    /// Starts the branches or iterations there is room for; when all are over, the composite has succeeded.
    ///
    /// Open on the page: an iteration that undoes a tolerated failure keeps its place until it has done so.
    pub(super) fn proceed(&mut self, id: VisitId) {
        let room = if let Kind::Map(map) = &self.visit(id).state.kind {
            map.concurrency
        } else {
            usize::MAX
        };
        while self.open_children(id) < room {
            let Some((machine, input)) = self.visit_mut(id).waiting.pop_front() else {
                break;
            };
            self.open(machine, Some(id), input);
        }
        if self.open_children(id) > 0 {
            return;
        }
        let children = &self.visit(id).children[self.visit(id).first_child..];
        let output = |scope: &ScopeId| match &self.scope(*scope).condition {
            Condition::Succeeded(output) => Some(output.clone()),
            Condition::Open | Condition::Forgoing | Condition::Forgone | Condition::Closed => None,
        };
        let outputs = children.iter().filter_map(output).collect();
        if self.visit(id).state.undo.is_some() {
            self.release(|of, entry| {
                let around = of.around(of.entry(entry).visit);
                around.iter().any(|(composite, _)| *composite == id)
            });
            self.arm(id, 1, Disposition::Committed);
        }
        self.succeed(id, outputs);
    }

    fn open_children(&self, id: VisitId) -> usize {
        let children = &self.visit(id).children[self.visit(id).first_child..];
        let is_open = |scope: &&ScopeId| match self.scope(**scope).condition {
            Condition::Open | Condition::Forgoing => true,
            Condition::Succeeded(_) | Condition::Forgone | Condition::Closed => false,
        };
        children.iter().filter(is_open).count()
    }

    /// Leaves a state that has succeeded with this result.
    pub(super) fn succeed(&mut self, id: VisitId, result: Value) {
        let visit = self.visit(id);
        let output = visit.state.output(&visit.input, result);
        let next = visit.state.next.clone();
        self.leave(id, next.as_deref(), output);
    }

    pub(super) fn leave(&mut self, id: VisitId, next: Option<&str>, output: Value) {
        let visit = self.visit_mut(id);
        visit.doing = Doing::Over;
        let scope = visit.scope;
        if let Some(next) = next {
            self.agenda.push_back((scope, next.to_owned(), output));
            return;
        }
        self.scopes[scope.0].condition = Condition::Succeeded(output);
        match self.scope(scope).parent {
            Some(composite) => self.proceed(composite),
            None => {
                self.release(|_, _| true);
                // What is left is undone on its own.
                for entry in self.unsettled() {
                    self.entry_mut(entry).is_stray = true;
                }
                self.compensations.iter_mut().for_each(|of| of.runs = false);
                self.is_over = true;
                self.ending = Some(Ending {
                    status: "SUCCEEDED",
                    error: None,
                });
            }
        }
    }
}
