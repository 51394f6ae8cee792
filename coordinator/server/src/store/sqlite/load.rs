//! What a batch knows before it decides.
//!
//! A statement per row: SQLite runs in this process, so nothing is saved by asking for many at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sagamore_interpreter::{ExecutionId, Sequence};
use serde_json::Value;
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::SqliteStore;
use super::fault::fault;
use crate::store::convert::{absent, moment, number, parsed};
use crate::store::rows::{Stored, found, parts};
use crate::store::{Error, Loaded, RevisionId, Version, Want};

/// Reads what the caller does not have.
pub(super) async fn load(
    store: &SqliteStore,
    connection: &mut SqliteConnection,
    now: i64,
    want: &Want,
) -> Result<Loaded, Error> {
    let mut stored = Vec::with_capacity(want.executions.len());
    let mut rows = Vec::new();
    for (id, version) in &want.executions {
        let Some(row) = read_execution(connection, id.0, *version).await? else {
            continue;
        };
        if row.head.is_some() {
            rows.append(&mut read_parts(connection, id.0).await?);
        }
        stored.push(row);
    }
    let definitions = definitions(store, connection, &stored).await?;
    let mut due = HashSet::new();
    for wait in &want.due {
        if is_due(connection, *wait, now).await? {
            due.insert(*wait);
        }
    }
    let mut handed_on = HashSet::new();
    for wait in &want.returned {
        if is_handed_on(connection, *wait).await? {
            handed_on.insert(*wait);
        }
    }
    Ok(Loaded {
        now: moment(now)?,
        executions: found(stored, parts(rows)?, &definitions)?,
        due,
        handed_on,
        answers: answers(connection, &want.commands).await?,
    })
}

async fn read_execution(
    connection: &mut SqliteConnection,
    id: Uuid,
    known: Option<Version>,
) -> Result<Option<Stored>, Error> {
    type Row = (Version, Uuid, Option<String>, Option<String>);
    const SQL: &str = "SELECT e.version, e.revision, s.body, CASE WHEN e.version IS NOT $2 THEN e.head END
        FROM executions e LEFT JOIN starts s ON s.execution_id = e.id AND e.version IS NOT $2 WHERE e.id = $1";
    let query = sqlx::query_as(SQL).bind(id).bind(known);
    let row: Option<Row> = query.fetch_optional(connection).await.map_err(fault)?;
    Ok(row.map(|(version, revision, start, head)| Stored {
        id,
        version,
        revision: RevisionId(revision),
        start,
        head,
    }))
}

async fn read_parts(
    connection: &mut SqliteConnection,
    id: Uuid,
) -> Result<Vec<(Uuid, bool, String)>, Error> {
    const SQL: &str = "SELECT execution_id, true, body FROM scopes WHERE execution_id = $1
        UNION ALL SELECT execution_id, false, body FROM entries WHERE execution_id = $1";
    sqlx::query_as(SQL)
        .bind(id)
        .fetch_all(connection)
        .await
        .map_err(fault)
}

/// The definitions of what is loaded, from memory where they were read before.
async fn definitions(
    store: &SqliteStore,
    connection: &mut SqliteConnection,
    stored: &[Stored],
) -> Result<HashMap<RevisionId, Arc<str>>, Error> {
    let (mut known, unknown) = store.definitions.known(stored);
    let mut read = Vec::with_capacity(unknown.len());
    for revision in unknown {
        read.push((revision, read_definition(connection, revision).await?));
    }
    if !read.is_empty() {
        store.definitions.keep(read, &mut known);
    }
    Ok(known)
}

async fn read_definition(
    connection: &mut SqliteConnection,
    revision: Uuid,
) -> Result<String, Error> {
    const SQL: &str = "SELECT definition FROM revisions WHERE id = $1";
    let definition = sqlx::query_scalar(SQL)
        .bind(revision)
        .fetch_optional(connection)
        .await
        .map_err(fault)?;
    definition.ok_or_else(|| absent(format!("revision {revision}")))
}

async fn is_due(
    connection: &mut SqliteConnection,
    (execution, wait): (ExecutionId, Sequence),
    now: i64,
) -> Result<bool, Error> {
    const SQL: &str =
        "SELECT EXISTS (SELECT 1 FROM waits WHERE execution_id = $1 AND wait = $2 AND due <= $3)";
    let query = sqlx::query_scalar(SQL)
        .bind(execution.0)
        .bind(number(wait.0))
        .bind(now);
    query.fetch_one(connection).await.map_err(fault)
}

async fn is_handed_on(
    connection: &mut SqliteConnection,
    (execution, wait): (ExecutionId, Sequence),
) -> Result<bool, Error> {
    const SQL: &str =
        "SELECT EXISTS (SELECT 1 FROM waits WHERE execution_id = $1 AND wait = $2 AND handed_on)";
    let query = sqlx::query_scalar(SQL)
        .bind(execution.0)
        .bind(number(wait.0));
    query.fetch_one(connection).await.map_err(fault)
}

async fn answers(
    connection: &mut SqliteConnection,
    commands: &[String],
) -> Result<HashMap<String, Value>, Error> {
    let mut answers = HashMap::new();
    for id in commands {
        if let Some(answer) = read_answer(connection, id).await? {
            let answer = parsed(&answer, || format!("the answer to command {id:?}"))?;
            answers.insert(id.clone(), answer);
        }
    }
    Ok(answers)
}

async fn read_answer(connection: &mut SqliteConnection, id: &str) -> Result<Option<String>, Error> {
    const SQL: &str = "SELECT answer FROM commands WHERE message_id = $1";
    sqlx::query_scalar(SQL)
        .bind(id.as_bytes())
        .fetch_optional(connection)
        .await
        .map_err(fault)
}
