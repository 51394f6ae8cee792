//! A state that failed and is taken for done, with what an operator gives for its result. Source: the saga extension, "Pivot".

use super::data::Flow;
use crate::decide::Turn;
use crate::definition::{State, StateKind, Transition};
use crate::execution::Broken;
use crate::history::Payload;
use crate::ids::ScopeId;

/// Whether a state can be left without what it computes: a Choice says only then where to.
pub(crate) fn can_skip(state: &State) -> bool {
    match &state.kind {
        StateKind::Task(_)
        | StateKind::Pass(_)
        | StateKind::Wait(_)
        | StateKind::Parallel(_)
        | StateKind::Map(_)
        | StateKind::Succeed => true,
        StateKind::Choice(_) | StateKind::Fail(_) | StateKind::Compensate(_) => false,
    }
}

/// Leaves the state that the scope is in with this result, put where `ResultPath` says.
pub(crate) fn skip(turn: &mut Turn<'_>, scope: ScopeId, result: Payload) -> Result<(), Broken> {
    let state = turn.state(&turn.position(scope)?.state)?;
    let flow = Flow::new(turn, scope, state, None)?;
    let (path, transition) = match &state.kind {
        StateKind::Task(task) => (Some(&task.result_path), &task.transition),
        StateKind::Pass(pass) => (Some(&pass.result_path), &pass.transition),
        StateKind::Parallel(parallel) => (Some(&parallel.result_path), &parallel.transition),
        StateKind::Map(map) => (Some(&map.result_path), &map.transition),
        StateKind::Wait(wait) => (None, &wait.transition),
        StateKind::Succeed => (None, &Transition::End),
        StateKind::Choice(_) | StateKind::Fail(_) | StateKind::Compensate(_) => {
            return Err(Broken::new(format!("{} says itself where to", state.name)));
        }
    };
    let exit = match path {
        Some(path) => flow.exit(&result, None, path.as_ref()),
        None => flow.pass_on(&result),
    };
    match exit {
        Ok(exit) => turn.exit(scope, exit, transition),
        Err(failure) => turn.fail(scope, failure),
    }
}
