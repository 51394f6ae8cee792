//! The results of a Map: an array of them, or what became of them once they are written to files. Source: States Language,
//! "Map State Output"; Step Functions, "ResultWriter".

use serde_json::Value;

use super::data::Flow;
use super::map::{begin_besides, map_run_of};
use crate::decide::{Failure, Turn};
use crate::definition::{Map, ResultWriter, State, StateKind, Transformation};
use crate::delivery;
use crate::effect::FileCall;
use crate::execution::{Broken, Phase};
use crate::history::{Event, Payload};
use crate::ids::ScopeId;

/// All iterations are over: the Map is, once its results are where they belong.
pub(crate) fn map_ended(turn: &mut Turn<'_>, run: ScopeId) -> Result<(), Broken> {
    let scope = turn.around(run)?;
    let state = turn.state(&turn.position(scope)?.state)?;
    let StateKind::Map(map) = &state.kind else {
        return Err(Broken::new(format!("{} is no Map", state.name)));
    };
    let written = match map.writer.as_ref().filter(|writer| writer.is_needed()) {
        None => None,
        Some(writer) => match turn.execution.outcome_besides(run, writer.runs) {
            None => return write(turn, (scope, run), state, map, writer),
            written => written.cloned(),
        },
    };
    let result = written.unwrap_or_else(|| outputs(turn, run, map));
    if map.is_distributed {
        let last_event = turn.scope(run)?.last_event;
        turn.show_after(last_event, Event::MapRunSucceeded { run })?;
    }
    let last_event = turn.scope(run)?.last_event;
    turn.show_after(last_event, Event::MapStateSucceeded { scope })?;
    let group = turn.group_of_ended();
    let flow = Flow::new(turn, scope, state, None)?;
    let selector = map.result_selector.as_ref();
    match flow.exit(&result, selector, map.result_path.as_ref()) {
        Ok(exit) => {
            turn.arm_composite(scope, state, group, (result, exit.output.clone()))?;
            turn.exit(scope, exit, &map.transition)
        }
        Err(failure) => turn.fail(scope, failure),
    }
}

/// The outputs of the iterations, in the order of their items.
fn outputs(turn: &Turn<'_>, run: ScopeId, map: &Map) -> Payload {
    let inside = turn.execution.inside_of(run).into_iter();
    let inside = inside.filter_map(|scope| turn.execution.scopes.get(&scope));
    let iterations = inside.filter(|scope| scope.iteration.is_some());
    let outputs = iterations.filter_map(|scope| match &scope.phase {
        Phase::Ended(output) => Some((**output).clone()),
        _ => None,
    });
    let is_flat = map
        .writer
        .as_ref()
        .is_some_and(|writer| writer.format.transformation == Transformation::Flatten);
    let outputs: Vec<Value> = match is_flat {
        false => outputs.collect(),
        true => outputs.flat_map(flattened).collect(),
    };
    Payload::new(Value::Array(outputs))
}

fn flattened(output: Value) -> Vec<Value> {
    match output {
        Value::Array(elements) => elements,
        output => vec![output],
    }
}

/// Begins to write the results, which the Map waits for.
fn write(
    turn: &mut Turn<'_>,
    (scope, run): (ScopeId, ScopeId),
    state: &State,
    map: &Map,
    writer: &ResultWriter,
) -> Result<(), Broken> {
    let map_run = map_run_of(turn, map, run)?;
    match call_of_writer(&Flow::new(turn, scope, state, None)?, writer, map_run) {
        Ok(call) => begin_besides(turn, run, writer.runs, &call),
        Err(failure) => turn.fail_map_run(run, failure),
    }
}

fn call_of_writer(
    flow: &Flow<'_>,
    writer: &ResultWriter,
    map_run: String,
) -> Result<FileCall, Failure> {
    let arguments = flow.template(writer.arguments.as_ref(), flow.input()?)?;
    delivery::writing(writer, &arguments, map_run).map_err(|problem| flow.runtime(problem))
}
