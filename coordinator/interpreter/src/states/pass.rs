//! Pass: data shaped in passing. Source: States Language, "Pass State".

use super::data::Flow;
use crate::decide::Turn;
use crate::definition::{Pass, QueryLanguage, State};
use crate::execution::Broken;
use crate::history::Payload;
use crate::ids::ScopeId;

pub(crate) fn pass(
    turn: &mut Turn<'_>,
    scope: ScopeId,
    state: &State,
    pass: &Pass,
) -> Result<(), Broken> {
    let flow = Flow::new(turn, scope, state, None)?;
    let exit = flow.input().and_then(|input| {
        if state.language == QueryLanguage::Jsonata {
            return flow.pass_on(&input);
        }
        let shaped = flow.template(pass.parameters.as_ref(), input)?;
        let result = pass.result.clone().map_or(shaped, Payload::new);
        flow.exit(&result, None, pass.result_path.as_ref())
    });
    match exit {
        Ok(exit) => turn.exit(scope, exit, &pass.transition),
        Err(failure) => turn.fail(scope, failure),
    }
}
