//! Map: the same for each item of an array. Source: States Language, "Map State".

use serde_json::Value;

use super::data::{Flow, integer_of};
use super::items::{input, items, items_of_run};
use super::results::map_ended;
use super::task::resource_of;
use crate::decide::{Failure, Turn};
use crate::definition::{BlockId, Count, ItemReader, Map, Percentage, Resource, State, StateKind};
use crate::delivery;
use crate::effect::FileCall;
use crate::execution::{Broken, Head, Items, Phase};
use crate::history::{Event, Payload};
use crate::ids::{MapRunId, Runner, ScopeId};
use crate::limits::{CHILDREN_AT_ONCE_MAX, ITERATIONS_AT_ONCE_MAX};
use crate::query::Path;

pub(crate) fn map(
    turn: &mut Turn<'_>,
    scope: ScopeId,
    state: &State,
    map: &Map,
) -> Result<(), Broken> {
    if let Some(reader) = &map.reader {
        return read(turn, scope, state, map, reader);
    }
    let items = match items(turn, scope, state, map, None)? {
        Ok(items) => items,
        Err(failure) => return turn.fail_map(scope, failure),
    };
    let flow = Flow::new(turn, scope, state, None)?;
    let (concurrency, failures_max) = match limits(&flow, map, &items) {
        Ok(limits) => limits,
        // Step Functions reads them once a distributed Map has begun.
        Err(failure) if map.is_distributed => {
            let started = Event::MapStateStarted {
                scope,
                length: items.iterations(),
                items: items.in_batches(),
                concurrency: 0,
                failures_max: 0,
            };
            turn.show(Runner::State(scope), started)?;
            return turn.fail_begun_map(scope, failure);
        }
        Err(failure) => return turn.fail_map(scope, failure),
    };
    let length = (items.iterations(), items.in_batches());
    let run = begin(turn, scope, map, length, (concurrency, failures_max))?;
    turn.execution.items.0.insert(run, items);
    turn.iterate(run, turn.execution.head.event_id)
}

/// Shows that the Map begins, with its length, how many iterations there are at a time and how many may fail.
fn begin(
    turn: &mut Turn<'_>,
    scope: ScopeId,
    map: &Map,
    (length, items): (u32, Option<u32>),
    (concurrency, failures_max): (u32, u32),
) -> Result<ScopeId, Broken> {
    let started = Event::MapStateStarted {
        scope,
        length,
        items,
        concurrency,
        failures_max,
    };
    let run = ScopeId(turn.show(Runner::State(scope), started)?);
    if map.is_distributed {
        let arn = map_run_of(turn, map, run)?;
        let previous = turn.execution.head.event_id;
        turn.show_after(previous, Event::MapRunStarted { run, arn })?;
    }
    Ok(run)
}

/// Begins to read the items, which the Map waits for.
fn read(
    turn: &mut Turn<'_>,
    scope: ScopeId,
    state: &State,
    map: &Map,
    reader: &ItemReader,
) -> Result<(), Broken> {
    let call = match call_of_reader(&Flow::new(turn, scope, state, None)?, reader) {
        Ok(call) => call,
        Err(failure) => return turn.fail_map(scope, failure),
    };
    let run = begin(turn, scope, map, (0, None), (0, 0))?;
    match call {
        Ok(call) => begin_besides(turn, run, reader.runs, &call),
        Err(failure) => turn.fail_map_run(run, failure),
    }
}

/// What the reader asks for; the inner failure is one that shows once the Map has begun.
fn call_of_reader(
    flow: &Flow<'_>,
    reader: &ItemReader,
) -> Result<Result<FileCall, Failure>, Failure> {
    let input = flow.input()?;
    let arguments = flow.template(reader.arguments.as_ref(), input.clone())?;
    let items_max = match &reader.max_items {
        Count::Path(path) => whole_number(flow, path, "MaxItems", &input)?,
        other => count(flow, other, "MaxItems", &input)?.into(),
    };
    let Ok(items_max) = u64::try_from(items_max) else {
        let cause = "field MaxItems must be positive";
        return Ok(Err(Failure::new("States.ItemReaderFailed", cause)));
    };
    let items_max = u32::try_from(items_max).unwrap_or(u32::MAX);
    delivery::reading(&reader.dataset, &arguments, items_max)
        .map(Ok)
        .map_err(|problem| flow.runtime(problem))
}

/// Begins a Task that the Map needs besides its iterations.
pub(super) fn begin_besides(
    turn: &mut Turn<'_>,
    run: ScopeId,
    block: BlockId,
    call: &FileCall,
) -> Result<(), Broken> {
    let arguments = serde_json::to_value(call).map_err(|error| Broken::new(error.to_string()))?;
    let task = turn.record(Event::BranchStarted { parent: run, block })?;
    let first = turn.machine.block(block).start_at.clone();
    turn.enter_later(ScopeId(task), first, Payload::new(arguments));
    Ok(())
}

