//! What a batch writes: executions that begin in one statement, all else in another.

use std::collections::HashMap;

use sagamore_interpreter::{Head, Payload, Sequence, Start};
use sqlx::PgConnection;
use uuid::Uuid;

use super::convert::{clock, due_micros, fault, json, micros, number, start_fault};
use crate::store::{Error, TurnWrite, Version, WaitWrite, WaitWriteKind, Writes};

/// The kind of a wait in its column.
pub(super) const TIMER: i16 = 0;
/// A task message.
pub(super) const MESSAGE: i16 = 1;
/// A review.
pub(super) const REVIEW: i16 = 2;
/// An incident.
pub(super) const INCIDENT: i16 = 3;

/// Writes all of it, or fails.
pub(super) async fn write(connection: &mut PgConnection, writes: &Writes) -> Result<(), Error> {
    if writes.turns.is_empty() && writes.answers.is_empty() {
        return Ok(());
    }
    // In one order everywhere: two batches that start the same executions then wait for each other in no circle.
    let mut turns: Vec<&TurnWrite> = writes.turns.iter().collect();
    turns.sort_unstable_by_key(|turn| turn.head.id);
    let (starts, updates): (Vec<&TurnWrite>, Vec<&TurnWrite>) =
        turns.iter().partition(|turn| turn.version == 1);
    if !starts.is_empty() {
        let mut rows = Starts::default();
        starts.iter().try_for_each(|turn| rows.push(turn))?;
        insert_executions(connection, rows).await?;
    }
    let mut rows = Rows::default();
    updates.iter().try_for_each(|turn| rows.update(turn))?;
    turns.iter().try_for_each(|turn| rows.push(turn))?;
    for (message_id, answer) in &writes.answers {
        rows.answers.0.push(message_id.as_bytes().to_vec());
        rows.answers.1.push(json(answer)?);
    }
    let written = write_turns(connection, rows).await?;
    if written != number(updates.len() as u64) {
        return Err(Error::Unavailable(
            "an execution was written by another coordinator in between".into(),
        ));
    }
    Ok(())
}

/// A head without what the execution was started with: that is written once, however large it is.
fn head_json(head: &Head) -> Result<String, Error> {
    let nothing = String::new;
    let start = Start {
        arn: nothing(),
        name: nothing(),
        machine_arn: nothing(),
        machine_name: nothing(),
        role_arn: nothing(),
        input: Payload::default(),
    };
    json(&Head {
        start,
        ..head.clone()
    })
}

/// The columns of executions that begin.
#[derive(Default)]
struct Starts {
    ids: Vec<Uuid>,
    revisions: Vec<Uuid>,
    arns: Vec<String>,
    machine_arns: Vec<String>,
    names: Vec<String>,
    statuses: Vec<&'static str>,
    started: Vec<i64>,
    stopped: Vec<Option<i64>>,
    starts: Vec<String>,
    heads: Vec<String>,
}

impl Starts {
    fn push(&mut self, turn: &TurnWrite) -> Result<(), Error> {
        let head = &turn.head;
        self.ids.push(head.id.0);
        self.revisions.push(turn.revision.0);
        self.arns.push(head.start.arn.clone());
        self.machine_arns.push(head.start.machine_arn.clone());
        self.names.push(head.start.name.clone());
        self.statuses.push(head.status.as_str());
        self.started.push(micros(head.started_at));
        self.stopped.push(head.stopped_at.map(micros));
        self.starts.push(json(&head.start)?);
        self.heads.push(head_json(head)?);
        Ok(())
    }
}

async fn insert_executions(connection: &mut PgConnection, rows: Starts) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO executions
            (version, id, revision, arn, machine_arn, name, status, started_at, stopped_at, start, head)
        SELECT 1, * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
            $8::bigint[], $9::text[], $10::text[])";
    let query = sqlx::query(SQL)
        .bind(rows.ids)
        .bind(rows.revisions)
        .bind(rows.arns)
        .bind(rows.machine_arns)
        .bind(rows.names);
    let query = query
        .bind(rows.statuses)
        .bind(rows.started)
        .bind(rows.stopped)
        .bind(rows.starts)
        .bind(rows.heads);
    query.execute(connection).await.map_err(start_fault)?;
    Ok(())
}

