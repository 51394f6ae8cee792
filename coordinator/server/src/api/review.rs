//! What is known of a review: open with its facts, or over with how it ended.

use jiff::Timestamp;
use sagamore_interpreter::{Event, ExecutionId, Head, HistoryRecord, Runner, Sequence};
use sagamore_messages::TokenKey;
use serde_json::Value;

use crate::store::{Error, Route, Store, TaskRow};

/// What a review's link leads to.
pub(super) enum Found {
    /// It waits for a person.
    Open(Box<Case>),
    /// It is over.
    Closed(Box<Case>, Ending),
    /// No review was ever there.
    Unknown,
}

/// What a person needs to know.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// The execution that waits.
    pub(super) execution: ExecutionId,
    /// Its ARN.
    pub(super) execution_arn: String,
    /// Its name.
    pub(super) execution_name: String,
    /// The review's task.
    pub(super) task: Sequence,
    /// The machine.
    pub(super) machine: String,
    /// The state.
    pub(super) state: String,
    /// What is to be judged.
    pub(super) facts: Value,
    /// Since when.
    pub(super) opened_at: Timestamp,
    /// Until when.
    pub(super) due: Option<Timestamp>,
}

/// How a review ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ending {
    /// Somebody decided.
    Decided(Decision, Timestamp),
    /// Its task was completed otherwise, with something that is no decision.
    Answered(Timestamp),
    /// Nobody decided in time.
    TimedOut(Timestamp),
    /// The execution went another way, or ended.
    Obsolete,
}

/// What a person decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    /// Yes or no.
    pub(super) approved: bool,
    /// Why.
    pub(super) comment: String,
    /// Who, as they call themselves.
    pub(super) reviewer: Option<String>,
}

/// Looks up what a link leads to.
pub(super) async fn find<S: Store>(store: &S, key: &TokenKey, token: &str) -> Result<Found, Error> {
    let Some((execution, task)) = key.open(token) else {
        return Ok(Found::Unknown);
    };
    let (execution, task) = (ExecutionId(execution), Sequence(task));
    let Some(head) = store.execution(execution).await?.map(|row| row.head) else {
        return Ok(Found::Unknown);
    };
    if let Some(row) = store.task(execution, task).await? {
        return Ok(match row.outgoing.route {
            Route::Review(_) => Found::Open(Box::new(open_case(&row, &head))),
            Route::Queue(_) | Route::Exchange { .. } | Route::Execution(_) | Route::Files(_) => {
                Found::Unknown
            }
        });
    }
    // Rare enough to read the whole history for it: somebody follows a link twice.
    let history = store.history(execution).await?;
    Ok(match closed_case(&history, &head, task) {
        Some(case) => Found::Closed(Box::new(case), ending(&history, task)),
        None => Found::Unknown,
    })
}

/// A review that is open, with its execution.
pub(super) fn open_case(row: &TaskRow, head: &Head) -> Case {
    let message = &row.outgoing.message;
    Case {
        execution: row.execution,
        execution_arn: head.start.arn.clone(),
        execution_name: head.start.name.clone(),
        task: row.wait,
        machine: head.start.machine_name.clone(),
        state: message.state.clone(),
        facts: serde_json::from_str(&message.body)
            .unwrap_or_else(|_| Value::String(message.body.clone())),
        opened_at: row.opened_at,
        due: row.due,
    }
}

fn closed_case(history: &[HistoryRecord], head: &Head, task: Sequence) -> Option<Case> {
    let at = history.iter().position(|record| record.sequence == task)?;
    let Event::TaskScheduled(scheduled) = &history[at].event else {
        return None;
    };
    if !scheduled.resource.starts_with("review:") {
        return None;
    }
    Some(Case {
        execution: head.id,
        execution_arn: head.start.arn.clone(),
        execution_name: head.start.name.clone(),
        task,
        machine: head.start.machine_name.clone(),
        state: state_name(&history[..at], scheduled.runner),
        facts: (*scheduled.arguments).clone(),
        opened_at: history[at].at,
        due: Some(scheduled.timeout_at),
    })
}

fn state_name(before: &[HistoryRecord], runner: Runner) -> String {
    let named = before
        .iter()
        .rev()
        .find_map(|record| match (&record.event, runner) {
            (Event::StateEntered { scope, name, .. }, Runner::State(runner))
                if *scope == runner =>
            {
                Some(name.to_string())
            }
            (Event::UndoStarted { entry, name, .. }, Runner::Undo(runner)) if *entry == runner => {
                Some(format!("Compensate({name})"))
            }
            _ => None,
        });
    named.unwrap_or_default()
}

fn ending(history: &[HistoryRecord], review: Sequence) -> Ending {
    let ended = history.iter().find_map(|record| match &record.event {
        Event::TaskSucceeded { task, output, .. } if *task == review => {
            Some(answered(output, record.at))
        }
        Event::EntryDrained {
            task,
            result: Some(result),
            ..
        } if *task == review => Some(answered(result, record.at)),
        Event::TaskTimedOut { task, .. } if *task == review => Some(Ending::TimedOut(record.at)),
        Event::TaskFailed { task, .. } if *task == review => Some(Ending::Answered(record.at)),
        _ => None,
    });
    ended.unwrap_or(Ending::Obsolete)
}

fn answered(result: &Value, at: Timestamp) -> Ending {
    let text = |member| {
        result
            .get(member)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    match result.get("approved").and_then(Value::as_bool) {
        Some(approved) => {
            let decision = Decision {
                approved,
                comment: text("comment").unwrap_or_default(),
                reviewer: text("reviewer"),
            };
            Ending::Decided(decision, at)
        }
        None => Ending::Answered(at),
    }
}
