//! The log of replies that changed nothing.

use sagamore_interpreter::ExecutionId;
use sqlx::{SqliteConnection, SqlitePool};

use super::fault::fault;
use crate::store::rows::{LateColumns, LateRow, late_reply};
use crate::store::{Error, LateReplyRow};

/// Adds to the log.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    (execution, task, kind, times, at, error): &LateColumns,
) -> Result<(), Error> {
    const SQL: &str =
        "INSERT INTO late_replies (execution_id, task, kind, times, first_at, last_at, error)
        VALUES ($1, $2, $3, $4, $5, $5, $6)
        ON CONFLICT (execution_id, task, kind) DO UPDATE
        SET times = times + excluded.times, last_at = excluded.last_at, error = excluded.error";
    let query = sqlx::query(SQL)
        .bind(execution)
        .bind(task)
        .bind(kind)
        .bind(times)
        .bind(at)
        .bind(error);
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

/// See [`Store::late_replies`](crate::store::Store::late_replies).
pub(super) async fn late_replies(
    readers: &SqlitePool,
    execution: ExecutionId,
    limit: u32,
) -> Result<Vec<LateReplyRow>, Error> {
    const SQL: &str = "SELECT task, kind, times, first_at, last_at, error FROM late_replies
        WHERE execution_id = $1 ORDER BY task, kind LIMIT $2";
    let rows: Vec<LateRow> = sqlx::query_as(SQL)
        .bind(execution.0)
        .bind(i64::from(limit))
        .fetch_all(readers)
        .await
        .map_err(fault)?;
    rows.into_iter().map(late_reply).collect()
}
