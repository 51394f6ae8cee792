//! What a batch writes, as rows of its tables.

use std::collections::HashMap;

use sagamore_interpreter::{Head, Payload, Sequence, Start};
use uuid::Uuid;

use crate::store::convert::{due_micros, json, micros, number};
use crate::store::{Addressee, Error, TurnWrite, Version, WaitWrite, WaitWriteKind, Writes};

/// The kind of a wait in its column.
const TIMER: i16 = 0;
/// A task message.
const MESSAGE: i16 = 1;
/// A review.
const REVIEW: i16 = 2;
/// An incident.
const INCIDENT: i16 = 3;

/// The rows of a batch, table by table. No two write the same, so they may be written in any order.
#[derive(Debug, Default)]
pub struct Rows {
    /// Executions that begin.
    pub starts: Vec<StartRow>,
    /// Executions that go on: id, version, status, stopped at, head.
    pub updates: Vec<(Uuid, Version, &'static str, Option<i64>, String)>,
    /// Scopes as they are now: execution, scope, body.
    pub scopes: Vec<(Uuid, i64, String)>,
    /// Scopes that are gone: execution, scope.
    pub scopes_removed: Vec<(Uuid, i64)>,
    /// Entries as they are now: execution, entry, body.
    pub entries: Vec<(Uuid, i64, String)>,
    /// New records.
    pub history: Vec<TurnRow>,
    /// Waits that begin.
    pub opens: Vec<OpenRow>,
    /// Waits whose deadline moves: execution, wait, due, whether its message is still sent again.
    pub moves: Vec<(Uuid, i64, i64, bool)>,
    /// Waits that end: execution, wait.
    pub closes: Vec<(Uuid, i64)>,
    /// What executions have to say.
    pub events: Vec<EventRow>,
    /// Answers to commands: message id, answer.
    pub answers: Vec<(Vec<u8>, String)>,
}

/// An execution that begins.
#[derive(Debug)]
pub struct StartRow {
    /// Its id.
    pub id: Uuid,
    /// The revision it runs on.
    pub revision: Uuid,
    /// Its ARN.
    pub arn: String,
    /// Its machine's.
    pub machine_arn: String,
    /// Its name.
    pub name: String,
    /// The Map Run that it is of.
    pub map_run: Option<String>,
    /// Its status.
    pub status: &'static str,
    /// When it began.
    pub started_at: i64,
    /// When it ended, if it did in its first turn.
    pub stopped_at: Option<i64>,
    /// What it was started with.
    pub start: String,
    /// Its head, without that.
    pub head: String,
}

/// What an execution has to say.
#[derive(Debug)]
pub struct EventRow {
    /// The coordinator that sends it.
    pub owner: Uuid,
    /// Its place in the outbox.
    pub number: i64,
    /// The execution.
    pub execution: Uuid,
    /// The routing key; empty when it is for one execution.
    pub routing_key: String,
    /// That execution.
    pub recipient: Option<Uuid>,
    /// What it says.
    pub body: String,
}

/// The records of one turn.
#[derive(Debug)]
pub struct TurnRow {
    /// The execution.
    pub execution: Uuid,
    /// The id of the first event among the records, or of the next one to come when there is none.
    pub first_event: i64,
    /// The id of the last event there is with them.
    pub last_event: i64,
    /// The sequence of the first record.
    pub first_sequence: i64,
    /// The sequence of the last record.
    pub last_sequence: i64,
    /// The records.
    pub records: String,
}

/// A wait that begins.
#[derive(Debug)]
pub struct OpenRow {
    /// The execution.
    pub execution: Uuid,
    /// Its name.
    pub wait: i64,
    /// What it is.
    pub kind: i16,
    /// The coordinator that looks after it.
    pub owner: Uuid,
    /// When it is due.
    pub due: Option<i64>,
    /// When it began.
    pub opened_at: i64,
    /// Its message's place in the outbox.
    pub number: Option<i64>,
    /// Whether its message is sent again on a takeover.
    pub republish: bool,
    /// Its message, or its incident.
    pub body: Option<String>,
}

impl Rows {
    /// Of a batch.
    ///
    /// # Errors
    /// `Refused`, when a part of it can't be said in JSON.
    pub fn of(writes: &Writes) -> Result<Rows, Error> {
        let mut rows = Rows::default();
        // In one order everywhere: two batches that start the same executions then wait for each other in no circle.
        let mut turns: Vec<&TurnWrite> = writes.turns.iter().collect();
        turns.sort_unstable_by_key(|turn| turn.head.id);
        for turn in turns {
            rows.push(turn)?;
        }
        for (message_id, answer) in &writes.answers {
            rows.answers
                .push((message_id.as_bytes().to_vec(), json(answer)?));
        }
        Ok(rows)
    }

