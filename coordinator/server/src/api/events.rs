//! The events of a history, as Step Functions writes them.
//!
//! Two are not Step Functions' own. The undo of a step is shown as a Task whose state is named `Compensate(<State>)`,
//! with `TaskStateEntered` and `TaskStateExited`. A `Compensate` state is shown by `CompensateStateEntered` and
//! `CompensateStateExited`, with the details every other state has: to call it a Pass or a Task would be a lie to
//! whoever counts states, and SDKs have to take types they don't know, since Step Functions adds some itself.

use sagamore_interpreter::definition::StateName;
use sagamore_interpreter::{
    Ending, Event, HistoryRecord, Payload, Start, StateType, Status, TaskScheduled,
};
use serde_json::{Map, Value, json};

use crate::commands::epoch_seconds;

/// An event, or `None` for a record that is ours alone. Without data it tells what happened, but not with what.
pub(super) fn event(record: &HistoryRecord, region: &str, with_data: bool) -> Option<Value> {
    let id = record.event_id?;
    let (kind, details) = shown(&record.event, region)?;
    let mut event = json!({
        "timestamp": epoch_seconds(record.at),
        "type": kind,
        "id": id,
        "previousEventId": record.previous_event_id,
    });
    if let Some((member, mut details)) = details {
        if !with_data {
            for data in [
                "input",
                "inputDetails",
                "output",
                "outputDetails",
                "parameters",
            ] {
                details.remove(data);
            }
        }
        event[member] = Value::Object(details);
    }
    Some(event)
}

/// A type, and the member with its details.
type Shown = (String, Option<(String, Map<String, Value>)>);

/// What Step Functions would show of an event.
fn shown(event: &Event, region: &str) -> Option<Shown> {
    Some(match event {
        Event::ExecutionStarted { start, .. } => started(start),
        Event::ExecutionSucceeded { output: result, .. } => execution("Succeeded", output(result)),
        Event::ExecutionEnded(ending) => ended(ending),
        Event::StateEntered {
            kind, name, input, ..
        } => entered(*kind, name.as_str(), input),
        Event::StateExited {
            kind,
            name,
            output,
            assigned,
            ..
        } => exited(*kind, name.as_str(), output, assigned.as_ref()),
        Event::EvaluationFailed { .. } => return evaluation_failed(event),
        Event::UndoStarted { name, input, .. } => entered(StateType::Task, name.as_str(), input),
        Event::UndoSucceeded { name, output, .. } => {
            exited(StateType::Task, name.as_str(), output, None)
        }
        Event::TaskScheduled(_)
        | Event::TaskStarted { .. }
        | Event::TaskSubmitted { .. }
        | Event::TaskSucceeded { .. }
        | Event::TaskFailed { .. }
        | Event::TaskTimedOut { .. } => return attempt(event, region),
        Event::ParallelStateStarted { .. }
        | Event::ParallelStateSucceeded { .. }
        | Event::ParallelStateFailed { .. }
        | Event::MapStateStarted { .. }
        | Event::MapRunStarted { .. }
        | Event::MapRunSucceeded { .. }
        | Event::MapRunFailed { .. }
        | Event::MapStateSucceeded { .. }
        | Event::MapStateFailed { .. }
        | Event::MapIterationStarted { .. }
        | Event::MapIterationSucceeded { .. }
        | Event::MapIterationFailed { .. }
        | Event::MapIterationAborted { .. } => return composite(event),
        Event::ScopeClosed { kind, .. } => (format!("{}StateAborted", (*kind)?.as_str()), None),
        Event::WaitScheduled { .. }
        | Event::Yielded { .. }
        | Event::RetryScheduled { .. }
        | Event::BranchStarted { .. }
        | Event::BranchSucceeded { .. }
        | Event::MapItemsRead { .. }
        | Event::IterationForgone { .. }
        | Event::EntryArmed { .. }
        | Event::CompositeArmed { .. }
        | Event::EntryDrained { .. }
        | Event::EntryUpgraded { .. }
        | Event::CompensationStarted { .. }
        | Event::CompensationEnded { .. }
        | Event::UndoSuspended { .. }
        | Event::UndoRequested { .. }
        | Event::UndoAnswered
        | Event::LedgerClosed
        | Event::EntryReleased { .. }
        | Event::ChildCompensated { .. }
        | Event::PivotCommitted { .. }
        | Event::PivotSuspended { .. }
        | Event::StateSuspended { .. }
        | Event::LedgerReleased
        | Event::PhaseTimedOut
        | Event::PhaseEnded
        | Event::LedgerAbandoned
        | Event::IncidentRetried { .. }
        | Event::IncidentSettled { .. } => return None,
    })
}

