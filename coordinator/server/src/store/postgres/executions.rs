//! Executions as clients see them: one, a page of many, their history.

use sagamore_interpreter::{ExecutionId, HistoryRecord, Status};
use sqlx::PgPool;
use uuid::Uuid;

use super::convert::{fault, micros, number, parsed, row};
use super::load::head;
use crate::store::{Error, ExecutionFilter, ExecutionRow, RevisionId};

/// Id, revision, start, head.
type Row = (Uuid, Uuid, String, String);

fn execution_row((id, revision, start, head_text): Row) -> Result<ExecutionRow, Error> {
    Ok(ExecutionRow {
        head: head(ExecutionId(id), &start, &head_text)?,
        revision: RevisionId(revision),
    })
}

/// See [`Store::execution`](crate::store::Store::execution).
pub(super) async fn execution(
    pool: &PgPool,
    execution: ExecutionId,
) -> Result<Option<ExecutionRow>, Error> {
    const SQL: &str = "SELECT id, revision, start, head FROM executions WHERE id = $1";
    let row: Option<Row> = sqlx::query_as(SQL)
        .bind(execution.0)
        .fetch_optional(pool)
        .await
        .map_err(fault)?;
    row.map(execution_row).transpose()
}

/// See [`Store::executions`](crate::store::Store::executions).
pub(super) async fn executions(
    pool: &PgPool,
    filter: &ExecutionFilter,
) -> Result<Vec<ExecutionRow>, Error> {
    // Ids as text and as bytes have one order. A name that is no id stands before all.
    let (at, id) = match &filter.after {
        Some(key) => (
            micros(key.at),
            Uuid::parse_str(&key.name).unwrap_or(Uuid::nil()),
        ),
        None => (i64::MAX, Uuid::max()),
    };
    let rows = match filter.status {
        Some(status) => page_by_status(pool, filter, status, at, id).await,
        None => page(pool, filter, at, id).await,
    };
    rows?.into_iter().map(execution_row).collect()
}

async fn page(
    pool: &PgPool,
    filter: &ExecutionFilter,
    at: i64,
    id: Uuid,
) -> Result<Vec<Row>, Error> {
    const SQL: &str = "SELECT id, revision, start, head FROM executions
        WHERE machine_arn = $1 AND (started_at, id) < ($2, $3) ORDER BY started_at DESC, id DESC LIMIT $4";
    let query = sqlx::query_as(SQL)
        .bind(&filter.machine_arn)
        .bind(at)
        .bind(id)
        .bind(i64::from(filter.limit));
    query.fetch_all(pool).await.map_err(fault)
}

/// A statement of its own, so that its plan may use the index that has the status.
async fn page_by_status(
    pool: &PgPool,
    filter: &ExecutionFilter,
    status: Status,
    at: i64,
    id: Uuid,
) -> Result<Vec<Row>, Error> {
    const SQL: &str = "SELECT id, revision, start, head FROM executions
        WHERE machine_arn = $1 AND status = $5 AND (started_at, id) < ($2, $3) ORDER BY started_at DESC, id DESC LIMIT $4";
    let query = sqlx::query_as(SQL)
        .bind(&filter.machine_arn)
        .bind(at)
        .bind(id)
        .bind(i64::from(filter.limit));
    query
        .bind(status.as_str())
        .fetch_all(pool)
        .await
        .map_err(fault)
}

/// See [`Store::events`](crate::store::Store::events).
///
/// Event ids are dense, so the page's first and last id are known before it is read, and the rows that hold them are
/// one range of the index.
pub(super) async fn events(
    pool: &PgPool,
    execution: ExecutionId,
    after: Option<u64>,
    reverse: bool,
    limit: u32,
) -> Result<Vec<HistoryRecord>, Error> {
    let limit = u64::from(limit);
    let (first, last) = if reverse {
        let end = last_event(pool, execution).await? + 1;
        let before = after.unwrap_or(end).min(end);
        (
            before.saturating_sub(limit).max(1),
            before.saturating_sub(1),
        )
    } else {
        let after = after.unwrap_or(0);
        (after.saturating_add(1), after.saturating_add(limit))
    };
    let turns = turns_with_events(pool, execution, first, last).await?;
    let mut records = records(execution, &turns)?;
    records.retain(|record| {
        record
            .event_id
            .is_some_and(|id| (first..=last).contains(&id))
    });
    if reverse {
        records.reverse();
    }
    Ok(records)
}

async fn last_event(pool: &PgPool, execution: ExecutionId) -> Result<u64, Error> {
    const SQL: &str = "SELECT last_event FROM history WHERE execution_id = $1
        ORDER BY first_event DESC, first_sequence DESC LIMIT 1";
    let last: Option<i64> = sqlx::query_scalar(SQL)
        .bind(execution.0)
        .fetch_optional(pool)
        .await
        .map_err(fault)?;
    Ok(last.map_or(0, i64::cast_unsigned))
}

async fn turns_with_events(
    pool: &PgPool,
    execution: ExecutionId,
    first: u64,
    last: u64,
) -> Result<Vec<String>, Error> {
    const SQL: &str = "SELECT records FROM history WHERE execution_id = $1 AND first_event <= $3 AND first_event >= coalesce(
            (SELECT max(first_event) FROM history WHERE execution_id = $1 AND first_event <= $2), 0)
        ORDER BY first_event, first_sequence";
    let query = sqlx::query_scalar(SQL)
        .bind(execution.0)
        .bind(number(first))
        .bind(number(last));
    query.fetch_all(pool).await.map_err(fault)
}

/// See [`Store::history`](crate::store::Store::history).
pub(super) async fn history(
    pool: &PgPool,
    execution: ExecutionId,
) -> Result<Vec<HistoryRecord>, Error> {
    const SQL: &str =
        "SELECT records FROM history WHERE execution_id = $1 ORDER BY first_event, first_sequence";
    let turns: Vec<String> = sqlx::query_scalar(SQL)
        .bind(execution.0)
        .fetch_all(pool)
        .await
        .map_err(fault)?;
    records(execution, &turns)
}

fn records(execution: ExecutionId, turns: &[String]) -> Result<Vec<HistoryRecord>, Error> {
    let mut all = Vec::new();
    for turn in turns {
        all.append(&mut parsed::<Vec<HistoryRecord>>(turn, || {
            row("the history", execution)
        })?);
    }
    Ok(all)
}

/// See [`Store::without_cause`](crate::store::Store::without_cause). Wait 1 of kind timer is the execution's own timeout.
pub(super) async fn without_cause(pool: &PgPool, limit: u32) -> Result<Vec<ExecutionId>, Error> {
    const SQL: &str = "SELECT id FROM executions e WHERE status = 'RUNNING' AND NOT EXISTS (
            SELECT FROM waits w WHERE w.execution_id = e.id AND NOT (w.wait = 1 AND w.kind = 0))
        ORDER BY id LIMIT $1";
    let ids: Vec<Uuid> = sqlx::query_scalar(SQL)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await
        .map_err(fault)?;
    Ok(ids.into_iter().map(ExecutionId).collect())
}
