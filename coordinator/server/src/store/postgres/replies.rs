//! The log of replies that changed nothing.

use sagamore_interpreter::ExecutionId;
use sqlx::{PgConnection, PgPool};

use super::fault::fault;
use crate::store::rows::{LateColumns, LateRow, late_reply};
use crate::store::{Error, LateReplyRow};

/// Adds to the log; each kind of reply to a task at most once in `rows`.
pub(super) async fn insert(
    connection: &mut PgConnection,
    rows: &[LateColumns],
) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO late_replies (execution_id, task, kind, times, first_at, last_at, error)
        SELECT t.execution_id, t.task, t.kind, t.times, t.at, t.at, t.error
        FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::text[])
            AS t (execution_id, task, kind, times, at, error)
        ON CONFLICT (execution_id, task, kind) DO UPDATE
        SET times = late_replies.times + excluded.times, last_at = excluded.last_at, error = excluded.error";
    let query = sqlx::query(SQL)
        .bind(rows.iter().map(|row| row.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.1).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.2).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.3).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.4).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.5.as_deref()).collect::<Vec<_>>());
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

/// See [`Store::late_replies`](crate::store::Store::late_replies).
pub(super) async fn late_replies(
    pool: &PgPool,
    execution: ExecutionId,
    limit: u32,
) -> Result<Vec<LateReplyRow>, Error> {
    const SQL: &str = "SELECT task, kind, times, first_at, last_at, error FROM late_replies
        WHERE execution_id = $1 ORDER BY task, kind LIMIT $2";
    let rows: Vec<LateRow> = sqlx::query_as(SQL)
        .bind(execution.0)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await
        .map_err(fault)?;
    rows.into_iter().map(late_reply).collect()
}