/// What Step Functions would show of what becomes of a Task.
fn attempt(event: &Event, region: &str) -> Option<Shown> {
    Some(match event {
        Event::TaskScheduled(scheduled) => {
            task("Scheduled", &scheduled.resource, sent(scheduled, region))
        }
        Event::TaskStarted { resource, .. } => task("Started", resource, Map::new()),
        Event::TaskSubmitted {
            resource, output, ..
        } => task(
            "Submitted",
            resource,
            output.as_ref().map(self::output).unwrap_or_default(),
        ),
        Event::TaskSucceeded {
            resource,
            output: result,
            ..
        } => task("Succeeded", resource, output(result)),
        Event::TaskFailed {
            resource,
            error,
            cause,
            ..
        } => task("Failed", resource, failure(Some(error), cause)),
        Event::TaskTimedOut {
            resource,
            error,
            cause,
            ..
        } => task("TimedOut", resource, failure(Some(error), cause)),
        _ => return None,
    })
}

/// What Step Functions would show of an event of a Parallel or a Map.
fn composite(event: &Event) -> Option<Shown> {
    Some(match event {
        Event::ParallelStateStarted { .. } => ("ParallelStateStarted".to_owned(), None),
        Event::ParallelStateSucceeded { .. } => ("ParallelStateSucceeded".to_owned(), None),
        Event::ParallelStateFailed { .. } => ("ParallelStateFailed".to_owned(), None),
        Event::MapStateStarted { length, .. } => map_started(*length),
        Event::MapRunStarted { arn, .. } => {
            let details = Map::from_iter([("mapRunArn".to_owned(), json!(arn))]);
            let member = "mapRunStartedEventDetails".to_owned();
            ("MapRunStarted".to_owned(), Some((member, details)))
        }
        Event::MapRunSucceeded { .. } => ("MapRunSucceeded".to_owned(), None),
        Event::MapRunFailed { error, cause, .. } => {
            let member = "mapRunFailedEventDetails".to_owned();
            let details = failure(Some(error), cause);
            ("MapRunFailed".to_owned(), Some((member, details)))
        }
        Event::MapStateSucceeded { .. } => ("MapStateSucceeded".to_owned(), None),
        Event::MapStateFailed { .. } => ("MapStateFailed".to_owned(), None),
        Event::MapIterationStarted { index, name, .. } => iteration("Started", *index, name),
        Event::MapIterationSucceeded { index, name, .. } => iteration("Succeeded", *index, name),
        Event::MapIterationFailed { index, name, .. } => iteration("Failed", *index, name),
        Event::MapIterationAborted { index, name, .. } => iteration("Aborted", *index, name),
        _ => return None,
    })
}

fn started(start: &Start) -> Shown {
    let mut details = input(&start.input);
    details.insert("roleArn".to_owned(), json!(start.role_arn));
    execution("Started", details)
}

fn ended(ending: &Ending) -> Shown {
    let what = match ending.status {
        Status::TimedOut => "TimedOut",
        Status::Aborted => "Aborted",
        Status::Failed | Status::Running | Status::Succeeded => "Failed",
    };
    execution(what, failure(ending.error.as_ref(), &ending.cause))
}

fn execution(what: &str, details: Map<String, Value>) -> Shown {
    (
        format!("Execution{what}"),
        Some((format!("execution{what}EventDetails"), details)),
    )
}

fn entered(kind: StateType, name: &str, payload: &Payload) -> Shown {
    let mut details = input(payload);
    details.insert("name".to_owned(), json!(name));
    let member = "stateEnteredEventDetails".to_owned();
    (
        format!("{}StateEntered", kind.as_str()),
        Some((member, details)),
    )
}

fn evaluation_failed(event: &Event) -> Option<Shown> {
    let Event::EvaluationFailed {
        state,
        error,
        cause,
        location,
        ..
    } = event
    else {
        return None;
    };
    let mut details = failure(Some(error), cause);
    details.insert("state".to_owned(), json!(state.as_str()));
    if let Some(location) = location {
        details.insert("location".to_owned(), json!(location));
    }
    let member = "evaluationFailedEventDetails".to_owned();
    Some(("EvaluationFailed".to_owned(), Some((member, details))))
}

