//! What a batch knows before it decides: locked, then read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use sagamore_interpreter::{ExecutionId, Sequence};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::PostgresStore;
use super::fault::{clock, fault};
use crate::store::convert::{micros, moment, number, parsed};
use crate::store::rows::{Stored, found, name, parts};
use crate::store::{Error, Loaded, RevisionId, Version, Want};

/// Locks what is wanted and reads what the caller does not have.
pub(super) async fn load(
    store: &PostgresStore,
    connection: &mut PgConnection,
    want: &Want,
) -> Result<Loaded, Error> {
    let (now, locked) = lock(connection, want).await?;
    let changed: Vec<Uuid> = locked
        .iter()
        .filter(|row| row.head.is_some())
        .map(|row| row.id)
        .collect();
    let parts = match changed.as_slice() {
        [] => HashMap::new(),
        changed => parts(read_parts(connection, changed).await?)?,
    };
    let definitions = definitions(store, connection, &locked).await?;
    let executions = found(locked, parts, &definitions)?;
    let due = if want.due.is_empty() {
        HashSet::new()
    } else {
        due(connection, want, now).await?
    };
    let handed_on = if want.returned.is_empty() {
        HashSet::new()
    } else {
        handed_on(connection, want).await?
    };
    let answers = if want.commands.is_empty() {
        HashMap::new()
    } else {
        answers(connection, &want.commands).await?
    };
    Ok(Loaded {
        now,
        executions,
        due,
        handed_on,
        answers,
    })
}

/// The clock is read with each row, so after its lock: that of the last row is after all of them, and no turn is
/// before the one that it waited for.
async fn lock(
    connection: &mut PgConnection,
    want: &Want,
) -> Result<(Timestamp, Vec<Stored>), Error> {
    type Row = (
        i64,
        Option<Uuid>,
        Option<Version>,
        Option<Uuid>,
        Option<String>,
        Option<String>,
    );
    const SQL: &str = concat!(
        "WITH locked AS MATERIALIZED (
            SELECT e.id, e.version, e.revision,
                CASE WHEN e.version IS DISTINCT FROM wanted.version THEN e.start END AS start,
                CASE WHEN e.version IS DISTINCT FROM wanted.version THEN e.head END AS head
            FROM unnest($1::uuid[], $2::bigint[]) AS wanted (id, version) JOIN executions e ON e.id = wanted.id
            ORDER BY e.id FOR UPDATE OF e)
        SELECT ",
        clock!(),
        ", locked.* FROM (SELECT 1) AS always LEFT JOIN locked ON true"
    );
    let ids: Vec<Uuid> = want.executions.keys().map(|id| id.0).collect();
    let versions: Vec<Option<Version>> = want.executions.values().copied().collect();
    let rows: Vec<Row> = sqlx::query_as(SQL)
        .bind(ids)
        .bind(versions)
        .fetch_all(connection)
        .await
        .map_err(fault)?;
    let now = rows.iter().map(|row| row.0).max().unwrap_or(0);
    let locked = rows
        .into_iter()
        .filter_map(|(_, id, version, revision, start, head)| {
            Some(Stored {
                id: id?,
                version: version?,
                revision: RevisionId(revision?),
                start,
                head,
            })
        });
    Ok((moment(now)?, locked.collect()))
}

async fn read_parts(
    connection: &mut PgConnection,
    executions: &[Uuid],
) -> Result<Vec<(Uuid, bool, String)>, Error> {
    const SQL: &str = "SELECT execution_id, true, body FROM scopes WHERE execution_id = ANY($1)
        UNION ALL SELECT execution_id, false, body FROM entries WHERE execution_id = ANY($1)";
    sqlx::query_as(SQL)
        .bind(executions)
        .fetch_all(connection)
        .await
        .map_err(fault)
}

/// The definitions of what is loaded, from memory where they were read before.
async fn definitions(
    store: &PostgresStore,
    connection: &mut PgConnection,
    locked: &[Stored],
) -> Result<HashMap<RevisionId, Arc<str>>, Error> {
    let (mut known, unknown) = store.definitions.known(locked);
    if !unknown.is_empty() {
        let read = read_definitions(connection, &unknown).await?;
        store.definitions.keep(read, &mut known);
    }
    Ok(known)
}

async fn read_definitions(
    connection: &mut PgConnection,
    revisions: &[Uuid],
) -> Result<Vec<(Uuid, String)>, Error> {
    const SQL: &str = "SELECT id, definition FROM revisions WHERE id = ANY($1)";
    sqlx::query_as(SQL)
        .bind(revisions)
        .fetch_all(connection)
        .await
        .map_err(fault)
}

async fn due(
    connection: &mut PgConnection,
    want: &Want,
    now: Timestamp,
) -> Result<HashSet<(ExecutionId, Sequence)>, Error> {
    const SQL: &str = "SELECT execution_id, wait FROM unnest($1::uuid[], $2::bigint[]) AS thought (execution_id, wait)
        JOIN waits USING (execution_id, wait) WHERE due <= $3";
    let (executions, waits) = columns(&want.due);
    let query = sqlx::query_as(SQL)
        .bind(executions)
        .bind(waits)
        .bind(micros(now));
    query.fetch_all(connection).await.map(names).map_err(fault)
}

async fn handed_on(
    connection: &mut PgConnection,
    want: &Want,
) -> Result<HashSet<(ExecutionId, Sequence)>, Error> {
    const SQL: &str = "SELECT execution_id, wait FROM unnest($1::uuid[], $2::bigint[]) AS returned (execution_id, wait)
        JOIN waits USING (execution_id, wait) WHERE handed_on";
    let (executions, waits) = columns(&want.returned);
    let query = sqlx::query_as(SQL).bind(executions).bind(waits);
    query.fetch_all(connection).await.map(names).map_err(fault)
}

fn columns(waits: &[(ExecutionId, Sequence)]) -> (Vec<Uuid>, Vec<i64>) {
    waits
        .iter()
        .map(|(execution, wait)| (execution.0, number(wait.0)))
        .unzip()
}

fn names(rows: Vec<(Uuid, i64)>) -> HashSet<(ExecutionId, Sequence)> {
    rows.into_iter().map(name).collect()
}

async fn answers(
    connection: &mut PgConnection,
    commands: &[String],
) -> Result<HashMap<String, Value>, Error> {
    const SQL: &str = "SELECT message_id, answer FROM commands WHERE message_id = ANY($1)";
    let ids: Vec<&[u8]> = commands.iter().map(String::as_bytes).collect();
    let rows: Vec<(Vec<u8>, String)> = sqlx::query_as(SQL)
        .bind(ids)
        .fetch_all(connection)
        .await
        .map_err(fault)?;
    let answers = rows.into_iter().map(|(id, answer)| {
        let id = String::from_utf8_lossy(&id).into_owned();
        let answer = parsed(&answer, || format!("the answer to command {id:?}"))?;
        Ok((id, answer))
    });
    answers.collect()
}
