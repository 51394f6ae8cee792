//! Compensate: what was done in this scope is undone, by decision of the business. Source: the saga extension.

use super::data::Flow;
use crate::decide::Turn;
use crate::definition::{State, Transition};
use crate::execution::Broken;
use crate::history::{Target, Then, Trigger, TriggerKind};
use crate::ids::ScopeId;

pub(crate) fn compensate(
    turn: &mut Turn<'_>,
    scope: ScopeId,
    state: &State,
    transition: &Transition,
) -> Result<(), Broken> {
    let flow = Flow::new(turn, scope, state, None)?;
    let output = match flow.input().and_then(|input| flow.exit(input)) {
        Ok(output) => output,
        Err(failure) => return turn.fail(scope, failure),
    };
    let next = match transition {
        Transition::Next(next) => Some(next.clone()),
        Transition::End => None,
    };
    let trigger = Trigger {
        kind: TriggerKind::State,
        error: None,
        cause: None,
        state: Some(state.name.clone()),
    };
    turn.begin_compensation(scope, Target::Scope, Then::Exit { output, next }, trigger)
}
