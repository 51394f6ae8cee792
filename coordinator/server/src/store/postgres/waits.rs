//! What executions wait for: timers, task messages, reviews.

use std::time::Duration;

use jiff::Timestamp;
use sagamore_interpreter::{ExecutionId, Sequence};
use sqlx::PgPool;
use uuid::Uuid;

use super::fault::{clock, fault};
use crate::store::convert::{moment, number, span_micros};
use crate::store::rows::{TaskColumns, due_wait, name, task_row};
use crate::store::{CoordinatorId, DueWait, Error, TaskRow};

/// See [`Store::due`](crate::store::Store::due).
pub(super) async fn due(
    pool: &PgPool,
    coordinator: CoordinatorId,
    horizon: Duration,
    limit: u32,
) -> Result<(Timestamp, Vec<DueWait>), Error> {
    const SQL: &str = concat!(
        "WITH clock AS MATERIALIZED (SELECT ",
        clock!(),
        " AS now)
        SELECT clock.now, first.* FROM clock LEFT JOIN (
            SELECT execution_id, wait, due FROM waits
            WHERE owner = $1 AND due < (SELECT now FROM clock) + $2 ORDER BY due, execution_id, wait LIMIT $3) AS first ON true
        ORDER BY due, execution_id, wait"
    );
    let query = sqlx::query_as(SQL)
        .bind(coordinator.0)
        .bind(span_micros(horizon))
        .bind(i64::from(limit));
    let rows: Vec<(i64, Option<Uuid>, Option<i64>, Option<i64>)> =
        query.fetch_all(pool).await.map_err(fault)?;
    let now = moment(rows.first().map_or(0, |row| row.0))?;
    let waits = rows
        .into_iter()
        .filter_map(|(_, execution, wait, due)| Some((execution?, wait?, due?)));
    let waits = waits.map(due_wait);
    Ok((now, waits.collect::<Result<_, Error>>()?))
}

/// See [`Store::still_open`](crate::store::Store::still_open). In the order of the question.
pub(super) async fn still_open(
    pool: &PgPool,
    waits: &[(ExecutionId, Sequence)],
) -> Result<Vec<(ExecutionId, Sequence)>, Error> {
    const SQL: &str = "SELECT execution_id, wait
        FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS asked (execution_id, wait, place)
        JOIN waits USING (execution_id, wait) WHERE republish ORDER BY place";
    let executions: Vec<Uuid> = waits.iter().map(|(execution, _)| execution.0).collect();
    let numbers: Vec<i64> = waits.iter().map(|(_, wait)| number(wait.0)).collect();
    let rows: Vec<(Uuid, i64)> = sqlx::query_as(SQL)
        .bind(executions)
        .bind(numbers)
        .fetch_all(pool)
        .await
        .map_err(fault)?;
    Ok(rows.into_iter().map(name).collect())
}

/// See [`Store::task`](crate::store::Store::task).
pub(super) async fn task(
    pool: &PgPool,
    execution: ExecutionId,
    wait: Sequence,
) -> Result<Option<TaskRow>, Error> {
    const SQL: &str = "SELECT execution_id, wait, coalesce(due, held), opened_at, body FROM waits
        WHERE execution_id = $1 AND wait = $2 AND kind IN (1, 2)";
    let query = sqlx::query_as(SQL).bind(execution.0).bind(number(wait.0));
    let row: Option<TaskColumns> = query.fetch_optional(pool).await.map_err(fault)?;
    row.map(task_row).transpose()
}

/// See [`Store::reviews`](crate::store::Store::reviews).
pub(super) async fn reviews(pool: &PgPool, limit: u32) -> Result<Vec<TaskRow>, Error> {
    const SQL: &str = "SELECT execution_id, wait, coalesce(due, held), opened_at, body FROM waits
        WHERE kind = 2 ORDER BY opened_at, execution_id, wait LIMIT $1";
    let rows: Vec<TaskColumns> = sqlx::query_as(SQL)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await
        .map_err(fault)?;
    rows.into_iter().map(task_row).collect()
}
