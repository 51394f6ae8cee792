//! Succeed: the scope ends well. Source: States Language, "Succeed State".

use super::data::Flow;
use crate::decide::Turn;
use crate::definition::{State, Transition};
use crate::execution::Broken;
use crate::ids::ScopeId;

pub(crate) fn succeed(turn: &mut Turn<'_>, scope: ScopeId, state: &State) -> Result<(), Broken> {
    let flow = Flow::new(turn, scope, state, None)?;
    match flow.input().and_then(|input| flow.pass_on(&input)) {
        Ok(exit) => turn.exit(scope, exit, &Transition::End),
        Err(failure) => turn.fail(scope, failure),
    }
}