/// The columns of all else, table by table.
#[derive(Default)]
struct Rows {
    updates: (
        Vec<Uuid>,
        Vec<Version>,
        Vec<&'static str>,
        Vec<Option<i64>>,
        Vec<String>,
    ),
    scopes: (Vec<Uuid>, Vec<i64>, Vec<String>),
    scopes_removed: (Vec<Uuid>, Vec<i64>),
    entries: (Vec<Uuid>, Vec<i64>, Vec<String>),
    history: History,
    opens: Opens,
    moves: (Vec<Uuid>, Vec<i64>, Vec<i64>, Vec<bool>),
    closes: (Vec<Uuid>, Vec<i64>),
    events: (Vec<Uuid>, Vec<i64>, Vec<Uuid>, Vec<String>, Vec<String>),
    answers: (Vec<Vec<u8>>, Vec<String>),
}

#[derive(Default)]
struct History {
    executions: Vec<Uuid>,
    first_events: Vec<i64>,
    last_events: Vec<i64>,
    first_sequences: Vec<i64>,
    last_sequences: Vec<i64>,
    records: Vec<String>,
}

#[derive(Default)]
struct Opens {
    executions: Vec<Uuid>,
    waits: Vec<i64>,
    kinds: Vec<i16>,
    owners: Vec<Uuid>,
    dues: Vec<Option<i64>>,
    opened: Vec<i64>,
    numbers: Vec<Option<i64>>,
    republish: Vec<bool>,
    bodies: Vec<Option<String>>,
}

impl Rows {
    fn update(&mut self, turn: &TurnWrite) -> Result<(), Error> {
        self.updates.0.push(turn.head.id.0);
        self.updates.1.push(turn.version);
        self.updates.2.push(turn.head.status.as_str());
        self.updates.3.push(turn.head.stopped_at.map(micros));
        self.updates.4.push(head_json(&turn.head)?);
        Ok(())
    }

    fn push(&mut self, turn: &TurnWrite) -> Result<(), Error> {
        let id = turn.head.id.0;
        for (scope, body) in &turn.scopes {
            let scope = number(scope.0.0);
            if let Some(body) = body {
                self.scopes.0.push(id);
                self.scopes.1.push(scope);
                self.scopes.2.push(json(body)?);
            } else {
                self.scopes_removed.0.push(id);
                self.scopes_removed.1.push(scope);
            }
        }
        for entry in &turn.entries {
            self.entries.0.push(id);
            self.entries.1.push(number(entry.id.0.0));
            self.entries.2.push(json(entry)?);
        }
        self.push_history(turn)?;
        self.push_waits(turn)?;
        for event in &turn.events {
            self.events.0.push(turn.coordinator.0);
            self.events.1.push(number(event.number));
            self.events.2.push(id);
            self.events.3.push(event.routing_key.clone());
            self.events.4.push(event.body.clone());
        }
        Ok(())
    }

    fn push_history(&mut self, turn: &TurnWrite) -> Result<(), Error> {
        let [first, ..] = turn.history.as_slice() else {
            return Ok(());
        };
        let mut ids = turn.history.iter().filter_map(|record| record.event_id);
        // Event ids are dense, so the next one to come is known.
        let first_event = ids.next().unwrap_or(turn.head.event_id + 1);
        let last_event = ids.next_back().unwrap_or(first_event);
        self.history.executions.push(turn.head.id.0);
        self.history.first_events.push(number(first_event));
        self.history
            .last_events
            .push(number(last_event.min(turn.head.event_id)));
        self.history.first_sequences.push(number(first.sequence.0));
        self.history
            .last_sequences
            .push(number(turn.head.sequence.0));
        self.history.records.push(json(&turn.history)?);
        Ok(())
    }

