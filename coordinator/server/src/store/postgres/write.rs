//! What a batch writes: executions that begin in one statement, all else in another.

use sqlx::PgConnection;
use sqlx::postgres::PgArguments;
use sqlx::query::QueryScalar;

use super::fault::{clock, fault};
use super::replies;
use crate::store::convert::{number, overtaken, start_fault};
use crate::store::rows::{Rows, StartRow, late_columns};
use crate::store::{Error, Writes};

/// Writes all of it, or fails.
pub(super) async fn write(connection: &mut PgConnection, writes: &Writes) -> Result<(), Error> {
    if !writes.late.is_empty() {
        replies::insert(connection, &late_columns(&writes.late)).await?;
    }
    if writes.turns.is_empty() && writes.answers.is_empty() {
        return Ok(());
    }
    let rows = Rows::of(writes)?;
    if !rows.starts.is_empty() {
        insert_executions(connection, &rows.starts).await?;
    }
    if write_turns(connection, &rows).await? != number(rows.updates.len() as u64) {
        return Err(overtaken());
    }
    Ok(())
}

async fn insert_executions(connection: &mut PgConnection, rows: &[StartRow]) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO executions
            (version, id, revision, arn, machine_arn, name, status, started_at, stopped_at, start, head, map_run)
        SELECT 1, * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
            $8::bigint[], $9::text[], $10::text[], $11::text[])";
    let query = sqlx::query(SQL)
        .bind(column(rows, |row| row.id))
        .bind(column(rows, |row| row.revision))
        .bind(column(rows, |row| row.arn.as_str()))
        .bind(column(rows, |row| row.machine_arn.as_str()))
        .bind(column(rows, |row| row.name.as_str()))
        .bind(column(rows, |row| row.status))
        .bind(column(rows, |row| row.started_at))
        .bind(column(rows, |row| row.stopped_at))
        .bind(column(rows, |row| row.start.as_str()))
        .bind(column(rows, |row| row.head.as_str()))
        .bind(column(rows, |row| row.map_run.as_deref()));
    let done = query.execute(connection).await;
    done.map_err(|error| start_fault(error, fault))?;
    Ok(())
}

