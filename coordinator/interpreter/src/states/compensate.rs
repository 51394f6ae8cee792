//! Compensate: what was done in this scope is undone, by decision of the business. Source: the saga extension.

use super::data::Flow;
use crate::decide::{Exit, Turn};
use crate::definition::{Compensate, State, Transition};
use crate::execution::Broken;
use crate::history::{Target, Then, Trigger, TriggerKind};
use crate::ids::ScopeId;

pub(crate) fn compensate(
    turn: &mut Turn<'_>,
    scope: ScopeId,
    state: &State,
    compensate: &Compensate,
) -> Result<(), Broken> {
    let flow = Flow::new(turn, scope, state, None)?;
    let Exit { output, assigned } = match flow.input().and_then(|input| flow.pass_on(&input)) {
        Ok(exit) => exit,
        Err(failure) => return turn.fail(scope, failure),
    };
    let next = match &compensate.transition {
        Transition::Next(next) => Some(next.clone()),
        Transition::End => None,
    };
    let trigger = Trigger {
        kind: TriggerKind::State,
        error: None,
        cause: None,
        state: Some(state.name.clone()),
    };
    let target = match &compensate.through {
        None => Target::Scope,
        Some(through) => {
            let since = turn.scope(scope)?.marks.get(through).copied();
            Target::Since(since.ok_or_else(|| Broken::new(format!("{through} was not visited")))?)
        }
    };
    let then = Then::Exit {
        output,
        next,
        assigned,
    };
    turn.begin_compensation(scope, target, then, trigger)
}