    fn push_waits(&mut self, turn: &TurnWrite) -> Result<(), Error> {
        // One statement writes all: what opens, moves and closes in the same turn must meet before it.
        let mut moves: HashMap<Sequence, _> = turn
            .moves
            .iter()
            .map(|(wait, due, republish)| (*wait, (*due, *republish)))
            .collect();
        for open in &turn.opens {
            let moved = moves.remove(&open.wait);
            if !turn.closes.contains(&open.wait) {
                self.push_open(turn, open, moved)?;
            }
        }
        for (wait, (due, republish)) in moves {
            self.moves.0.push(turn.head.id.0);
            self.moves.1.push(number(wait.0));
            self.moves.2.push(due_micros(due));
            self.moves.3.push(republish);
        }
        for wait in &turn.closes {
            self.closes.0.push(turn.head.id.0);
            self.closes.1.push(number(wait.0));
        }
        Ok(())
    }

    fn push_open(
        &mut self,
        turn: &TurnWrite,
        open: &WaitWrite,
        moved: Option<(jiff::Timestamp, bool)>,
    ) -> Result<(), Error> {
        let (kind, message, body) = match &open.kind {
            WaitWriteKind::Timer => (TIMER, None, None),
            WaitWriteKind::Message(outgoing, place) => {
                (MESSAGE, Some(number(*place)), Some(json(outgoing)?))
            }
            WaitWriteKind::Review(outgoing) => (REVIEW, None, Some(json(outgoing)?)),
            WaitWriteKind::Incident(incident) => (INCIDENT, None, Some(json(incident)?)),
        };
        let opens = &mut self.opens;
        opens.executions.push(turn.head.id.0);
        opens.waits.push(number(open.wait.0));
        opens.kinds.push(kind);
        opens.owners.push(turn.coordinator.0);
        opens
            .dues
            .push(moved.map(|(due, _)| due).or(open.due).map(due_micros));
        opens.opened.push(micros(turn.head.at));
        opens.numbers.push(message);
        opens
            .republish
            .push(message.is_some() && moved.is_none_or(|(_, republish)| republish));
        opens.bodies.push(body);
        Ok(())
    }
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
        INSERT INTO events (owner, number, execution_id, routing_key, body)
        SELECT * FROM unnest($35::uuid[], $36::bigint[], $37::uuid[], $38::text[], $39::text[])),
    answers_written AS (
        INSERT INTO commands (message_id, answer, answered_at)
        SELECT t.*, ",
    clock!(),
    " FROM unnest($40::bytea[], $41::text[]) AS t ON CONFLICT (message_id) DO NOTHING)
    SELECT count(*) FROM updated"
);

async fn write_turns(connection: &mut PgConnection, rows: Rows) -> Result<i64, Error> {
    let Rows {
        updates,
        scopes,
        scopes_removed,
        entries,
        history,
        opens,
        moves,
        closes,
        events,
        answers,
    } = rows;
    let query = sqlx::query_scalar(WRITE_TURNS);
    let query = query
        .bind(updates.0)
        .bind(updates.1)
        .bind(updates.2)
        .bind(updates.3)
        .bind(updates.4);
    let query = query
        .bind(scopes.0)
        .bind(scopes.1)
        .bind(scopes.2)
        .bind(scopes_removed.0)
        .bind(scopes_removed.1);
    let query = query.bind(entries.0).bind(entries.1).bind(entries.2);
    let query = query
        .bind(history.executions)
        .bind(history.first_events)
        .bind(history.last_events);
    let query = query
        .bind(history.first_sequences)
        .bind(history.last_sequences)
        .bind(history.records);
    let query = query
        .bind(opens.executions)
        .bind(opens.waits)
        .bind(opens.kinds)
        .bind(opens.owners)
        .bind(opens.dues);
    let query = query
        .bind(opens.opened)
        .bind(opens.numbers)
        .bind(opens.republish)
        .bind(opens.bodies);
    let query = query
        .bind(moves.0)
        .bind(moves.1)
        .bind(moves.2)
        .bind(moves.3)
        .bind(closes.0)
        .bind(closes.1);
    let query = query
        .bind(events.0)
        .bind(events.1)
        .bind(events.2)
        .bind(events.3)
        .bind(events.4);
    query
        .bind(answers.0)
        .bind(answers.1)
        .fetch_one(connection)
        .await
        .map_err(fault)
}
