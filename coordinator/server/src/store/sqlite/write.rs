//! What a batch writes: a statement per row.
//!
//! SQLite runs in this process, so there are no round trips to save; rows as JSON for `json_each` would have to be
//! escaped here and parsed there. What is measured stands in `decisions/sqlite.md`.

use sqlx::SqliteConnection;
use uuid::Uuid;

use super::fault::fault;
use super::replies;
use crate::store::convert::{overtaken, start_fault};
use crate::store::rows::{EventRow, OpenRow, Rows, StartRow, TurnRow, late_columns};
use crate::store::{Error, Version, Writes};

/// Writes all of it, or fails.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    now: i64,
    writes: &Writes,
) -> Result<(), Error> {
    let rows = Rows::of(writes)?;
    write_executions(connection, &rows).await?;
    for (execution, scope) in rows.scopes_removed {
        delete_scope(connection, execution, scope).await?;
    }
    for (execution, scope, body) in rows.scopes {
        upsert_scope(connection, execution, scope, body).await?;
    }
    for (execution, entry, body) in rows.entries {
        upsert_entry(connection, execution, entry, body).await?;
    }
    for row in rows.history {
        insert_history(connection, row).await?;
    }
    for (execution, wait) in rows.closes {
        delete_wait(connection, execution, wait).await?;
    }
    for row in rows.moves {
        update_wait(connection, row).await?;
    }
    for row in rows.opens {
        insert_wait(connection, row).await?;
    }
    for row in rows.events {
        insert_event(connection, row).await?;
    }
    for row in late_columns(&writes.late) {
        replies::insert(connection, &row).await?;
    }
    for (message_id, answer) in rows.answers {
        insert_answer(connection, message_id, answer, now).await?;
    }
    Ok(())
}

async fn write_executions(connection: &mut SqliteConnection, rows: &Rows) -> Result<(), Error> {
    for row in &rows.starts {
        insert_execution(connection, row).await?;
        insert_start(connection, row).await?;
    }
    for row in &rows.updates {
        if !update_execution(connection, row).await? {
            return Err(overtaken());
        }
    }
    Ok(())
}

async fn insert_execution(connection: &mut SqliteConnection, row: &StartRow) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO executions
            (version, id, revision, arn, machine_arn, name, status, started_at, stopped_at, head, map_run)
        VALUES (1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let query = sqlx::query(SQL)
        .bind(row.id)
        .bind(row.revision)
        .bind(row.arn.as_str())
        .bind(row.machine_arn.as_str())
        .bind(row.name.as_str());
    let query = query
        .bind(row.status)
        .bind(row.started_at)
        .bind(row.stopped_at)
        .bind(row.head.as_str())
        .bind(row.map_run.as_deref());
    let done = query.execute(connection).await;
    done.map_err(|error| start_fault(error, fault))?;
    Ok(())
}

async fn insert_start(connection: &mut SqliteConnection, row: &StartRow) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO starts (execution_id, body) VALUES ($1, $2)";
    let query = sqlx::query(SQL).bind(row.id).bind(row.start.as_str());
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

/// Whether the version before was there.
async fn update_execution(
    connection: &mut SqliteConnection,
    (id, version, status, stopped_at, head): &(Uuid, Version, &'static str, Option<i64>, String),
) -> Result<bool, Error> {
    const SQL: &str = "UPDATE executions SET version = $2, status = $3, stopped_at = $4, head = $5
        WHERE id = $1 AND version = $2 - 1";
    let query = sqlx::query(SQL)
        .bind(id)
        .bind(version)
        .bind(*status)
        .bind(stopped_at)
        .bind(head.as_str());
    let done = query.execute(connection).await.map_err(fault)?;
    Ok(done.rows_affected() == 1)
}

async fn delete_scope(
    connection: &mut SqliteConnection,
    execution: Uuid,
    scope: i64,
) -> Result<(), Error> {
    const SQL: &str = "DELETE FROM scopes WHERE execution_id = $1 AND scope = $2";
    let query = sqlx::query(SQL).bind(execution).bind(scope);
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

async fn upsert_scope(
    connection: &mut SqliteConnection,
    execution: Uuid,
    scope: i64,
    body: String,
) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO scopes (execution_id, scope, body) VALUES ($1, $2, $3)
        ON CONFLICT (execution_id, scope) DO UPDATE SET body = excluded.body";
    let query = sqlx::query(SQL).bind(execution).bind(scope).bind(body);
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

async fn upsert_entry(
    connection: &mut SqliteConnection,
    execution: Uuid,
    entry: i64,
    body: String,
) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO entries (execution_id, entry, body) VALUES ($1, $2, $3)
        ON CONFLICT (execution_id, entry) DO UPDATE SET body = excluded.body";
    let query = sqlx::query(SQL).bind(execution).bind(entry).bind(body);
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

async fn insert_history(connection: &mut SqliteConnection, row: TurnRow) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO history
            (execution_id, first_event, last_event, first_sequence, last_sequence, records)
        VALUES ($1, $2, $3, $4, $5, $6)";
    let query = sqlx::query(SQL)
        .bind(row.execution)
        .bind(row.first_event)
        .bind(row.last_event);
    let query = query
        .bind(row.first_sequence)
        .bind(row.last_sequence)
        .bind(row.records);
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

async fn delete_wait(
    connection: &mut SqliteConnection,
    execution: Uuid,
    wait: i64,
) -> Result<(), Error> {
    const SQL: &str = "DELETE FROM waits WHERE execution_id = $1 AND wait = $2";
    let query = sqlx::query(SQL).bind(execution).bind(wait);
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

async fn update_wait(
    connection: &mut SqliteConnection,
    (execution, wait, due, republish): (Uuid, i64, i64, bool),
) -> Result<(), Error> {
    const SQL: &str = "UPDATE waits SET due = $3, held = NULL, republish = $4 AND kind = 1
        WHERE execution_id = $1 AND wait = $2";
    let query = sqlx::query(SQL)
        .bind(execution)
        .bind(wait)
        .bind(due)
        .bind(republish);
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

async fn insert_wait(connection: &mut SqliteConnection, row: OpenRow) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO waits
            (execution_id, wait, kind, owner, due, opened_at, number, republish, body)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let query = sqlx::query(SQL)
        .bind(row.execution)
        .bind(row.wait)
        .bind(row.kind)
        .bind(row.owner)
        .bind(row.due);
    let query = query
        .bind(row.opened_at)
        .bind(row.number)
        .bind(row.republish)
        .bind(row.body);
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

async fn insert_event(connection: &mut SqliteConnection, row: EventRow) -> Result<(), Error> {
    const SQL: &str =
        "INSERT INTO events (owner, number, execution_id, routing_key, recipient, body)
        VALUES ($1, $2, $3, $4, $5, $6)";
    let query = sqlx::query(SQL)
        .bind(row.owner)
        .bind(row.number)
        .bind(row.execution)
        .bind(row.routing_key)
        .bind(row.recipient)
        .bind(row.body);
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

async fn insert_answer(
    connection: &mut SqliteConnection,
    message_id: Vec<u8>,
    answer: String,
    now: i64,
) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO commands (message_id, answer, answered_at) VALUES ($1, $2, $3)
        ON CONFLICT (message_id) DO NOTHING";
    let query = sqlx::query(SQL).bind(message_id).bind(answer).bind(now);
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}