/// A Task is through that the Map needed besides its iterations: its items are read, or its results written.
pub(crate) fn besides_ended(
    turn: &mut Turn<'_>,
    task: ScopeId,
    run: ScopeId,
) -> Result<(), Broken> {
    let scope = turn.around(run)?;
    let state = turn.state(&turn.position(scope)?.state)?;
    let StateKind::Map(map) = &state.kind else {
        return Err(Broken::new(format!("{} is no Map", state.name)));
    };
    let block = turn.scope(task)?.block;
    if map
        .writer
        .as_ref()
        .is_some_and(|writer| writer.runs == block)
    {
        return map_ended(turn, run);
    }
    let items = items_of_run(turn, run)?;
    let flow = Flow::new(turn, scope, state, None)?;
    let limits = items.and_then(|items| Ok((limits(&flow, map, &items)?, items)));
    let ((concurrency, failures_max), items) = match limits {
        Ok(limits) => limits,
        Err(failure) => return turn.fail_map_run(run, failure),
    };
    turn.record(Event::MapItemsRead {
        run,
        length: items.iterations(),
        items: items.in_batches(),
        concurrency,
        failures_max,
    })?;
    turn.execution.items.0.insert(run, items);
    let last_event = turn.scope(run)?.last_event;
    turn.iterate(run, last_event)
}

/// The ARN of the Map Run whose iterations this scope holds.
pub(crate) fn map_run_arn(head: &Head, label: &str, run: ScopeId) -> String {
    let MapRunId(id) = MapRunId::of(head.id, run);
    let machine = head
        .start
        .machine_arn
        .replacen(":stateMachine:", ":mapRun:", 1);
    format!("{machine}/{label}:{id}")
}

/// The same, by its Map.
pub(super) fn map_run_of(turn: &Turn<'_>, map: &Map, run: ScopeId) -> Result<String, Broken> {
    let state = turn.state(&turn.machine.block(map.runs).start_at)?;
    match resource_of(state) {
        Some(Resource::Item { label, .. }) => Ok(map_run_arn(&turn.execution.head, label, run)),
        _ => Err(Broken::new(format!("{} starts no executions", state.name))),
    }
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
        match items_of_run(turn, run)? {
            Ok(items) => drop(turn.execution.items.0.insert(run, items)),
            Err(failure) => return Ok(Err(failure)),
        }
    }
    let input = match input(turn, (run, index))? {
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

/// How many iterations there are at a time, and how many items may fail.
fn limits(flow: &Flow<'_>, map: &Map, items: &Items) -> Result<(u32, u32), Failure> {
    let concurrency = concurrency(flow, map, &items.input)?;
    Ok((concurrency, failures_max(flow, map, items)?))
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

/// How many items may fail: no more than the number and the share allow, none where neither is given.
fn failures_max(flow: &Flow<'_>, map: &Map, items: &Items) -> Result<u32, Failure> {
    let tolerated = map.tolerated_count.as_ref();
    let tolerated =
        tolerated.map(|tolerated| count(flow, tolerated, "ToleratedFailureCount", &items.input));
    let share = map.tolerated_percentage.as_ref();
    let share = share.map(|share| percentage(flow, share, &items.input));
    let of_share = |share: f64| (f64::from(items.count()) * share / 100.0).floor() as u32;
    Ok(match (tolerated.transpose()?, share.transpose()?) {
        (None, None) => 0,
        (Some(tolerated), None) => tolerated,
        (None, Some(share)) => of_share(share),
        (Some(tolerated), Some(share)) => tolerated.min(of_share(share)),
    })
}

pub(super) fn count(
    flow: &Flow<'_>,
    count: &Count,
    field: &str,
    input: &Payload,
) -> Result<u32, Failure> {
    let path = match count {
        Count::Literal(count) => return Ok(*count),
        Count::Jsonata(expression) => {
            return integer_of(expression, &flow.data(input), 0..=u32::MAX)
                .map_err(|error| flow.failure(&error));
        }
        Count::Path(path) => path,
    };
    match whole_number(flow, path, field, input)? {
        number if number < 0 => Err(flow.runtime(format!("{field} cannot be negative."))),
        number => Ok(u32::try_from(number).unwrap_or(u32::MAX)),
    }
}

fn whole_number(
    flow: &Flow<'_>,
    path: &Path,
    field: &str,
    input: &Payload,
) -> Result<i64, Failure> {
    let value = found(flow, path, input)?;
    // A text that holds a number will do.
    let number = match &*value {
        Value::String(text) => text.parse().ok(),
        value => value.as_i64(),
    };
    number.ok_or_else(|| {
        flow.runtime(format!(
            "The {field}Path field refers to value {} which is not a valid integer: {}",
            quoted(&value),
            path.text()
        ))
    })
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

pub(super) fn found(flow: &Flow<'_>, path: &Path, input: &Payload) -> Result<Payload, Failure> {
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
