//! Map: the same for each item of an array. Source: States Language, "Map State".

use serde_json::Value;
use uuid::Uuid;

use super::data::{Flow, integer_of};
use super::task::resource_of;
use crate::decide::{Failure, Turn};
use crate::definition::{Count, Map, Percentage, QueryLanguage, Resource, State, StateKind};
use crate::execution::{Broken, Items, Phase};
use crate::history::{Event, Payload};
use crate::ids::{Runner, ScopeId};
use crate::limits::{CHILDREN_AT_ONCE_MAX, ITERATIONS_AT_ONCE_MAX};
use crate::query::{Path, Template};

pub(crate) fn map(
    turn: &mut Turn<'_>,
    scope: ScopeId,
    state: &State,
    map: &Map,
) -> Result<(), Broken> {
    let flow = Flow::new(turn, scope, state, None)?;
    let items = match items(&flow, map) {
        Ok(items) => items,
        Err(failure) => return turn.fail_map(scope, failure),
    };
    let limits = concurrency(&flow, map, &items.input)
        .and_then(|concurrency| Ok((concurrency, failures_max(&flow, map, &items)?)));
    let (concurrency, failures_max) = match limits {
        Ok(limits) => limits,
        // Step Functions reads them once a distributed Map has begun.
        Err(failure) if map.is_distributed => {
            let length = length(&items);
            let started = Event::MapStateStarted {
                scope,
                length,
                concurrency: 0,
                failures_max: 0,
            };
            turn.show(Runner::State(scope), started)?;
            return turn.fail_begun_map(scope, failure);
        }
        Err(failure) => return turn.fail_map(scope, failure),
    };
    let started = Event::MapStateStarted {
        scope,
        length: length(&items),
        concurrency,
        failures_max,
    };
    let run = ScopeId(turn.show(Runner::State(scope), started)?);
    if map.is_distributed {
        let arn = map_run_arn(turn, map, run)?;
        let previous = turn.execution.head.event_id;
        turn.show_after(previous, Event::MapRunStarted { run, arn })?;
    }
    turn.execution.items.0.insert(run, items);
    turn.iterate(run, turn.execution.head.event_id)
}

/// The ARN of the Map Run whose iterations this scope holds.
fn map_run_arn(turn: &Turn<'_>, map: &Map, run: ScopeId) -> Result<String, Broken> {
    let state = turn.state(&turn.machine.block(map.runs).start_at)?;
    let Some(Resource::Item { label, .. }) = resource_of(state) else {
        return Err(Broken::new(format!("{} starts no executions", state.name)));
    };
    let head = &turn.execution.head;
    let id = Uuid::new_v5(&head.id.0, run.0.to_string().as_bytes());
    let machine = &head.start.machine_arn;
    let machine = machine.replacen(":stateMachine:", ":mapRun:", 1);
    Ok(format!("{machine}/{label}:{id}"))
}

/// Begins the next iteration, unless its input can't be made.
pub(crate) fn iteration(
    turn: &mut Turn<'_>,
    run: ScopeId,
    previous: u64,
) -> Result<Result<(), Failure>, Broken> {
    let scope = turn.around(run)?;
    let state = turn.state(&turn.position(scope)?.state)?;
    let (StateKind::Map(map), Phase::Iterating(iterations)) =
        (&state.kind, &turn.scope(run)?.phase)
    else {
        return Err(Broken::new(format!("{} does not iterate", state.name)));
    };
    let (index, name) = (iterations.started, state.name.clone());
    if !turn.execution.items.0.contains_key(&run) {
        match items(&Flow::new(turn, scope, state, None)?, map) {
            Ok(items) => drop(turn.execution.items.0.insert(run, items)),
            Err(failure) => return Ok(Err(failure)),
        }
    }
    let input = match input(turn, scope, state, map, (run, index))? {
        Ok(input) => input,
        Err(failure) => return Ok(Err(failure)),
    };
    let block = map.runs;
    let started = Event::MapIterationStarted {
        run,
        block,
        index,
        name,
    };
    let iteration = ScopeId(match map.is_distributed {
        true => turn.record_after(previous, started)?,
        false => turn.show_after(previous, started)?,
    });
    let first = turn.machine.block(block).start_at.clone();
    turn.enter_later(iteration, first, input);
    Ok(Ok(()))
}