/// One statement for nine tables: a round trip costs more than a part that finds nothing to do. No part sees what
/// another writes, and no two write the same row.
const WRITE_TURNS: &str = concat!(
    "WITH updated AS (
        UPDATE executions e SET version = t.version, status = t.status, stopped_at = t.stopped_at, head = t.head
        FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::text[])
            AS t (id, version, status, stopped_at, head)
        WHERE e.id = t.id AND e.version = t.version - 1
        RETURNING e.id),
    scopes_written AS (
        INSERT INTO scopes (execution_id, scope, body) SELECT * FROM unnest($6::uuid[], $7::bigint[], $8::text[])
        ON CONFLICT (execution_id, scope) DO UPDATE SET body = excluded.body),
    scopes_removed AS (
        DELETE FROM scopes s USING unnest($9::uuid[], $10::bigint[]) AS t (execution_id, scope)
        WHERE s.execution_id = t.execution_id AND s.scope = t.scope),
    entries_written AS (
        INSERT INTO entries (execution_id, entry, body) SELECT * FROM unnest($11::uuid[], $12::bigint[], $13::text[])
        ON CONFLICT (execution_id, entry) DO UPDATE SET body = excluded.body),
    history_written AS (
        INSERT INTO history (execution_id, first_event, last_event, first_sequence, last_sequence, records)
        SELECT * FROM unnest($14::uuid[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::text[])),
    waits_opened AS (
        INSERT INTO waits (execution_id, wait, kind, owner, due, opened_at, number, republish, body)
        SELECT * FROM unnest($20::uuid[], $21::bigint[], $22::smallint[], $23::uuid[], $24::bigint[], $25::bigint[],
            $26::bigint[], $27::boolean[], $28::text[])),
    waits_moved AS (
        UPDATE waits w SET due = t.due, held = NULL, republish = t.republish AND w.kind = 1
        FROM unnest($29::uuid[], $30::bigint[], $31::bigint[], $32::boolean[]) AS t (execution_id, wait, due, republish)
        WHERE w.execution_id = t.execution_id AND w.wait = t.wait),
    waits_closed AS (
        DELETE FROM waits w USING unnest($33::uuid[], $34::bigint[]) AS t (execution_id, wait)
        WHERE w.execution_id = t.execution_id AND w.wait = t.wait),
    events_written AS (
        INSERT INTO events (owner, number, execution_id, routing_key, recipient, body)
        SELECT * FROM unnest($35::uuid[], $36::bigint[], $37::uuid[], $38::text[], $39::uuid[], $40::text[])),
    answers_written AS (
        INSERT INTO commands (message_id, answer, answered_at)
        SELECT t.*, ",
    clock!(),
    " FROM unnest($41::bytea[], $42::text[]) AS t ON CONFLICT (message_id) DO NOTHING)
    SELECT count(*) FROM updated"
);

async fn write_turns(connection: &mut PgConnection, rows: &Rows) -> Result<i64, Error> {
    let query = bind_executions(sqlx::query_scalar(WRITE_TURNS), rows);
    bind_waits(query, rows)
        .fetch_one(connection)
        .await
        .map_err(fault)
}

type Query<'q> = QueryScalar<'q, sqlx::Postgres, i64, PgArguments>;

/// The columns of executions, scopes, entries and history: `$1` to `$19`.
fn bind_executions<'q>(query: Query<'q>, rows: &'q Rows) -> Query<'q> {
    query
        .bind(column(&rows.updates, |row| row.0))
        .bind(column(&rows.updates, |row| row.1))
        .bind(column(&rows.updates, |row| row.2))
        .bind(column(&rows.updates, |row| row.3))
        .bind(column(&rows.updates, |row| row.4.as_str()))
        .bind(column(&rows.scopes, |row| row.0))
        .bind(column(&rows.scopes, |row| row.1))
        .bind(column(&rows.scopes, |row| row.2.as_str()))
        .bind(column(&rows.scopes_removed, |row| row.0))
        .bind(column(&rows.scopes_removed, |row| row.1))
        .bind(column(&rows.entries, |row| row.0))
        .bind(column(&rows.entries, |row| row.1))
        .bind(column(&rows.entries, |row| row.2.as_str()))
        .bind(column(&rows.history, |row| row.execution))
        .bind(column(&rows.history, |row| row.first_event))
        .bind(column(&rows.history, |row| row.last_event))
        .bind(column(&rows.history, |row| row.first_sequence))
        .bind(column(&rows.history, |row| row.last_sequence))
        .bind(column(&rows.history, |row| row.records.as_str()))
}

/// The columns of waits, events and answers: `$20` to `$42`.
fn bind_waits<'q>(query: Query<'q>, rows: &'q Rows) -> Query<'q> {
    query
        .bind(column(&rows.opens, |row| row.execution))
        .bind(column(&rows.opens, |row| row.wait))
        .bind(column(&rows.opens, |row| row.kind))
        .bind(column(&rows.opens, |row| row.owner))
        .bind(column(&rows.opens, |row| row.due))
        .bind(column(&rows.opens, |row| row.opened_at))
        .bind(column(&rows.opens, |row| row.number))
        .bind(column(&rows.opens, |row| row.republish))
        .bind(column(&rows.opens, |row| row.body.as_deref()))
        .bind(column(&rows.moves, |row| row.0))
        .bind(column(&rows.moves, |row| row.1))
        .bind(column(&rows.moves, |row| row.2))
        .bind(column(&rows.moves, |row| row.3))
        .bind(column(&rows.closes, |row| row.0))
        .bind(column(&rows.closes, |row| row.1))
        .bind(column(&rows.events, |row| row.owner))
        .bind(column(&rows.events, |row| row.number))
        .bind(column(&rows.events, |row| row.execution))
        .bind(column(&rows.events, |row| row.routing_key.as_str()))
        .bind(column(&rows.events, |row| row.recipient))
        .bind(column(&rows.events, |row| row.body.as_str()))
        .bind(column(&rows.answers, |row| row.0.as_slice()))
        .bind(column(&rows.answers, |row| row.1.as_str()))
}

/// One column of the rows.
fn column<'r, Row, T>(rows: &'r [Row], of: impl Fn(&'r Row) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}
