//! Operations that show Map Runs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sagamore_interpreter::definition::{Count, Machine, Map, Percentage, Resource, StateKind};
use sagamore_interpreter::{Event, Head, HistoryRecord, MapRunId, ScopeId, Status};
use serde_json::{Value, json};
use uuid::Uuid;

use super::executions;
use super::pages::{TOKEN_CHARACTERS_MAX, page_size, read_token, token};
use super::router::Api;
use crate::commands::arn::ARN_CHARACTERS_MAX;
use crate::commands::{ApiError, Members, epoch_seconds, map_run_arn};
use crate::store::{ExecutionFilter, ExecutionsOf, PageKey, Store};

/// A Map Run, as a history tells of it.
struct MapRun<'a> {
    arn: &'a str,
    status: Status,
    started_at: Timestamp,
    stopped_at: Option<Timestamp>,
    size: Size,
}

/// How large a Map Run is, and what is allowed in it.
#[derive(Clone, Copy, Default)]
struct Size {
    /// Executions, once all have begun.
    executions: u32,
    /// Items, where an execution has several.
    items: Option<u32>,
    concurrency: u32,
    failures_max: u32,
}

/// DescribeMapRun.
pub(super) async fn describe<S: Store>(
    api: &Api<S>,
    members: Members<'_>,
) -> Result<Value, ApiError> {
    let arn = map_run_arn(members.required("mapRunArn", ARN_CHARACTERS_MAX)?)?;
    let not_found = || ApiError::new("ResourceNotFound", format!("Resource not found: '{arn}'"));
    let id = arn.rsplit(':').next().and_then(|id| id.parse().ok());
    let (least, greatest) = id
        .map(|id: Uuid| MapRunId(id).executions())
        .ok_or_else(not_found)?;
    let row = api.store().execution_within(least, greatest).await?;
    let head = row.ok_or_else(not_found)?.head;
    let records = api.store().map_run_records(head.id).await?;
    let runs = map_runs(&records, &head);
    let run = runs
        .iter()
        .find(|run| run.arn == arn)
        .ok_or_else(not_found)?;
    let executions = api.store().map_run_counts(arn).await?;
    let items = match run.size.items {
        None => executions.clone(),
        Some(_) => items_of_batches(api, arn).await?,
    };
    let machine = api.store().machine_of(head.id).await?;
    let machine = machine.and_then(|row| Machine::parse(&row.definition).ok());
    let map = machine
        .as_ref()
        .and_then(|(machine, _)| map_of(machine, arn));
    let is_written = run.status == Status::Succeeded
        && map.is_some_and(|map| map.writer.as_ref().is_some_and(|writer| writer.is_export));
    let total = run.size.items.unwrap_or(run.size.executions);
    let mut response = json!({
        "mapRunArn": arn,
        "executionArn": head.start.arn,
        "status": run.status.as_str(),
        "startDate": epoch_seconds(run.started_at),
        "maxConcurrency": map.and_then(max_concurrency).unwrap_or(run.size.concurrency),
        "toleratedFailureCount": run.size.failures_max,
        "toleratedFailurePercentage": map.and_then(tolerated_percentage).unwrap_or(0.0),
        "itemCounts": counts(&items, total, is_written),
        "executionCounts": counts(&executions, run.size.executions, is_written),
        "redriveCount": 0,
    });
    if let Some(stopped_at) = run.stopped_at {
        response["stopDate"] = epoch_seconds(stopped_at);
    }
    Ok(response)
}

/// ListMapRuns: those of one execution, newest first.
pub(super) async fn list<S: Store>(api: &Api<S>, members: Members<'_>) -> Result<Value, ApiError> {
    let size = page_size(members)? as usize;
    let skipped = match read_token(members, TOKEN_CHARACTERS_MAX, LIST)? {
        None => 0,
        Some(parts) => match parts.as_slice() {
            [skipped] => skipped.parse().map_err(|_| ApiError::invalid_token())?,
            _ => return Err(ApiError::invalid_token()),
        },
    };
    let head = executions::find(api, members).await?.head;
    let records = api.store().map_run_records(head.id).await?;
    let runs = map_runs(&records, &head);
    let listed: Vec<Value> = runs
        .iter()
        .rev()
        .skip(skipped)
        .take(size)
        .map(|run| item(run, &head))
        .collect();
    let shown = skipped.saturating_add(listed.len());
    let mut response = json!({ "mapRuns": listed });
    if shown < runs.len() {
        response["nextToken"] = token(LIST, &[&shown.to_string()]);
    }
    Ok(response)
}

fn item(run: &MapRun<'_>, head: &Head) -> Value {
    let mut item = json!({
        "executionArn": head.start.arn,
        "mapRunArn": run.arn,
        "stateMachineArn": head.start.machine_arn,
        "startDate": epoch_seconds(run.started_at),
    });
    if let Some(stopped_at) = run.stopped_at {
        item["stopDate"] = epoch_seconds(stopped_at);
    }
    item
}

