//! The items of a Map: found in its input or read from a file, and put together in batches. They are found anew by whatever
//! turn needs them, so they come out the same throughout a visit.
//!
//! Source: States Language, "Map State Input/Output Processing"; Step Functions, "ItemReader", "ItemBatcher".

use serde_json::{Map as Object, Value};

use super::data::Flow;
use super::map::{count, found};
use crate::decide::{Failure, Turn};
use crate::definition::{Count, ItemBatcher, Map, QueryLanguage, State, StateKind};
use crate::execution::{Broken, Items};
use crate::history::Payload;
use crate::ids::ScopeId;
use crate::query::{Path, Template};

/// The items of the Map that the scope is in; those that are read come with the scope that holds its iterations.
pub(super) fn items(
    turn: &Turn<'_>,
    scope: ScopeId,
    state: &State,
    map: &Map,
    run: Option<ScopeId>,
) -> Result<Result<Items, Failure>, Broken> {
    let flow = Flow::of_visit(turn, scope, state, None)?;
    let found = match (&map.reader, run) {
        (Some(reader), Some(run)) => {
            let read = turn.execution.outcome_besides(run, reader.runs);
            let read = read.ok_or_else(|| Broken::new("the items of a Map are not read"))?;
            match read.is_array() {
                true => flow.input().map(|input| Items::new(input, read.clone())),
                // Only an operator can have said so.
                false => Err(Failure::new("States.ItemReaderFailed", NO_ARRAY)),
            }
        }
        _ => find(&flow, map),
    };
    match (found, &map.batcher) {
        (Ok(items), Some(batcher)) => batch(turn, scope, state, map, batcher, items),
        (found, _) => Ok(found),
    }
}

fn find(flow: &Flow<'_>, map: &Map) -> Result<Items, Failure> {
    let input = flow.input()?;
    if flow.language() == QueryLanguage::Jsonata {
        return find_by_jsonata(flow, map, input);
    }
    let items = match &map.items_path {
        None => input.clone(),
        Some(path) if path.text() == "$" => input.clone(),
        Some(path) => found(flow, path, &input)?,
    };
    if items.is_array() {
        return Ok(Items::new(input, items));
    }
    let path = map.items_path.as_ref().map_or("$", Path::text);
    Err(flow.runtime(format!("Reference path \"{path}\" must point to array.")))
}

