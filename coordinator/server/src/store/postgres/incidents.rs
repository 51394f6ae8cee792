//! What an operator decides: undos that failed for good, and executions with an input that can't be taken.

use jiff::Timestamp;
use sagamore_interpreter::{ExecutionId, Input, Sequence};
use sqlx::{PgConnection, PgPool};

use super::fault::{clock, fault};
use crate::store::convert::{json, moment, number, parsed, row};
use crate::store::rows::{IncidentColumns, incident, set_aside_arn};
use crate::store::{Error, IncidentRow, SetAside};

/// See [`Store::set_aside`](crate::store::Store::set_aside).
pub(super) async fn set_aside(pool: &PgPool, aside: &SetAside) -> Result<(), Error> {
    let mut transaction = pool.begin().await.map_err(fault)?;
    lock_execution(&mut transaction, aside.execution).await?;
    insert_set_aside(&mut transaction, aside).await?;
    if let Input::Due { wait } = &aside.input {
        hold_wait(&mut transaction, aside.execution, *wait).await?;
    }
    transaction.commit().await.map_err(fault)
}

/// See [`Store::take_back`](crate::store::Store::take_back).
pub(super) async fn take_back(
    pool: &PgPool,
    execution: ExecutionId,
) -> Result<Option<SetAside>, Error> {
    let mut transaction = pool.begin().await.map_err(fault)?;
    lock_execution(&mut transaction, execution).await?;
    let body = delete_set_aside(&mut transaction, execution).await?;
    release_waits(&mut transaction, execution).await?;
    let aside = body
        .map(|body| parsed(&body, || row("what was set aside", execution)))
        .transpose()?;
    transaction.commit().await.map_err(fault)?;
    Ok(aside)
}

/// Waits belong to whoever holds their execution.
async fn lock_execution(
    connection: &mut PgConnection,
    execution: ExecutionId,
) -> Result<(), Error> {
    const SQL: &str = "SELECT FROM executions WHERE id = $1 FOR UPDATE";
    sqlx::query(SQL)
        .bind(execution.0)
        .execute(connection)
        .await
        .map_err(fault)?;
    Ok(())
}

async fn insert_set_aside(connection: &mut PgConnection, aside: &SetAside) -> Result<(), Error> {
    const SQL: &str = concat!(
        "INSERT INTO set_asides (execution_id, execution_arn, body, opened_at)
        VALUES ($1, coalesce((SELECT arn FROM executions WHERE id = $1), $2), $3, ",
        clock!(),
        ") ON CONFLICT (execution_id) DO NOTHING"
    );
    let query = sqlx::query(SQL)
        .bind(aside.execution.0)
        .bind(set_aside_arn(aside))
        .bind(json(aside)?);
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

async fn hold_wait(
    connection: &mut PgConnection,
    execution: ExecutionId,
    wait: Sequence,
) -> Result<(), Error> {
    const SQL: &str = "UPDATE waits SET held = due, due = NULL WHERE execution_id = $1 AND wait = $2 AND due IS NOT NULL";
    sqlx::query(SQL)
        .bind(execution.0)
        .bind(number(wait.0))
        .execute(connection)
        .await
        .map_err(fault)?;
    Ok(())
}

async fn delete_set_aside(
    connection: &mut PgConnection,
    execution: ExecutionId,
) -> Result<Option<String>, Error> {
    const SQL: &str = "DELETE FROM set_asides WHERE execution_id = $1 RETURNING body";
    sqlx::query_scalar(SQL)
        .bind(execution.0)
        .fetch_optional(connection)
        .await
        .map_err(fault)
}

async fn release_waits(connection: &mut PgConnection, execution: ExecutionId) -> Result<(), Error> {
    const SQL: &str =
        "UPDATE waits SET due = held, held = NULL WHERE execution_id = $1 AND held IS NOT NULL";
    sqlx::query(SQL)
        .bind(execution.0)
        .execute(connection)
        .await
        .map_err(fault)?;
    Ok(())
}

/// See [`Store::incidents`](crate::store::Store::incidents).
pub(super) async fn incidents(pool: &PgPool, limit: u32) -> Result<Vec<IncidentRow>, Error> {
    const SQL: &str = "SELECT * FROM (
            (SELECT w.opened_at, w.execution_id, coalesce(e.arn, ''), w.wait AS incident, true AS suspended, w.body
            FROM waits w LEFT JOIN executions e ON e.id = w.execution_id
            WHERE w.kind = 3 ORDER BY w.opened_at, w.execution_id, w.wait LIMIT $1)
            UNION ALL
            (SELECT opened_at, execution_id, execution_arn, 0, false, body
            FROM set_asides ORDER BY opened_at, execution_id LIMIT $1)) AS incidents
        ORDER BY opened_at, execution_id, incident LIMIT $1";
    let rows: Vec<IncidentColumns> = sqlx::query_as(SQL)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await
        .map_err(fault)?;
    rows.into_iter().map(incident).collect()
}

/// See [`Store::open_incidents`](crate::store::Store::open_incidents).
pub(super) async fn open_incidents(pool: &PgPool) -> Result<(u64, Option<Timestamp>), Error> {
    const SQL: &str = "SELECT count(*), min(opened_at) FROM (
            SELECT opened_at FROM waits WHERE kind = 3
            UNION ALL SELECT opened_at FROM set_asides) AS incidents";
    let query = sqlx::query_as(SQL).fetch_one(pool);
    let (count, oldest): (i64, Option<i64>) = query.await.map_err(fault)?;
    Ok((count.cast_unsigned(), oldest.map(moment).transpose()?))
}
