//! The log of replies that changed nothing: what became of an answer that a service says it gave.

use std::collections::HashMap;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use sagamore_interpreter::{EntryId, Event, HistoryRecord, Runner, ScopeId, Sequence};
use serde_json::{Value, json};

use super::ledger::execution_of;
use super::rest;
use super::router::Api;
use crate::store::{LateReplyRow, ReplyKind, Store};

/// `GET /sagamore/v1/executions/{execution}/replies`, `execution` being an ARN or an id: replies to tasks that were over, each with the
/// state, how often and when it came, whether it is a `duplicate` of the answer that was taken or came when the task was `closed`, and
/// by what.
pub(super) async fn list<S: Store>(
    State(api): State<Api<S>>,
    Path(execution): Path<String>,
) -> Response {
    let id = execution_of(&execution);
    let read = async {
        let rows = api.store().late_replies(id, REPLIES_MAX).await?;
        Ok::<_, crate::store::Error>((rows, api.store().history(id).await?))
    };
    let (rows, history) = match read.await {
        Ok(read) => read,
        Err(error) => return rest::fault(error),
    };
    if history.is_empty() {
        let message = format!("There is no execution {execution}.");
        return rest::error(StatusCode::NOT_FOUND, "ExecutionDoesNotExist", &message);
    }
    let tasks = tasks(&history);
    let replies: Vec<Value> = rows.iter().map(|row| item(row, &tasks)).collect();
    rest::json(StatusCode::OK, json!({ "replies": replies }))
}

/// What a history tells of a task.
#[derive(Default)]
struct Told {
    state: String,
    /// What ended it first: the kind of reply, when it was one, and the word for it.
    end: Option<(Option<ReplyKind>, &'static str, String)>,
}

fn item(row: &LateReplyRow, tasks: &HashMap<Sequence, Told>) -> Value {
    let told = tasks.get(&row.task);
    let end = told.and_then(|told| told.end.as_ref());
    let is_same = end.is_some_and(|(kind, ..)| *kind == Some(row.kind));
    json!({
        "task": row.task,
        "state": told.map(|told| &told.state),
        "kind": row.kind.as_str(),
        "times": row.times,
        "first_at": row.first_at,
        "last_at": row.last_at,
        "error": row.error,
        "class": if is_same { "duplicate" } else { "closed" },
        "because": match end {
            Some((_, word, at)) => format!("{word} at {at}"),
            None => "nobody waited for it any more".to_owned(),
        },
    })
}

fn tasks(history: &[HistoryRecord]) -> HashMap<Sequence, Told> {
    let mut tasks: HashMap<Sequence, Told> = HashMap::new();
    let mut places: HashMap<ScopeId, &str> = HashMap::new();
    let mut entries: HashMap<EntryId, String> = HashMap::new();
    for record in history {
        let mut ends = |task: &Sequence, kind: Option<ReplyKind>, word: &'static str| {
            let told = tasks.entry(*task).or_default();
            told.end
                .get_or_insert_with(|| (kind, word, format!("{:.3}", record.at)));
        };
        match &record.event {
            Event::StateEntered { scope, name, .. } => drop(places.insert(*scope, name.as_str())),
            Event::EntryArmed { state, .. } | Event::CompositeArmed { state, .. } => {
                entries.insert(EntryId(record.sequence), format!("Compensate({state})"));
            }
            Event::TaskScheduled(scheduled) => {
                let state = match scheduled.runner {
                    Runner::State(scope) => places.get(&scope).map(|state| (*state).to_owned()),
                    Runner::Undo(entry) => entries.get(&entry).cloned(),
                };
                tasks.entry(record.sequence).or_default().state = state.unwrap_or_default();
            }
            Event::TaskSucceeded { task, .. } | Event::EntryUpgraded { task, .. } => {
                ends(
                    task,
                    Some(ReplyKind::Success),
                    "it was answered with a success",
                );
            }
            Event::TaskFailed { task, .. } => {
                ends(
                    task,
                    Some(ReplyKind::Failure),
                    "it was answered with a failure",
                );
            }
            Event::TaskTimedOut { task, .. } => ends(task, None, "it timed out"),
            Event::EntryDrained { task, error, .. } => match error {
                None => ends(
                    task,
                    Some(ReplyKind::Success),
                    "it was answered with a success",
                ),
                Some(_) => ends(task, None, "its scope was undone"),
            },
            _ => {}
        }
    }
    tasks
}

/// How many rows are shown.
const REPLIES_MAX: u32 = 1_000;
