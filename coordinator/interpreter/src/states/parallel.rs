//! Parallel: branches side by side. Source: States Language, "Parallel State".

use serde_json::Value;

use super::data::Flow;
use crate::decide::Turn;
use crate::definition::{Parallel, State, StateKind};
use crate::execution::{Activity, Broken, Phase};
use crate::history::{Event, Payload};
use crate::ids::{Runner, ScopeId};

pub(crate) fn parallel(
    turn: &mut Turn<'_>,
    scope: ScopeId,
    state: &State,
    parallel: &Parallel,
) -> Result<(), Broken> {
    let flow = Flow::new(turn, scope, state, None)?;
    let input = match flow
        .input()
        .and_then(|input| flow.template(parallel.parameters.as_ref(), input))
    {
        Ok(input) => input,
        Err(failure) => return turn.fail(scope, failure),
    };
    turn.show(Runner::State(scope), Event::ParallelStateStarted { scope })?;
    for block in &parallel.branches {
        let branch = turn.record(Event::BranchStarted {
            parent: scope,
            block: *block,
        })?;
        turn.enter_later(
            ScopeId(branch),
            turn.machine.block(*block).start_at.clone(),
            input.clone(),
        );
    }
    Ok(())
}

/// A branch is through; when it was the last, the state is.
pub(crate) fn branch_ended(turn: &mut Turn<'_>, scope: ScopeId) -> Result<(), Broken> {
    let position = turn.position(scope)?;
    let state = turn.state(&position.state)?;
    let (Activity::Branches(branches), StateKind::Parallel(parallel)) =
        (&position.activity, &state.kind)
    else {
        return Err(Broken::new(format!("{} has no branches", state.name)));
    };
    let mut results = Vec::with_capacity(branches.len());
    for branch in branches {
        match &turn.scope(*branch)?.phase {
            Phase::Ended(output) => results.push((**output).clone()),
            Phase::Between
            | Phase::At(_)
            | Phase::Yielding { .. }
            | Phase::Iterating(_)
            | Phase::Compensating(_)
            | Phase::Closed => return Ok(()),
        }
    }
    turn.show(
        Runner::State(scope),
        Event::ParallelStateSucceeded { scope },
    )?;
    let group = turn.group_of_ended();
    let flow = Flow::new(turn, scope, state, None)?;
    let result = Payload::new(Value::Array(results));
    let selector = parallel.result_selector.as_ref();
    match flow.exit(&result, selector, parallel.result_path.as_ref()) {
        Ok(exit) => {
            turn.arm_composite(scope, state, group, (result, exit.output.clone()))?;
            turn.exit(scope, exit, &parallel.transition)
        }
        Err(failure) => turn.fail(scope, failure),
    }
}
