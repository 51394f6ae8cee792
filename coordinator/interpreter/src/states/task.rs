//! Task: work done by somebody else. Source: States Language, "Task State".

use super::data::{Flow, integer_of, seconds_at};
use crate::decide::{Errand, Failure, Turn};
use crate::definition::{Compensation, Resource, Seconds, State, StateKind, Task};
use crate::execution::Broken;
use crate::history::Payload;
use crate::ids::ScopeId;

/// What the next attempt of the scope's Task sends.
pub(crate) fn step_errand<'a>(
    turn: &Turn<'a>,
    scope: ScopeId,
) -> Result<Result<Errand<'a>, Failure>, Broken> {
    let position = turn.position(scope)?;
    let state = turn.state(&position.state)?;
    let task = task_of(state)?;
    // The record that arms the step comes before the one that names the attempt.
    let token = turn.next_token(u64::from(turn.needs_arming(scope)?));
    let flow = Flow::new(turn, scope, state, Some(token))?;
    let compute = || {
        let input = flow.input()?;
        let timeout_seconds = seconds(&flow, task.timeout.as_ref(), &input, "TimeoutSecondsPath")?;
        let heartbeat_seconds = seconds(
            &flow,
            task.heartbeat.as_ref(),
            &input,
            "HeartbeatSecondsPath",
        )?;
        Ok(Errand {
            resource: &task.resource,
            state: state.name.to_string(),
            arguments: flow.template(task.parameters.as_ref(), input)?,
            timeout_seconds,
            heartbeat_seconds,
            attempt: position.attempt,
            key: turn.key(position.visit),
            compensates: None,
        })
    };
    Ok(compute())
}

fn seconds(
    flow: &Flow<'_>,
    field: Option<&Seconds>,
    input: &Payload,
    name: &str,
) -> Result<Option<u32>, Failure> {
    match field {
        None => Ok(None),
        Some(Seconds::Literal(seconds)) => Ok(Some(*seconds)),
        Some(Seconds::Jsonata(expression)) => {
            integer_of(expression, &flow.data(input), 1..=Seconds::MAX)
                .map(Some)
                .map_err(|error| flow.failure(&error))
        }
        Some(Seconds::Path(path)) => {
            let found = seconds_at(path, &flow.data(input), |problem| match problem {
                Err(error) => flow.failure(error),
                Ok(found) => {
                    let path = path.text();
                    flow.runtime(format!("The {name} parameter does not reference an integer of 1 to 99999999: {path} == {found}"))
                }
            });
            found.map(Some)
        }
    }
}

/// The Task's result is there.
pub(crate) fn task_result(
    turn: &mut Turn<'_>,
    scope: ScopeId,
    result: &Payload,
) -> Result<(), Broken> {
    let state = turn.state(&turn.position(scope)?.state)?;
    let task = task_of(state)?;
    let flow = Flow::new(turn, scope, state, None)?;
    let selector = task.result_selector.as_ref();
    match flow.exit(result, selector, task.result_path.as_ref()) {
        Ok(exit) => turn.exit(scope, exit, &task.transition),
        Err(failure) => turn.fail(scope, failure),
    }
}

fn task_of(state: &State) -> Result<&Task, Broken> {
    match &state.kind {
        StateKind::Task(task) => Ok(task),
        _ => Err(Broken::new(format!("{} is no Task", state.name))),
    }
}

/// Where a Task's work is done.
pub(crate) fn resource_of(state: &State) -> Option<&Resource> {
    task_of(state).ok().map(|task| &task.resource)
}

/// Whether its visits are in the ledger: they can be undone, or are the point of no return.
pub(crate) fn is_armed(state: &State) -> bool {
    let has_child = resource_of(state).is_some_and(Resource::waits_for_child);
    has_child || is_pivot(state) || compensation_of(state).is_some()
}

/// Whether it is the point of no return.
pub(crate) fn is_pivot(state: &State) -> bool {
    task_of(state).is_ok_and(|task| task.is_pivot)
}

/// The Task that undoes this state.
pub(crate) fn compensation_of(state: &State) -> Option<&Compensation> {
    match &state.kind {
        StateKind::Task(task) => task.compensate.as_deref(),
        StateKind::Parallel(parallel) => parallel.compensate.as_deref(),
        StateKind::Map(map) => map.compensate.as_deref(),
        StateKind::Pass(_)
        | StateKind::Choice(_)
        | StateKind::Wait(_)
        | StateKind::Succeed
        | StateKind::Fail(_)
        | StateKind::Compensate(_) => None,
    }
}
