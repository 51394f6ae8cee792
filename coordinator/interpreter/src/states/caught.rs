//! A catcher that takes an error: what it makes of it. Source: States Language, "Fallback states".

use super::data::Flow;
use crate::catch::error_output;
use crate::decide::{Exit, Failure, Turn};
use crate::definition::Catcher;
use crate::execution::Broken;
use crate::ids::ScopeId;

/// What the state that the scope is in leaves when the catcher takes its failure.
pub(crate) fn caught(
    turn: &Turn<'_>,
    scope: ScopeId,
    catcher: &Catcher,
    failure: &Failure,
) -> Result<Result<Exit, Failure>, Broken> {
    let state = turn.state(&turn.position(scope)?.state)?;
    let flow = Flow::new(turn, scope, state, None)?;
    Ok(flow.caught(catcher, &error_output(failure)))
}