    fn push(&mut self, turn: &TurnWrite) -> Result<(), Error> {
        let id = turn.head.id.0;
        self.push_head(turn)?;
        for (scope, body) in &turn.scopes {
            let scope = number(scope.0.0);
            match body {
                Some(body) => self.scopes.push((id, scope, json(body)?)),
                None => self.scopes_removed.push((id, scope)),
            }
        }
        for entry in &turn.entries {
            self.entries.push((id, number(entry.id.0.0), json(entry)?));
        }
        self.push_history(turn)?;
        self.push_waits(turn)?;
        for event in &turn.events {
            let (routing_key, recipient) = match &event.to {
                Addressee::Listeners(routing_key) => (routing_key.clone(), None),
                Addressee::Execution(execution) => (String::new(), Some(execution.0)),
            };
            self.events.push(EventRow {
                owner: turn.coordinator.0,
                number: number(event.number),
                execution: id,
                routing_key,
                recipient,
                body: event.body.clone(),
            });
        }
        Ok(())
    }

    fn push_head(&mut self, turn: &TurnWrite) -> Result<(), Error> {
        let head = &turn.head;
        let (status, stopped_at) = (head.status.as_str(), head.stopped_at.map(micros));
        if turn.version > 1 {
            let row = (
                head.id.0,
                turn.version,
                status,
                stopped_at,
                head_json(head)?,
            );
            self.updates.push(row);
            return Ok(());
        }
        self.starts.push(StartRow {
            id: head.id.0,
            revision: turn.revision.0,
            arn: head.start.arn.clone(),
            machine_arn: head.start.machine_arn.clone(),
            name: head.start.name.clone(),
            map_run: head.start.map_run.clone(),
            status,
            started_at: micros(head.started_at),
            stopped_at,
            start: json(&head.start)?,
            head: head_json(head)?,
        });
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
        self.history.push(TurnRow {
            execution: turn.head.id.0,
            first_event: number(first_event),
            last_event: number(last_event.min(turn.head.event_id)),
            first_sequence: number(first.sequence.0),
            last_sequence: number(turn.head.sequence.0),
            records: json(&turn.history)?,
        });
        Ok(())
    }

    /// What opens, moves and closes in the same turn meets here: one row is written once.
    fn push_waits(&mut self, turn: &TurnWrite) -> Result<(), Error> {
        let id = turn.head.id.0;
        let mut moves: HashMap<Sequence, _> = turn
            .moves
            .iter()
            .map(|(wait, due, republish)| (*wait, (*due, *republish)))
            .collect();
        for open in &turn.opens {
            let moved = moves.remove(&open.wait);
            if !turn.closes.contains(&open.wait) {
                self.opens.push(open_row(turn, open, moved)?);
            }
        }
        for (wait, (due, republish)) in moves {
            let row = (id, number(wait.0), due_micros(due), republish);
            self.moves.push(row);
        }
        let closes = turn.closes.iter().map(|wait| (id, number(wait.0)));
        self.closes.extend(closes);
        Ok(())
    }
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
        parent: None,
        block: None,
        map_run: None,
    };
    json(&Head {
        start,
        ..head.clone()
    })
}

fn open_row(
    turn: &TurnWrite,
    open: &WaitWrite,
    moved: Option<(jiff::Timestamp, bool)>,
) -> Result<OpenRow, Error> {
    let (kind, message, body) = match &open.kind {
        WaitWriteKind::Timer => (TIMER, None, None),
        WaitWriteKind::Message(outgoing, place) => {
            (MESSAGE, Some(number(*place)), Some(json(outgoing)?))
        }
        WaitWriteKind::Review(outgoing) => (REVIEW, None, Some(json(outgoing)?)),
        WaitWriteKind::Incident(incident) => (INCIDENT, None, Some(json(incident)?)),
    };
    let due = moved.map(|(due, _)| due).or(open.due);
    Ok(OpenRow {
        execution: turn.head.id.0,
        wait: number(open.wait.0),
        kind,
        owner: turn.coordinator.0,
        due: due.map(due_micros),
        opened_at: micros(turn.head.at),
        number: message,
        republish: message.is_some() && moved.is_none_or(|(_, republish)| republish),
        body,
    })
}
