//! What a turn has yet to do: states to enter, undos to start. Worked off until everybody waits.

use std::collections::VecDeque;

use super::turn::Turn;
use crate::definition::{StateKind, StateName, Transition};
use crate::effect::{Wait, WaitKind};
use crate::execution::{Broken, Phase};
use crate::history::{Event, Payload, StateType};
use crate::ids::{Runner, ScopeId};
use crate::limits::TRANSITIONS_PER_TURN_MAX;
use crate::states;

/// What a state leaves behind.
#[derive(Debug)]
pub(crate) struct Exit {
    /// What the next one gets.
    pub output: Payload,
    /// The variables it assigned, by their names.
    pub assigned: Option<Payload>,
}

/// States that are to be entered, in order.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    entries: VecDeque<(ScopeId, StateName, Payload)>,
    transitions: u32,
}

impl Turn<'_> {
    /// Enters the state once what is at hand is done.
    pub(crate) fn enter_later(&mut self, scope: ScopeId, state: StateName, input: Payload) {
        self.agenda.entries.push_back((scope, state, input));
    }

    pub(super) fn work_off(&mut self) -> Result<(), Broken> {
        loop {
            while let Some((scope, state, input)) = self.agenda.entries.pop_front() {
                // A sibling that failed meanwhile closed the scope.
                let is_open = matches!(
                    self.execution.scopes.get(&scope).map(|scope| &scope.phase),
                    Some(Phase::Between | Phase::Yielding { .. })
                );
                if is_open {
                    self.enter_or_yield(scope, state, input)?;
                }
            }
            if !self.compensate()? && self.agenda.entries.is_empty() {
                self.end_phase()?;
                return self.answer_parent();
            }
        }
    }

    /// A chain of states that need nobody goes on in the next turn once it is long: a stop must get its turn, too.
    fn enter_or_yield(
        &mut self,
        scope: ScopeId,
        state: StateName,
        input: Payload,
    ) -> Result<(), Broken> {
        self.agenda.transitions += 1;
        if self.agenda.transitions <= TRANSITIONS_PER_TURN_MAX {
            return self.enter(scope, state, input);
        }
        let wait = self.record(Event::Yielded {
            scope,
            next: state,
            input,
        })?;
        self.open(Wait {
            wait,
            due: Some(self.now),
            kind: WaitKind::Timer,
        });
        Ok(())
    }

    fn enter(&mut self, scope: ScopeId, name: StateName, input: Payload) -> Result<(), Broken> {
        let state = self.state(&name)?;
        let kind = state_type(&state.kind);
        let is_mark = self.machine.marks.contains(&name);
        let entered = Event::StateEntered {
            scope,
            kind,
            name,
            input,
            is_mark,
        };
        self.show(Runner::State(scope), entered)?;
        if let Some(failure) = self.history_limit() {
            return self.fail_machine(failure);
        }
        self.run_state(scope)
    }

    /// Does what the state that the scope is in does first.
    pub(super) fn run_state(&mut self, scope: ScopeId) -> Result<(), Broken> {
        let state = self.state(&self.position(scope)?.state)?;
        match &state.kind {
            StateKind::Task(_) => self.dispatch(Runner::State(scope)),
            StateKind::Pass(pass) => states::pass(self, scope, state, pass),
            StateKind::Choice(choice) => states::choice(self, scope, state, choice),
            StateKind::Wait(wait) => states::wait(self, scope, state, wait),
            StateKind::Parallel(parallel) => states::parallel(self, scope, state, parallel),
            StateKind::Map(map) => states::map(self, scope, state, map),
            StateKind::Succeed => states::succeed(self, scope, state),
            StateKind::Fail(fail) => states::fail(self, scope, state, fail),
            StateKind::Compensate(compensate) => states::compensate(self, scope, state, compensate),
        }
    }

    /// Leaves the state: `OutputPath` or `Output` was applied already.
    pub(crate) fn exit(
        &mut self,
        scope: ScopeId,
        Exit { output, assigned }: Exit,
        transition: &Transition,
    ) -> Result<(), Broken> {
        let name = self.position(scope)?.state.clone();
        let kind = state_type(&self.state(&name)?.kind);
        self.show(
            Runner::State(scope),
            Event::StateExited {
                scope,
                kind,
                name,
                output: output.clone(),
                assigned,
            },
        )?;
        match transition {
            Transition::Next(next) => {
                self.enter_later(scope, next.clone(), output);
                Ok(())
            }
            Transition::End => self.scope_succeeded(scope, output),
        }
    }
}

/// The type of a state, as events name it.
pub(crate) fn state_type(kind: &StateKind) -> StateType {
    match kind {
        StateKind::Task(_) => StateType::Task,
        StateKind::Pass(_) => StateType::Pass,
        StateKind::Choice(_) => StateType::Choice,
        StateKind::Wait(_) => StateType::Wait,
        StateKind::Parallel(_) => StateType::Parallel,
        StateKind::Map(_) => StateType::Map,
        StateKind::Succeed => StateType::Succeed,
        StateKind::Fail(_) => StateType::Fail,
        StateKind::Compensate(_) => StateType::Compensate,
    }
}