/// What an iteration gets.
fn input(
    turn: &Turn<'_>,
    scope: ScopeId,
    state: &State,
    map: &Map,
    (run, index): (ScopeId, u32),
) -> Result<Result<Payload, Failure>, Broken> {
    let items = turn.execution.items.0.get(&run);
    let items = items.ok_or_else(|| Broken::new("the items of a Map are not at hand"))?;
    let item = items.items.get(index as usize).cloned().unwrap_or_default();
    let Some(selector) = &map.item_selector else {
        return Ok(Ok(Payload::new(item)));
    };
    let flow = Flow::new(turn, scope, state, None)?.of_item(index, item);
    Ok(flow.template(Some(selector), items.input.clone()))
}

/// The item of the iteration that a scope is in, be it deep inside: its index and value.
pub(crate) fn item(turn: &Turn<'_>, scope: ScopeId) -> Option<(u32, Value)> {
    let mut next = Some(scope);
    while let Some(scope) = next.and_then(|scope| turn.execution.scopes.get(&scope)) {
        if let (Some(index), Some(run)) = (scope.iteration, scope.parent) {
            let value = match turn.execution.items.0.get(&run) {
                Some(items) => items.items.get(index as usize).cloned(),
                None => {
                    let scope = turn.around(run).ok()?;
                    let state = turn.state(&turn.position(scope).ok()?.state).ok()?;
                    let StateKind::Map(map) = &state.kind else {
                        return None;
                    };
                    let items = items(&Flow::new(turn, scope, state, None).ok()?, map).ok()?;
                    items.items.get(index as usize).cloned()
                }
            };
            return Some((index, value?));
        }
        next = scope.parent;
    }
    None
}

