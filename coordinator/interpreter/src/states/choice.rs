//! Choice: a fork in the road. Source: States Language, "Choice State".

use super::condition::holds;
use super::data::Flow;
use crate::decide::{Exit, Failure, Turn};
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
    match flow
        .input()
        .and_then(|input| choose(&flow, choice, &input, state))
    {
        Ok((exit, next)) => turn.exit(scope, exit, &Transition::Next(next)),
        Err(failure) => turn.fail(scope, failure),
    }
}

fn choose(
    flow: &Flow<'_>,
    choice: &Choice,
    input: &Payload,
    state: &State,
) -> Result<(Exit, StateName), Failure> {
    for rule in &choice.rules {
        let holds = holds(&rule.condition, &flow.data(input));
        if holds.map_err(|error| flow.failure(&error))? {
            return Ok((flow.pass_on_by(input, &rule.handover)?, rule.next.clone()));
        }
    }
    match &choice.default {
        Some(default) => Ok((flow.pass_on(input)?, default.clone())),
        None => {
            let text = format!(
                "Failed to transition out of the state '{}'. The state does not point to a next state.",
                state.name
            );
            Err(Failure::new("States.NoChoiceMatched", text))
        }
    }
}