/// The Map Runs of an execution, in the order in which they began.
fn map_runs<'a>(records: &'a [HistoryRecord], head: &Head) -> Vec<MapRun<'a>> {
    let mut sizes: BTreeMap<ScopeId, Size> = BTreeMap::new();
    let mut ends: BTreeMap<ScopeId, (Status, Timestamp)> = BTreeMap::new();
    let mut begun = Vec::new();
    for record in records {
        match &record.event {
            Event::MapStateStarted {
                length,
                items,
                concurrency,
                failures_max,
                ..
            } => {
                let size = size(*length, *items, *concurrency, *failures_max);
                sizes.insert(ScopeId(record.sequence), size);
            }
            Event::MapItemsRead {
                run,
                length,
                items,
                concurrency,
                failures_max,
            } => {
                sizes.insert(*run, size(*length, *items, *concurrency, *failures_max));
            }
            Event::MapRunStarted { run, arn } => begun.push((*run, arn, record.at)),
            Event::MapRunSucceeded { run } => {
                ends.insert(*run, (Status::Succeeded, record.at));
            }
            // What is closed before it fails was not stopped by anybody.
            Event::MapRunFailed { run, .. } => {
                ends.insert(*run, (Status::Failed, record.at));
            }
            Event::ScopeClosed { scope, .. } => {
                ends.entry(*scope).or_insert((Status::Aborted, record.at));
            }
            _ => {}
        }
    }
    let ended = head.stopped_at.map(|at| (Status::Aborted, at));
    let runs = begun.into_iter().map(|(run, arn, started_at)| {
        let end = ends.get(&run).copied().or(ended);
        MapRun {
            arn,
            status: end.map_or(Status::Running, |(status, _)| status),
            started_at,
            stopped_at: end.map(|(_, at)| at),
            size: sizes.get(&run).copied().unwrap_or_default(),
        }
    });
    runs.collect()
}

fn size(executions: u32, items: Option<u32>, concurrency: u32, failures_max: u32) -> Size {
    Size {
        executions,
        items,
        concurrency,
        failures_max,
    }
}

/// How many items the executions have that have begun, by the status of these.
async fn items_of_batches<S: Store>(
    api: &Api<S>,
    arn: &str,
) -> Result<Vec<(Status, u64)>, ApiError> {
    let mut filter = ExecutionFilter {
        of: ExecutionsOf::MapRun(arn.to_owned()),
        status: None,
        after: None,
        limit: PAGE,
    };
    let mut counts = Status::ALL.map(|status| (status, 0));
    loop {
        let rows = api.store().executions(&filter).await?;
        for row in &rows {
            let items = row.head.start.input["Items"].as_array().map_or(0, Vec::len);
            let count = counts
                .iter_mut()
                .find(|(status, _)| *status == row.head.status);
            if let Some((_, count)) = count {
                *count += items as u64;
            }
        }
        match rows.last() {
            Some(last) if rows.len() == PAGE as usize => {
                filter.after = Some(PageKey {
                    at: last.head.started_at,
                    name: last.head.id.to_string(),
                });
            }
            _ => return Ok(counts.to_vec()),
        }
    }
}

/// The Map whose Label stands in the ARN of a Map Run.
fn map_of<'m>(machine: &'m Machine, arn: &str) -> Option<&'m Map> {
    let (_, named) = arn.rsplit_once('/')?;
    let (label, _) = named.rsplit_once(':')?;
    let maps = machine.states().filter_map(|state| match &state.kind {
        StateKind::Map(map) => Some(&**map),
        _ => None,
    });
    let is_labelled = |map: &&Map| {
        let item = machine.state(&machine.block(map.runs).start_at);
        item.is_some_and(|item| match &item.kind {
            StateKind::Task(task) => {
                matches!(&task.resource, Resource::Item { label: own, .. } if own == label)
            }
            _ => false,
        })
    };
    let mut labelled = maps.filter(is_labelled);
    labelled.next()
}

fn max_concurrency(map: &Map) -> Option<u32> {
    match map.max_concurrency {
        Count::Literal(most) => Some(most),
        _ => None,
    }
}

fn tolerated_percentage(map: &Map) -> Option<f64> {
    match map.tolerated_percentage {
        Some(Percentage::Literal(share)) => Some(share),
        _ => None,
    }
}

fn counts(by_status: &[(Status, u64)], total: u32, is_written: bool) -> Value {
    let count = |wanted: Status| {
        let found = by_status.iter().find(|(status, _)| *status == wanted);
        found.map_or(0, |(_, count)| *count)
    };
    let begun: u64 = by_status.iter().map(|(_, count)| count).sum();
    json!({
        "pending": u64::from(total).saturating_sub(begun),
        "running": count(Status::Running),
        "succeeded": count(Status::Succeeded),
        "failed": count(Status::Failed),
        "timedOut": count(Status::TimedOut),
        "aborted": count(Status::Aborted),
        "total": total,
        "resultsWritten": if is_written { begun } else { 0 },
    })
}

/// Executions that are read at a time.
const PAGE: u32 = 1_000;
/// The list that page tokens belong to.
const LIST: &str = "mapRuns";