/// All iterations are over: the Map is.
pub(crate) fn map_ended(turn: &mut Turn<'_>, run: ScopeId) -> Result<(), Broken> {
    let scope = turn.around(run)?;
    let state = turn.state(&turn.position(scope)?.state)?;
    let StateKind::Map(map) = &state.kind else {
        return Err(Broken::new(format!("{} is no Map", state.name)));
    };
    let ended = turn.execution.iterations_of(run).into_iter();
    let outputs =
        ended.filter_map(
            |iteration| match &turn.execution.scopes.get(&iteration)?.phase {
                Phase::Ended(output) => Some((**output).clone()),
                _ => None,
            },
        );
    let result = Payload::new(Value::Array(outputs.collect()));
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

fn items(flow: &Flow<'_>, map: &Map) -> Result<Items, Failure> {
    let input = flow.input()?;
    if flow.language() == QueryLanguage::Jsonata {
        return items_of_jsonata(flow, map, input);
    }
    let items = match &map.items_path {
        None => input.clone(),
        Some(path) if path.text() == "$" => input.clone(),
        Some(path) => found(flow, path, &input)?,
    };
    if items.is_array() {
        return Ok(Items { input, items });
    }
    let path = map.items_path.as_ref().map_or("$", Path::text);
    Err(flow.runtime(format!("Reference path \"{path}\" must point to array.")))
}

/// `Items`, or the whole input.
fn items_of_jsonata(flow: &Flow<'_>, map: &Map, input: Payload) -> Result<Items, Failure> {
    let items = flow.template(map.items.as_ref(), input.clone())?;
    if items.is_array() {
        return Ok(Items { input, items });
    }
    let expression = map.items.as_ref().and_then(Template::expression);
    Err(match expression {
        Some(expression) => flow.failure(&expression.unexpected("array", &items)),
        None => {
            let text = format!("Map state input must be an array but was: {items}");
            flow.unfit(None, false, text)
        }
    })
}

fn length(items: &Items) -> u32 {
    let length = items.items.as_array().map_or(0, Vec::len);
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Iterations at a time; 0 leaves it to the limit.
fn concurrency(flow: &Flow<'_>, map: &Map, input: &Payload) -> Result<u32, Failure> {
    let wanted = count(flow, &map.max_concurrency, "MaxConcurrency", input)?;
    let most = match map.is_distributed {
        true => CHILDREN_AT_ONCE_MAX,
        false => ITERATIONS_AT_ONCE_MAX,
    };
    Ok(match wanted {
        0 => most,
        wanted => wanted.min(most),
    })
}

/// How many iterations may fail: no more than the number and the share allow, none where neither is given.
fn failures_max(flow: &Flow<'_>, map: &Map, items: &Items) -> Result<u32, Failure> {
    let tolerated = map.tolerated_count.as_ref();
    let tolerated =
        tolerated.map(|tolerated| count(flow, tolerated, "ToleratedFailureCount", &items.input));
    let share = map.tolerated_percentage.as_ref();
    let share = share.map(|share| percentage(flow, share, &items.input));
    let of_share = |share: f64| (f64::from(length(items)) * share / 100.0).floor() as u32;
    Ok(match (tolerated.transpose()?, share.transpose()?) {
        (None, None) => 0,
        (Some(tolerated), None) => tolerated,
        (None, Some(share)) => of_share(share),
        (Some(tolerated), Some(share)) => tolerated.min(of_share(share)),
    })
}

fn count(flow: &Flow<'_>, count: &Count, field: &str, input: &Payload) -> Result<u32, Failure> {
    let path = match count {
        Count::Literal(count) => return Ok(*count),
        Count::Jsonata(expression) => {
            return integer_of(expression, &flow.data(input), 0..=u32::MAX)
                .map_err(|error| flow.failure(&error));
        }
        Count::Path(path) => path,
    };
    let value = found(flow, path, input)?;
    // A text that holds a number will do.
    let number = match &*value {
        Value::String(text) => text.parse().ok(),
        value => value.as_i64(),
    };
    if number.is_some_and(|number| number < 0) {
        return Err(flow.runtime(format!("{field} cannot be negative.")));
    }
    match number {
        Some(count) => Ok(u32::try_from(count).unwrap_or(u32::MAX)),
        None => Err(flow.runtime(format!(
            "The {field}Path field refers to value {} which is not a valid integer: {}",
            quoted(&value),
            path.text()
        ))),
    }
}

fn percentage(flow: &Flow<'_>, percentage: &Percentage, input: &Payload) -> Result<f64, Failure> {
    let path = match percentage {
        Percentage::Literal(percentage) => return Ok(*percentage),
        Percentage::Jsonata(expression) => {
            let value = expression.get(&flow.data(input));
            let value = value.map_err(|error| flow.failure(&error))?;
            return match value.as_f64() {
                Some(share) if (0.0..=100.0).contains(&share) => Ok(share),
                Some(_) => Err(flow.failure(&expression.unfit("a number from 0 to 100", &value))),
                None => Err(flow.failure(&expression.unexpected("number", &value))),
            };
        }
        Percentage::Path(path) => path,
    };
    let value = found(flow, path, input)?;
    let number = match &*value {
        Value::String(text) => text.parse().ok(),
        value => value.as_f64(),
    };
    match number {
        Some(share) if (0.0..=100.0).contains(&share) => Ok(share),
        Some(_) => {
            Err(flow.runtime("ToleratedFailurePercentage must be between 0 and 100."))
        }
        None => Err(flow.runtime(format!(
            "The ToleratedFailurePercentagePath field refers to value {} which is not a valid float: {}",
            quoted(&value),
            path.text()
        ))),
    }
}

fn found(flow: &Flow<'_>, path: &Path, input: &Payload) -> Result<Payload, Failure> {
    let found = path
        .get(&flow.data(input))
        .map_err(|error| flow.failure(&error))?;
    Ok(Payload::new(found.into_owned()))
}

/// A value between quotes, as Step Functions words it.
fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{text}\""),
        value => format!("\"{value}\""),
    }
}
