//! Executions as clients see them: one, a page of many, their history.

use sagamore_interpreter::{ExecutionId, HistoryRecord, Status};
use sqlx::SqlitePool;
use uuid::Uuid;

use super::fault::fault;
use crate::store::convert::number;
use crate::store::rows::{
    ExecutionColumns, event_page, execution_row, page_start, records, shown, status_counts,
};
use crate::store::{Error, ExecutionFilter, ExecutionRow, ExecutionsOf, of_map_runs};

/// See [`Store::execution`](crate::store::Store::execution).
pub(super) async fn execution(
    readers: &SqlitePool,
    execution: ExecutionId,
) -> Result<Option<ExecutionRow>, Error> {
    const SQL: &str = "SELECT id, revision, body, head FROM executions JOIN starts ON execution_id = id WHERE id = $1";
    let row: Option<ExecutionColumns> = sqlx::query_as(SQL)
        .bind(execution.0)
        .fetch_optional(readers)
        .await
        .map_err(fault)?;
    row.map(execution_row).transpose()
}

/// See [`Store::execution_within`](crate::store::Store::execution_within).
pub(super) async fn execution_within(
    readers: &SqlitePool,
    least: ExecutionId,
    greatest: ExecutionId,
) -> Result<Option<ExecutionRow>, Error> {
    const SQL: &str =
        "SELECT id, revision, body, head FROM executions JOIN starts ON execution_id = id
        WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT 1";
    let row: Option<ExecutionColumns> = sqlx::query_as(SQL)
        .bind(least.0)
        .bind(greatest.0)
        .fetch_optional(readers)
        .await
        .map_err(fault)?;
    row.map(execution_row).transpose()
}

/// See [`Store::map_run_records`](crate::store::Store::map_run_records). What a payload holds may read
/// the same as what is looked for, so all is looked at once more.
pub(super) async fn map_run_records(
    readers: &SqlitePool,
    execution: ExecutionId,
) -> Result<Vec<HistoryRecord>, Error> {
    const SQL: &str = r#"SELECT records FROM history WHERE execution_id = $1
        AND (records LIKE '%"map_run_%' OR records LIKE '%"map_items_read"%' OR records LIKE '%"scope_closed"%')
        ORDER BY first_event, first_sequence"#;
    let turns: Vec<String> = sqlx::query_scalar(SQL)
        .bind(execution.0)
        .fetch_all(readers)
        .await
        .map_err(fault)?;
    records(execution, &turns).map(of_map_runs)
}

/// See [`Store::map_run_counts`](crate::store::Store::map_run_counts).
pub(super) async fn map_run_counts(
    readers: &SqlitePool,
    map_run: &str,
) -> Result<Vec<(Status, u64)>, Error> {
    const SQL: &str = "SELECT status, count(*) FROM executions WHERE map_run = $1 GROUP BY status";
    let counts: Vec<(String, i64)> = sqlx::query_as(SQL)
        .bind(map_run)
        .fetch_all(readers)
        .await
        .map_err(fault)?;
    Ok(status_counts(&counts))
}

/// See [`Store::executions`](crate::store::Store::executions).
pub(super) async fn executions(
    readers: &SqlitePool,
    filter: &ExecutionFilter,
) -> Result<Vec<ExecutionRow>, Error> {
    let (at, id) = page_start(filter);
    let (ExecutionsOf::Machine(of) | ExecutionsOf::MapRun(of)) = &filter.of;
    let mut query = sqlx::query_as(page(filter))
        .bind(of.as_str())
        .bind(at)
        .bind(id)
        .bind(i64::from(filter.limit));
    if let Some(status) = filter.status {
        query = query.bind(status.as_str());
    }
    let rows: Vec<ExecutionColumns> = query.fetch_all(readers).await.map_err(fault)?;
    rows.into_iter().map(execution_row).collect()
}

