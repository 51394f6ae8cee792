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
    /// What ended it first, the kind of reply or its timeout, and when.
    end: Option<(Option<ReplyKind>, String)>,
}

fn item(row: &LateReplyRow, tasks: &HashMap<Sequence, Told>) -> Value {
    let told = tasks.get(&row.task);
    let end = told.and_then(|told| told.end.as_ref());
    let is_same = end.is_some_and(|(answer, _)| *answer == Some(row.kind));
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
            Some((Some(ReplyKind::Success), at)) => {
                format!("it was answered with a success at {at}")
            }
            Some((Some(_), at)) => format!("it was answered with a failure at {at}"),
            Some((None, at)) => format!("it timed out at {at}"),
            None => "nobody waited for it any more".to_owned(),
        },
    })
}

fn tasks(history: &[HistoryRecord]) -> HashMap<Sequence, Told> {
    let mut tasks: HashMap<Sequence, Told> = HashMap::new();
    let mut places: HashMap<ScopeId, &str> = HashMap::new();
    let mut entries: HashMap<EntryId, String> = HashMap::new();
    for record in history {
        let (task, answer) = match &record.event {
            Event::StateEntered { scope, name, .. } => {
                places.insert(*scope, name.as_str());
                continue;
            }
            Event::EntryArmed { state, .. } | Event::CompositeArmed { state, .. } => {
                entries.insert(EntryId(record.sequence), format!("Compensate({state})"));
                continue;
            }
            Event::TaskScheduled(scheduled) => {
                let state = match scheduled.runner {
                    Runner::State(scope) => places.get(&scope).map(|state| (*state).to_owned()),
                    Runner::Undo(entry) => entries.get(&entry).cloned(),
                };
                tasks.entry(record.sequence).or_default().state = state.unwrap_or_default();
                continue;
            }
            Event::TaskSucceeded { task, .. } | Event::EntryUpgraded { task, .. } => {
                (task, Some(ReplyKind::Success))
            }
            Event::TaskFailed { task, .. } => (task, Some(ReplyKind::Failure)),
            Event::TaskTimedOut { task, .. } => (task, None),
            Event::EntryDrained { task, error, .. } => match error.as_deref() {
                None => (task, Some(ReplyKind::Success)),
                Some("States.Timeout") => (task, None),
                Some(_) => (task, Some(ReplyKind::Failure)),
            },
            _ => continue,
        };
        let end = &mut tasks.entry(*task).or_default().end;
        end.get_or_insert_with(|| (answer, format!("{:.3}", record.at)));
    }
    tasks
}

/// How many rows are shown.
const REPLIES_MAX: u32 = 1_000;

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use sagamore_interpreter::Outcome;

    use super::*;

    #[track_caller]
    fn check(error: Option<&str>, kind: ReplyKind, expected: [&str; 2]) {
        let task = Sequence(4);
        let drained = HistoryRecord {
            sequence: Sequence(9),
            at: Timestamp::UNIX_EPOCH,
            event_id: None,
            previous_event_id: 0,
            event: Event::EntryDrained {
                entry: EntryId(Sequence(3)),
                task,
                outcome: Outcome::Unknown,
                result: None,
                error: error.map(str::to_owned),
                cause: None,
            },
        };
        let row = LateReplyRow {
            task,
            kind,
            times: 1,
            first_at: Timestamp::UNIX_EPOCH,
            last_at: Timestamp::UNIX_EPOCH,
            error: None,
        };
        let item = item(&row, &tasks(&[drained]));
        assert_eq!(
            [&item["class"], &item["because"]],
            expected,
            "{error:?} {kind:?}"
        );
    }

    #[test]
    fn an_answer_in_the_grace_of_a_closed_scope_is_an_answer() {
        let succeeded = "it was answered with a success at 1970-01-01T00:00:00.000Z";
        check(None, ReplyKind::Success, ["duplicate", succeeded]);
        let failed = "it was answered with a failure at 1970-01-01T00:00:00.000Z";
        check(Some("No"), ReplyKind::Failure, ["duplicate", failed]);
        check(Some("No"), ReplyKind::Success, ["closed", failed]);
        let timed_out = "it timed out at 1970-01-01T00:00:00.000Z";
        check(
            Some("States.Timeout"),
            ReplyKind::Failure,
            ["closed", timed_out],
        );
    }
}
