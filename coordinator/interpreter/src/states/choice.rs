//! Choice: a fork in the road. Source: States Language, "Choice State".

use super::condition::holds;
use super::data::Flow;
use crate::decide::{Failure, Turn};
use crate::definition::{Choice, State, StateName, Transition};
use crate::execution::Broken;
use crate::history::Payload;
use crate::ids::ScopeId;

pub(crate) fn choice(
    turn: &mut Turn<'_>,
    scope: ScopeId,
    state: &State,
    choice: &Choice,
) -> Result<(), Broken> {
    let flow = Flow::new(turn, scope, state, None)?;
    let chosen = flow.input().and_then(|input| {
        let next = next(&flow, choice, &input, state)?;
        Ok((flow.exit(input)?, next))
    });
    match chosen {
        Ok((output, next)) => turn.exit(scope, output, &Transition::Next(next)),
        Err(failure) => turn.fail(scope, failure),
    }
}

fn next(
    flow: &Flow<'_>,
    choice: &Choice,
    input: &Payload,
    state: &State,
) -> Result<StateName, Failure> {
    let data = flow.data(input);
    for rule in &choice.rules {
        if holds(&rule.condition, &data).map_err(|error| flow.failure(&error))? {
            return Ok(rule.next.clone());
        }
    }
    choice.default.clone().ok_or_else(|| {
        let text = format!(
            "Failed to transition out of the state '{}'. The state does not point to a next state.",
            state.name
        );
        Failure::new("States.NoChoiceMatched", text)
    })
}