fn exited(kind: StateType, name: &str, payload: &Payload, assigned: Option<&Payload>) -> Shown {
    let mut details = output(payload);
    details.insert("name".to_owned(), json!(name));
    if let Some(assigned) = assigned.and_then(|assigned| assigned.as_object()) {
        let variables = assigned.iter();
        let variables = variables.map(|(name, value)| (name.clone(), json!(value.to_string())));
        let variables: Map<_, _> = variables.collect();
        details.insert("assignedVariables".to_owned(), variables.into());
        let whole = json!({ "truncated": false });
        details.insert("assignedVariablesDetails".to_owned(), whole);
    }
    let member = "stateExitedEventDetails".to_owned();
    (
        format!("{}StateExited", kind.as_str()),
        Some((member, details)),
    )
}

fn map_started(length: u32) -> Shown {
    let details = Map::from_iter([("length".to_owned(), json!(length))]);
    let member = "mapStateStartedEventDetails".to_owned();
    ("MapStateStarted".to_owned(), Some((member, details)))
}

fn iteration(what: &str, index: u32, name: &StateName) -> Shown {
    let details = Map::from_iter([
        ("name".to_owned(), json!(name.as_str())),
        ("index".to_owned(), json!(index)),
    ]);
    let member = format!("mapIteration{what}EventDetails");
    (format!("MapIteration{what}"), Some((member, details)))
}

fn task(what: &str, resource: &str, mut details: Map<String, Value>) -> Shown {
    if is_function(resource) {
        return function(what, details);
    }
    insert_resource(&mut details, resource);
    (
        format!("Task{what}"),
        Some((format!("task{what}EventDetails"), details)),
    )
}

/// Whether a Task calls a Lambda function by its ARN, which has events of its own.
fn is_function(resource: &str) -> bool {
    resource.split(':').nth(2) == Some("lambda")
}

fn function(what: &str, details: Map<String, Value>) -> Shown {
    let member = format!("lambdaFunction{what}EventDetails");
    let details = (what != "Started").then_some((member, details));
    (format!("LambdaFunction{what}"), details)
}

fn sent(task: &TaskScheduled, region: &str) -> Map<String, Value> {
    let mut details = Map::new();
    if is_function(&task.resource) {
        details = input(&task.arguments);
        details.insert("resource".to_owned(), json!(task.resource));
    } else {
        details.insert("region".to_owned(), json!(region));
        details.insert("parameters".to_owned(), json!(task.arguments.to_string()));
    }
    if let Some(seconds) = task.timeout_seconds {
        details.insert("timeoutInSeconds".to_owned(), json!(seconds));
    }
    if let Some(seconds) = task.heartbeat_seconds {
        details.insert("heartbeatInSeconds".to_owned(), json!(seconds));
    }
    details
}

/// `queue:credit.check` is `credit.check` of type `queue`; `arn:aws:states:::sqs:sendMessage` is `sendMessage` of type `sqs`.
fn insert_resource(details: &mut Map<String, Value>, resource: &str) {
    let bare = resource
        .strip_prefix("arn:")
        .map(|arn| arn.splitn(5, ':').last().unwrap_or(arn));
    let (kind, name) = match bare {
        // The colon of a pattern's version, `.sync:2`, belongs to the name.
        Some(bare) => {
            let end = bare.rfind(".sync:").unwrap_or(bare.len());
            let colon = bare[..end].rfind(':');
            colon.map_or(("states", bare), |at| (&bare[..at], &bare[at + 1..]))
        }
        None => resource.split_once(':').unwrap_or(("states", resource)),
    };
    details.insert("resourceType".to_owned(), json!(kind));
    details.insert("resource".to_owned(), json!(name));
}

fn input(payload: &Payload) -> Map<String, Value> {
    Map::from_iter([
        ("input".to_owned(), json!(payload.to_string())),
        ("inputDetails".to_owned(), json!({ "truncated": false })),
    ])
}

fn output(payload: &Payload) -> Map<String, Value> {
    Map::from_iter([
        ("output".to_owned(), json!(payload.to_string())),
        ("outputDetails".to_owned(), json!({ "truncated": false })),
    ])
}

/// Error and cause; what there is none of is absent.
fn failure(error: Option<&String>, cause: &Option<String>) -> Map<String, Value> {
    let members = [("error", error), ("cause", cause.as_ref())];
    members
        .into_iter()
        .filter_map(|(name, text)| Some((name.to_owned(), json!(text?))))
        .collect()
}

#[cfg(test)]
mod tests;
