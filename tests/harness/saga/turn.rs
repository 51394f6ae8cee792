//! What must hold of a single turn, whatever it did.

use anyhow::{Result, ensure};
use jiff::Timestamp;
use sagamore_interpreter::definition::Machine;
use sagamore_interpreter::{Decision, Execution, HistoryRecord, Input, decide};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::token;

/// What changed is what the store is told to write, an untouched row is as it was; and what is written is read back.
pub(super) fn check_rows(before: &Execution, after: &mut Execution) -> Result<()> {
    let touched = after.take_touched();
    let scopes = before.scopes.keys().chain(after.scopes.keys());
    for id in scopes.filter(|id| !touched.scopes.contains(id)) {
        ensure!(
            before.scopes.get(id) == after.scopes.get(id),
            "scope {id:?} changed and would not be written"
        );
    }
    let entries = before.ledger.keys().chain(after.ledger.keys());
    for id in entries.filter(|id| !touched.entries.contains(id)) {
        ensure!(
            before.ledger.get(id) == after.ledger.get(id),
            "entry {id:?} changed and would not be written"
        );
    }
    let mut scopes = after.scopes.clone();
    for scope in scopes
        .values_mut()
        .filter(|scope| touched.scopes.contains(&scope.id))
    {
        *scope = same(scope)?;
    }
    let mut ledger = after.ledger.clone();
    for entry in ledger
        .values_mut()
        .filter(|entry| touched.entries.contains(&entry.id))
    {
        *entry = same(entry)?;
    }
    let (scopes, ledger) = (
        scopes.into_values().collect(),
        ledger.into_values().collect(),
    );
    let loaded = Execution::load(same(&after.head)?, scopes, ledger);
    ensure!(
        loaded == *after,
        "the execution is not the same once stored and loaded"
    );
    Ok(())
}

/// The same turn taken twice, since a crash lost the first, is the same.
pub(super) fn check_determinism(
    machine: &Machine,
    mut before: Execution,
    input: &Input,
    now: Timestamp,
    decision: &Decision,
) -> Result<()> {
    let again = decide(machine, &mut before, input, now, &token)?;
    ensure!(
        again.as_ref() == Ok(decision),
        "the turn of {input:?} is not the same again"
    );
    Ok(())
}

/// What is written down is read back as it was.
pub(super) fn check_history(history: &[HistoryRecord]) -> Result<()> {
    history.iter().try_for_each(|record| same(record).map(drop))
}

fn same<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) -> Result<T> {
    let text = serde_json::to_string(value)?;
    let read: T = serde_json::from_str(&text)?;
    ensure!(read == *value, "{value:?} is read back as {read:?}");
    Ok(read)
}
