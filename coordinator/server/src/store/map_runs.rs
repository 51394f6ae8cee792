//! What a history tells of Map Runs.

use std::collections::BTreeSet;

use sagamore_interpreter::{Event, HistoryRecord, ScopeId};

/// Those of the records that tell of a Map Run: how its Map began, that it began itself, that its items were read, how it ended,
/// or that it was closed.
pub fn of_map_runs(mut records: Vec<HistoryRecord>) -> Vec<HistoryRecord> {
    let run_of = |record: &HistoryRecord| match &record.event {
        Event::MapRunStarted { run, .. } => Some(*run),
        _ => None,
    };
    let runs: BTreeSet<ScopeId> = records.iter().filter_map(run_of).collect();
    records.retain(|record| match &record.event {
        Event::MapStateStarted { .. } => runs.contains(&ScopeId(record.sequence)),
        Event::MapRunStarted { .. }
        | Event::MapRunSucceeded { .. }
        | Event::MapRunFailed { .. } => true,
        Event::MapItemsRead { run, .. } | Event::ScopeClosed { scope: run, .. } => {
            runs.contains(run)
        }
        _ => false,
    });
    records
}