/// `Items`, or the whole input.
fn find_by_jsonata(flow: &Flow<'_>, map: &Map, input: Payload) -> Result<Items, Failure> {
    let items = flow.template(map.items.as_ref(), input.clone())?;
    if items.is_array() {
        return Ok(Items::new(input, items));
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

/// The items in batches, each as an execution gets it. A batch holds an item at least, however large that is.
fn batch(
    turn: &Turn<'_>,
    scope: ScopeId,
    state: &State,
    map: &Map,
    batcher: &ItemBatcher,
    Items { input, items, .. }: Items,
) -> Result<Result<Items, Failure>, Broken> {
    let flow = Flow::of_visit(turn, scope, state, None)?;
    let limits = limits(&flow, batcher, &input);
    let (items_max, bytes_max, frame) = match limits {
        Ok(limits) => limits,
        Err(failure) => return Ok(Err(failure)),
    };
    let frame_bytes = frame.to_string().len() + r#","Items":[]"#.len();
    let (mut batches, mut sizes) = (Vec::new(), Vec::new());
    let (mut open, mut bytes) = (Vec::new(), frame_bytes);
    let mut close = |open: &mut Vec<Value>| {
        sizes.push(u32::try_from(open.len()).unwrap_or(u32::MAX));
        let mut batch = frame.clone();
        batch["Items"] = Value::Array(std::mem::take(open));
        batches.push(batch);
    };
    for (index, item) in (0..).zip(items.as_array().into_iter().flatten()) {
        let flow = Flow::of_visit(turn, scope, state, Some(index))?;
        let item = match select(flow, map, (index, item), &input) {
            Ok(item) => (*item).clone(),
            Err(failure) => return Ok(Err(failure)),
        };
        let more = item.to_string().len() + 1;
        if !open.is_empty() && (open.len() >= items_max || bytes + more > bytes_max) {
            close(&mut open);
            bytes = frame_bytes;
        }
        bytes += more;
        open.push(item);
    }
    if !open.is_empty() {
        close(&mut open);
    }
    Ok(Ok(Items {
        input,
        items: Payload::new(Value::Array(batches)),
        batches: Some(sizes.into()),
    }))
}

/// How many items and bytes make a batch, and what a batch has beside its items.
fn limits(
    flow: &Flow<'_>,
    batcher: &ItemBatcher,
    input: &Payload,
) -> Result<(usize, usize, Value), Failure> {
    let limit = |limit: &Option<Count>, field: &str| {
        let Some(limit) = limit else {
            return Ok(usize::MAX);
        };
        match count(flow, limit, field, input)? {
            0 => Err(flow.runtime(format!("{field} must be positive."))),
            most => Ok(usize::try_from(most).unwrap_or(usize::MAX)),
        }
    };
    let mut frame = Object::new();
    if batcher.input.is_some() {
        let shared = flow.template(batcher.input.as_ref(), input.clone())?;
        frame.insert("BatchInput".to_owned(), (*shared).clone());
    }
    Ok((
        limit(&batcher.max_items, "MaxItemsPerBatch")?,
        limit(&batcher.max_bytes, "MaxInputBytesPerBatch")?,
        Value::Object(frame),
    ))
}

/// An item as `ItemSelector` shapes it.
fn select(
    flow: Flow<'_>,
    map: &Map,
    (index, item): (u32, &Value),
    input: &Payload,
) -> Result<Payload, Failure> {
    match &map.item_selector {
        None => Ok(Payload::new(item.clone())),
        selector => {
            let flow = flow.of_item(index, item.clone());
            flow.template(selector.as_ref(), input.clone())
        }
    }
}

/// The items of the Map whose iterations this scope holds, as they are at hand or found anew.
pub(super) fn items_of_run(
    turn: &Turn<'_>,
    run: ScopeId,
) -> Result<Result<Items, Failure>, Broken> {
    if let Some(items) = turn.execution.items.0.get(&run) {
        return Ok(Ok(items.clone()));
    }
    let scope = turn.around(run)?;
    let state = turn.state(&turn.position(scope)?.state)?;
    match &state.kind {
        StateKind::Map(map) => items(turn, scope, state, map, Some(run)),
        _ => Err(Broken::new(format!("{} has no items", state.name))),
    }
}

/// The item of the iteration that a scope is in, be it deep inside: its index and value.
pub(crate) fn item(turn: &Turn<'_>, scope: ScopeId) -> Option<(u32, Value)> {
    let mut next = Some(scope);
    while let Some(scope) = next.and_then(|scope| turn.execution.scopes.get(&scope)) {
        if let (Some(index), Some(run)) = (scope.iteration, scope.parent) {
            let items = items_of_run(turn, run).ok()?.ok()?;
            return Some((index, items.items.get(index as usize).cloned()?));
        }
        next = scope.parent;
    }
    None
}

/// What an iteration gets.
pub(super) fn input(
    turn: &Turn<'_>,
    (run, index): (ScopeId, u32),
) -> Result<Result<Payload, Failure>, Broken> {
    let Items {
        input,
        items,
        batches,
    } = match items_of_run(turn, run)? {
        Ok(items) => items,
        Err(failure) => return Ok(Err(failure)),
    };
    let scope = turn.around(run)?;
    let state = turn.state(&turn.position(scope)?.state)?;
    let StateKind::Map(map) = &state.kind else {
        return Err(Broken::new(format!("{} has no items", state.name)));
    };
    let item = items.get(index as usize).unwrap_or(&Value::Null);
    if batches.is_some() {
        return Ok(Ok(Payload::new(item.clone())));
    }
    let flow = Flow::new(turn, scope, state, None)?;
    Ok(select(flow, map, (index, item), &input))
}

/// How many items one iteration stands for.
pub(crate) fn weight(turn: &Turn<'_>, run: ScopeId, index: u32) -> Result<u32, Broken> {
    let scope = turn.around(run)?;
    match &turn.state(&turn.position(scope)?.state)?.kind {
        StateKind::Map(map) if map.batcher.is_some() => {
            let items = items_of_run(turn, run)?.ok();
            let sizes = items.and_then(|items| items.batches);
            Ok(sizes
                .and_then(|sizes| sizes.get(index as usize).copied())
                .unwrap_or(1))
        }
        _ => Ok(1),
    }
}

const NO_ARRAY: &str = "The items of a Map are an array.";
