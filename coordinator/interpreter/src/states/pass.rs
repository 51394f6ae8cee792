//! Pass: data shaped in passing. Source: States Language, "Pass State".

use super::data::Flow;
use crate::decide::Turn;
use crate::definition::{Pass, State};
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
    let output = flow.input().and_then(|input| {
        let shaped = flow.template(pass.parameters.as_ref(), input)?;
        let result = pass.result.clone().map_or(shaped, Payload::new);
        flow.output(result, pass.result_path.as_ref())
    });
    match output {
        Ok(output) => turn.exit(scope, output, &pass.transition),
        Err(failure) => turn.fail(scope, failure),
    }
}
