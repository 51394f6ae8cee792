//! The ledger of an execution: what it did that can be undone, and how each of it stands.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use sagamore_interpreter::execution::{Step, UndoProgress};
use sagamore_interpreter::{Entry, Event, Execution, ExecutionId, HistoryRecord};
use serde_json::{Value, json};
use uuid::Uuid;

use super::rest;
use super::router::Api;
use crate::store::{Error, Found, Store, Want, Writes};

/// `GET /sagamore/v1/executions/{execution}/ledger`, `execution` being an ARN or an id: `{execution_arn, status, compensation,
/// entries, undone}`, the entries in the order in which they were armed, `undone` their numbers in the order in which their undos
/// succeeded.
pub(super) async fn show<S: Store>(
    State(api): State<Api<S>>,
    Path(execution): Path<String>,
) -> Response {
    let id = execution_of(&execution);
    let (stored, history) = match read(api.store(), id).await {
        Ok(Some(read)) => read,
        Ok(None) => {
            let message = format!("There is no execution {execution}.");
            return rest::error(StatusCode::NOT_FOUND, "ExecutionDoesNotExist", &message);
        }
        Err(error) => return rest::fault(error),
    };
    let head = &stored.head;
    let entries: Vec<Value> = stored.ledger.values().filter_map(item).collect();
    let undone: Vec<Value> = history
        .iter()
        .filter_map(|record| match &record.event {
            Event::UndoSucceeded { entry, .. } => Some(json!(entry)),
            _ => None,
        })
        .collect();
    let ledger = json!({
        "execution_arn": head.start.arn,
        "status": head.status.as_str(),
        "compensation": {
            "status": head.compensation_status().as_str(),
            "pending": head.tally.pending,
            "incidents": head.tally.incidents,
        },
        "entries": entries,
        "undone": undone,
    });
    rest::json(StatusCode::OK, ledger)
}

/// The execution that an ARN or an id names.
pub(super) fn execution_of(name: &str) -> ExecutionId {
    match name.parse::<Uuid>() {
        Ok(id) => ExecutionId(id),
        Err(_) => ExecutionId::of(name),
    }
}

async fn read<S: Store>(
    store: &S,
    id: ExecutionId,
) -> Result<Option<(Execution, Vec<HistoryRecord>)>, Error> {
    let want = Want {
        executions: BTreeMap::from([(id, None)]),
        ..Want::default()
    };
    let loaded = store
        .transact(&want, |loaded| (Writes::default(), loaded))
        .await?;
    match loaded.executions.into_values().next() {
        Some(Found::Stored(stored)) => Ok(Some((stored.execution, store.history(id).await?))),
        Some(Found::Unchanged) | None => Ok(None),
    }
}

/// An entry; nothing of one that only holds branches.
fn item(entry: &Entry) -> Option<Value> {
    let step = entry.step()?;
    Some(json!({
        "entry": entry.id,
        "state": step.state,
        "disposition": format!("{:?}", step.disposition),
        "outcome": step.outcome(),
        "round": step.round,
        "idempotency_key": step.key,
        "pivot": step.is_pivot,
        "attempts": step.attempts.iter().map(|attempt| json!({
            "number": attempt.number,
            "outcome": attempt.outcome,
            "error": attempt.error,
            "execution": attempt.child,
        })).collect::<Vec<_>>(),
        "undo": undo(step),
    }))
}

fn undo(step: &Step) -> Option<Value> {
    let undo = step.undo.as_deref()?;
    let progress = match undo.progress {
        UndoProgress::Running => "over",
        UndoProgress::Task(_) => "out",
        UndoProgress::Backoff { .. } => "waits for its next attempt",
        UndoProgress::Incident(_) | UndoProgress::Held => "waits for an operator",
    };
    Some(json!({ "attempt": undo.attempt, "progress": progress }))
}
