//! Executions and their histories.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use sagamore_interpreter::{
    Entry, Execution, ExecutionId, Head, HistoryRecord, Scope, Start, Status,
};
use uuid::Uuid;

use crate::store::convert::{absent, micros, parsed, row};
use crate::store::{
    Error, ExecutionFilter, ExecutionRow, Found, RevisionId, StoredExecution, Version,
};

/// Definitions to keep at hand; past them all are forgotten and read anew.
const DEFINITIONS_MAX: usize = 256;

/// A wanted execution; `start` and `head` only when the caller has another version.
#[derive(Debug)]
pub struct Stored {
    /// Its id.
    pub id: Uuid,
    /// Its version.
    pub version: Version,
    /// The revision it runs on.
    pub revision: RevisionId,
    /// What it was started with.
    pub start: Option<String>,
    /// Its head, without that.
    pub head: Option<String>,
}

/// The scopes and entries of an execution.
pub type Parts = (Vec<Scope>, Vec<Entry>);

/// Scopes and entries by their executions; of each row the execution, whether it is a scope, and the body.
pub fn parts(
    rows: impl IntoIterator<Item = (Uuid, bool, String)>,
) -> Result<HashMap<ExecutionId, Parts>, Error> {
    let mut all: HashMap<ExecutionId, Parts> = HashMap::new();
    for (id, is_scope, body) in rows {
        let id = ExecutionId(id);
        let (scopes, entries) = all.entry(id).or_default();
        if is_scope {
            scopes.push(parsed(&body, || row("a scope", id))?);
        } else {
            entries.push(parsed(&body, || row("an entry", id))?);
        }
    }
    Ok(all)
}

/// What the caller learns of the executions it wants.
pub fn found(
    stored: Vec<Stored>,
    mut parts: HashMap<ExecutionId, Parts>,
    definitions: &HashMap<RevisionId, Arc<str>>,
) -> Result<HashMap<ExecutionId, Found>, Error> {
    let executions = stored.into_iter().map(|row| {
        let id = ExecutionId(row.id);
        let parts = parts.remove(&id).unwrap_or_default();
        Ok((id, found_one(row, parts, definitions)?))
    });
    executions.collect()
}

fn found_one(
    row: Stored,
    (scopes, entries): Parts,
    definitions: &HashMap<RevisionId, Arc<str>>,
) -> Result<Found, Error> {
    let Some((start, head)) = row.start.zip(row.head) else {
        return Ok(Found::Unchanged);
    };
    let head = self::head(ExecutionId(row.id), &start, &head)?;
    let definition = definitions.get(&row.revision).cloned();
    let definition = definition.ok_or_else(|| absent(format!("revision {}", row.revision.0)))?;
    let execution = Execution::load(head, scopes, entries);
    Ok(Found::Stored(Box::new(StoredExecution {
        version: row.version,
        revision: row.revision,
        definition,
        execution,
    })))
}

/// The head of an execution, with what it was started with back in its place.
fn head(execution: ExecutionId, start: &str, head: &str) -> Result<Head, Error> {
    let mut head: Head = parsed(head, || row("the head", execution))?;
    head.start = parsed::<Start>(start, || row("the start", execution))?;
    Ok(head)
}

/// Definitions never change, so those that were read once need not be read again. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Definitions(Arc<Mutex<HashMap<RevisionId, Arc<str>>>>);

impl Definitions {
    /// Those of what is loaded that are known, and the revisions of those that are not.
    pub fn known(&self, stored: &[Stored]) -> (HashMap<RevisionId, Arc<str>>, Vec<Uuid>) {
        let loaded = stored.iter().filter(|row| row.head.is_some());
        let revisions: HashSet<RevisionId> = loaded.map(|row| row.revision).collect();
        let (mut known, mut unknown) = (HashMap::with_capacity(revisions.len()), Vec::new());
        let cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for revision in revisions {
            match cache.get(&revision) {
                Some(definition) => drop(known.insert(revision, definition.clone())),
                None => unknown.push(revision.0),
            }
        }
        (known, unknown)
    }

    /// Keeps what was read, and adds it to what is known.
    pub fn keep(&self, read: Vec<(Uuid, String)>, known: &mut HashMap<RevisionId, Arc<str>>) {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() + read.len() > DEFINITIONS_MAX {
            cache.clear();
        }
        for (revision, definition) in read {
            let definition: Arc<str> = definition.into();
            cache.insert(RevisionId(revision), definition.clone());
            known.insert(RevisionId(revision), definition);
        }
    }
}

/// Id, revision, start, head.
pub type Row = (Uuid, Uuid, String, String);

/// An execution in a list, or described.
pub fn execution_row((id, revision, start, head_text): Row) -> Result<ExecutionRow, Error> {
    Ok(ExecutionRow {
        head: head(ExecutionId(id), &start, &head_text)?,
        revision: RevisionId(revision),
    })
}

/// The time and id before which the page of a list lies.
pub fn page_start(filter: &ExecutionFilter) -> (i64, Uuid) {
    // Ids as text and as bytes have one order. A name that is no id stands before all.
    match &filter.after {
        Some(key) => (
            micros(key.at),
            Uuid::parse_str(&key.name).unwrap_or(Uuid::nil()),
        ),
        None => (i64::MAX, Uuid::max()),
    }
}

/// The first and the last event id of a page; `reverse_from` is the last event there is when the newest come first.
///
/// Event ids are dense, so they are known before the page is read, and the rows that hold them are one range of the
/// index.
pub fn event_page(after: Option<u64>, reverse_from: Option<u64>, limit: u32) -> (u64, u64) {
    let limit = u64::from(limit);
    match reverse_from {
        Some(last) => {
            let end = last + 1;
            let before = after.unwrap_or(end).min(end);
            (
                before.saturating_sub(limit).max(1),
                before.saturating_sub(1),
            )
        }
        None => {
            let after = after.unwrap_or(0);
            (after.saturating_add(1), after.saturating_add(limit))
        }
    }
}

/// The records of these turns.
pub fn records(execution: ExecutionId, turns: &[String]) -> Result<Vec<HistoryRecord>, Error> {
    let mut all = Vec::new();
    for turn in turns {
        all.append(&mut parsed::<Vec<HistoryRecord>>(turn, || {
            row("the history", execution)
        })?);
    }
    Ok(all)
}

/// Counts by status, in one order everywhere.
pub fn status_counts(counts: &[(String, i64)]) -> Vec<(Status, u64)> {
    let count = |status: Status| counts.iter().find(|(word, _)| word == status.as_str());
    let all = Status::ALL.into_iter();
    all.filter_map(|status| Some((status, count(status)?.1.cast_unsigned())))
        .collect()
}

/// Those of the records that are a page.
pub fn shown(
    mut records: Vec<HistoryRecord>,
    (first, last): (u64, u64),
    reverse: bool,
) -> Vec<HistoryRecord> {
    records.retain(|record| {
        record
            .event_id
            .is_some_and(|id| (first..=last).contains(&id))
    });
    if reverse {
        records.reverse();
    }
    records
}
