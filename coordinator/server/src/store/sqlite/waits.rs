//! What executions wait for: timers, task messages, reviews.

use std::time::Duration;

use jiff::Timestamp;
use sagamore_interpreter::{ExecutionId, Sequence};
use sqlx::{SqliteConnection, SqlitePool};

use super::SqliteStore;
use super::fault::fault;
use crate::store::convert::{moment, number, span_micros};
use crate::store::rows::{DueColumns, TaskColumns, due_wait, task_row};
use crate::store::{CoordinatorId, DueWait, Error, TaskRow};

/// See [`Store::due`](crate::store::Store::due).
pub(super) async fn due(
    store: &SqliteStore,
    coordinator: CoordinatorId,
    horizon: Duration,
    limit: u32,
) -> Result<(Timestamp, Vec<DueWait>), Error> {
    const SQL: &str = "SELECT execution_id, wait, due FROM waits
        WHERE owner = $1 AND due < $2 ORDER BY due, execution_id, wait LIMIT $3";
    let now = store.clock.now();
    let query = sqlx::query_as(SQL)
        .bind(coordinator.0)
        .bind(now + span_micros(horizon))
        .bind(i64::from(limit));
    let rows: Vec<DueColumns> = query.fetch_all(&store.readers).await.map_err(fault)?;
    let waits = rows.into_iter().map(due_wait);
    Ok((moment(now)?, waits.collect::<Result<_, Error>>()?))
}

/// See [`Store::still_open`](crate::store::Store::still_open). In the order of the question.
pub(super) async fn still_open(
    readers: &SqlitePool,
    waits: &[(ExecutionId, Sequence)],
) -> Result<Vec<(ExecutionId, Sequence)>, Error> {
    let mut reader = readers.begin().await.map_err(fault)?;
    let mut open = Vec::new();
    for wait in waits {
        if is_open(&mut reader, *wait).await? {
            open.push(*wait);
        }
    }
    Ok(open)
}

async fn is_open(
    connection: &mut SqliteConnection,
    (execution, wait): (ExecutionId, Sequence),
) -> Result<bool, Error> {
    const SQL: &str =
        "SELECT EXISTS (SELECT 1 FROM waits WHERE execution_id = $1 AND wait = $2 AND republish)";
    let query = sqlx::query_scalar(SQL)
        .bind(execution.0)
        .bind(number(wait.0));
    query.fetch_one(connection).await.map_err(fault)
}

/// See [`Store::task`](crate::store::Store::task).
pub(super) async fn task(
    readers: &SqlitePool,
    execution: ExecutionId,
    wait: Sequence,
) -> Result<Option<TaskRow>, Error> {
    const SQL: &str = "SELECT execution_id, wait, coalesce(due, held), opened_at, body FROM waits
        WHERE execution_id = $1 AND wait = $2 AND kind IN (1, 2)";
    let query = sqlx::query_as(SQL).bind(execution.0).bind(number(wait.0));
    let row: Option<TaskColumns> = query.fetch_optional(readers).await.map_err(fault)?;
    row.map(task_row).transpose()
}

/// See [`Store::reviews`](crate::store::Store::reviews).
pub(super) async fn reviews(readers: &SqlitePool, limit: u32) -> Result<Vec<TaskRow>, Error> {
    const SQL: &str = "SELECT execution_id, wait, coalesce(due, held), opened_at, body FROM waits
        WHERE kind = 2 ORDER BY opened_at, execution_id, wait LIMIT $1";
    let rows: Vec<TaskColumns> = sqlx::query_as(SQL)
        .bind(i64::from(limit))
        .fetch_all(readers)
        .await
        .map_err(fault)?;
    rows.into_iter().map(task_row).collect()
}