/// A statement for each, so that its plan may use the index that fits it.
fn page(filter: &ExecutionFilter) -> &'static str {
    macro_rules! page {
        ($of:literal) => {
            concat!(
                "SELECT id, revision, body, head FROM executions JOIN starts ON execution_id = id
                WHERE ",
                $of,
                " AND (started_at, id) < ($2, $3) ORDER BY started_at DESC, id DESC LIMIT $4"
            )
        };
    }
    match (&filter.of, filter.status) {
        (ExecutionsOf::Machine(_), None) => page!("machine_arn = $1"),
        (ExecutionsOf::Machine(_), Some(_)) => page!("machine_arn = $1 AND status = $5"),
        (ExecutionsOf::MapRun(_), None) => page!("map_run = $1"),
        (ExecutionsOf::MapRun(_), Some(_)) => page!("map_run = $1 AND status = $5"),
    }
}

/// See [`Store::events`](crate::store::Store::events).
pub(super) async fn events(
    readers: &SqlitePool,
    execution: ExecutionId,
    after: Option<u64>,
    reverse: bool,
    limit: u32,
) -> Result<Vec<HistoryRecord>, Error> {
    let last = match reverse {
        true => Some(last_event(readers, execution).await?),
        false => None,
    };
    let page = event_page(after, last, limit);
    let turns = turns_with_events(readers, execution, page).await?;
    Ok(shown(records(execution, &turns)?, page, reverse))
}

async fn last_event(readers: &SqlitePool, execution: ExecutionId) -> Result<u64, Error> {
    const SQL: &str = "SELECT last_event FROM history WHERE execution_id = $1
        ORDER BY first_event DESC, first_sequence DESC LIMIT 1";
    let last: Option<i64> = sqlx::query_scalar(SQL)
        .bind(execution.0)
        .fetch_optional(readers)
        .await
        .map_err(fault)?;
    Ok(last.map_or(0, i64::cast_unsigned))
}

async fn turns_with_events(
    readers: &SqlitePool,
    execution: ExecutionId,
    (first, last): (u64, u64),
) -> Result<Vec<String>, Error> {
    const SQL: &str = "SELECT records FROM history WHERE execution_id = $1 AND first_event <= $3 AND first_event >= coalesce(
            (SELECT max(first_event) FROM history WHERE execution_id = $1 AND first_event <= $2), 0)
        ORDER BY first_event, first_sequence";
    let query = sqlx::query_scalar(SQL)
        .bind(execution.0)
        .bind(number(first))
        .bind(number(last));
    query.fetch_all(readers).await.map_err(fault)
}

/// See [`Store::history`](crate::store::Store::history).
pub(super) async fn history(
    readers: &SqlitePool,
    execution: ExecutionId,
) -> Result<Vec<HistoryRecord>, Error> {
    const SQL: &str =
        "SELECT records FROM history WHERE execution_id = $1 ORDER BY first_event, first_sequence";
    let turns: Vec<String> = sqlx::query_scalar(SQL)
        .bind(execution.0)
        .fetch_all(readers)
        .await
        .map_err(fault)?;
    records(execution, &turns)
}

/// See [`Store::without_cause`](crate::store::Store::without_cause). Wait 1 of kind timer is the execution's own timeout.
pub(super) async fn without_cause(
    readers: &SqlitePool,
    limit: u32,
) -> Result<Vec<ExecutionId>, Error> {
    const SQL: &str = "SELECT id FROM executions e WHERE status = 'RUNNING' AND NOT EXISTS (
            SELECT 1 FROM waits w WHERE w.execution_id = e.id AND NOT (w.wait = 1 AND w.kind = 0))
        ORDER BY id LIMIT $1";
    let ids: Vec<Uuid> = sqlx::query_scalar(SQL)
        .bind(i64::from(limit))
        .fetch_all(readers)
        .await
        .map_err(fault)?;
    Ok(ids.into_iter().map(ExecutionId).collect())
}
