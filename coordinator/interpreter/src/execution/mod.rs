//! An execution: one run of a state machine, as the fold of its history.
//!
//! [`Execution::apply`] is the only code that changes one. What is stored beside the history is a cache of the fold:
//! one small row for the head, one per scope and one per ledger entry, written only when touched.

mod apply;
mod cursors;
mod entry;
mod flight;
mod invariants;
mod items;
mod scope;
mod touched;
mod variables;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use crate::compensation::Disposition;
pub(crate) use cursors::{Cursor, Cursors};
pub use entry::{Attempt, Entry, Step, Subject, Undo, UndoProgress};
pub use flight::Flight;
pub use invariants::Broken;
pub(crate) use items::{Items, ItemsCache};
pub use scope::{Activity, Goal, Iterations, Phase, Position, Scope, Suspension};
pub use touched::Touched;

use crate::compensation::{CompensationStatus, Tally};
use crate::definition::BlockId;
use crate::history::{Event, HistoryRecord, Payload, Status, present};
use crate::ids::{EntryId, ExecutionId, Runner, ScopeId, Sequence};
use crate::input::Start;

/// One run of a state machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// What there is one of.
    pub head: Head,
    /// The scopes that are open, or whose entries may still be undone.
    pub scopes: BTreeMap<ScopeId, Scope>,
    /// The ledger.
    pub ledger: BTreeMap<EntryId, Entry>,
    /// What is waited for, and by whom: an index, derived from all of the above.
    pub(crate) waits: BTreeMap<Sequence, Waiter>,
    /// The items of the Maps that run, by the scopes that hold their iterations.
    pub(crate) items: ItemsCache,
    /// The scopes that undo: an index, derived.
    pub(crate) undoing: BTreeSet<ScopeId>,
    /// How many bytes of JSON the variables of all scopes have together: derived.
    pub(crate) variables_bytes: usize,
    pub(crate) cursors: Cursors,
    touched: Touched,
}

/// What an execution has one of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Its id.
    pub id: ExecutionId,
    /// What it was started with.
    pub start: Start,
    /// When.
    pub started_at: Timestamp,
    /// Its status.
    pub status: Status,
    /// When it ended.
    pub stopped_at: Option<Timestamp>,
    /// The output, of one that succeeded.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub output: Option<Payload>,
    /// The error, of one that ended with one.
    pub error: Option<String>,
    /// Its cause.
    pub cause: Option<String>,
    /// The last record's sequence.
    pub sequence: Sequence,
    /// The last event's id.
    pub event_id: u64,
    /// The last record's time.
    pub at: Timestamp,
    /// When the whole execution times out; its timer is named by the first record.
    pub timeout_at: Option<Timestamp>,
    /// How many entries stand where.
    pub tally: Tally,
    /// Entries that are undone on their own, since a success came when their scope was through with undoing.
    pub strays: Vec<EntryId>,
    /// Whether a scope undoes.
    pub is_compensating: bool,
    /// The entry of the pivot, once that has had its effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pivot: Option<EntryId>,
    /// Whether it has succeeded, and the execution that waited for it may yet have what it did undone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_kept: bool,
    /// The attempt of that one's undo which waits until what this one did is undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<Sequence>,
    /// The phase of undoing that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_phase: Option<UndoPhase>,
}

/// All that is undone from when the first scope begins to undo until none does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoPhase {
    /// It may go on.
    Timed {
        /// The timer.
        wait: Sequence,
        /// Its time.
        until: Timestamp,
    },
    /// It has taken too long, and waits for an operator.
    Overdue {
        /// The incident.
        incident: Sequence,
    },
}

/// Who waits for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiter {
    /// The whole execution, for its timeout.
    Execution,
    /// A scope's position: its task, timer or retry.
    Scope(ScopeId),
    /// The undo of an entry: its task or retry.
    Undo(EntryId),
    /// The phase of undoing, for its timeout.
    Phase,
    /// What an operator decides on.
    Incident(Held),
    /// An entry whose step was in flight when its scope was closed.
    Drain(EntryId),
}

/// What an incident holds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// The undo of an entry.
    Undo(EntryId),
    /// A state that failed past the pivot, or the pivot itself.
    State(ScopeId),
    /// The whole phase of undoing.
    Phase,
}

impl Head {
    /// `compensation.status` of DescribeExecution; the counts beside it are in [`Head::tally`].
    pub fn compensation_status(&self) -> CompensationStatus {
        if self.tally.incidents > 0 {
            CompensationStatus::Suspended
        } else if self.is_compensating || !self.strays.is_empty() {
            CompensationStatus::Compensating
        } else if self.tally.abandoned > 0 {
            CompensationStatus::Abandoned
        } else if self.tally.skipped > 0 {
            CompensationStatus::Incomplete
        } else if self.tally.compensated > 0 {
            CompensationStatus::Compensated
        } else {
            CompensationStatus::None
        }
    }
}

impl Execution {
    /// The execution that the first record of a history makes.
    ///
    /// # Errors
    /// When that is no `ExecutionStarted`.
    pub fn begin(id: ExecutionId, record: &HistoryRecord) -> Result<Execution, Broken> {
        let Event::ExecutionStarted { start, timeout_at } = &record.event else {
            return Err(Broken::new("a history begins with ExecutionStarted"));
        };
        let head = Head {
            id,
            start: (**start).clone(),
            started_at: record.at,
            status: Status::Running,
            stopped_at: None,
            output: None,
            error: None,
            cause: None,
            sequence: record.sequence,
            event_id: record.event_id.unwrap_or(0),
            at: record.at,
            timeout_at: *timeout_at,
            tally: Tally::default(),
            strays: Vec::new(),
            is_compensating: false,
            pivot: None,
            is_kept: false,
            asked_by: None,
            undo_phase: None,
        };
        let mut execution = Execution::load(head, Vec::new(), Vec::new());
        let block = start.block.unwrap_or(BlockId::TOP);
        let top = Scope::new(ScopeId::TOP, None, block, 0);
        execution.scopes.insert(ScopeId::TOP, top);
        execution.touched.scope(ScopeId::TOP);
        Ok(execution)
    }

    /// The execution that a history makes.
    ///
    /// # Errors
    /// When the records don't follow from each other.
    pub fn replay<'a>(
        id: ExecutionId,
        history: impl IntoIterator<Item = &'a HistoryRecord>,
    ) -> Result<Execution, Broken> {
        let mut records = history.into_iter();
        let first = records
            .next()
            .ok_or_else(|| Broken::new("a history has a first record"))?;
        let mut execution = Execution::begin(id, first)?;
        for record in records {
            execution.apply(record)?;
        }
        execution.touched = Touched::default();
        Ok(execution)
    }

    /// The execution as it was stored.
    pub fn load(head: Head, scopes: Vec<Scope>, ledger: Vec<Entry>) -> Execution {
        let mut execution = Execution {
            scopes: scopes.into_iter().map(|scope| (scope.id, scope)).collect(),
            ledger: ledger.into_iter().map(|entry| (entry.id, entry)).collect(),
            head,
            waits: BTreeMap::new(),
            undoing: BTreeSet::new(),
            variables_bytes: 0,
            cursors: Cursors::default(),
            items: ItemsCache::default(),
            touched: Touched::default(),
        };
        execution.waits = execution.derive_waits();
        execution.undoing = execution.derive_undoing();
        execution.variables_bytes = execution.derive_variables_bytes();
        execution
    }

    /// What changed since the last call, for the store to write.
    pub fn take_touched(&mut self) -> Touched {
        std::mem::take(&mut self.touched)
    }

    /// The waits that ended since the last call.
    pub(crate) fn take_closed(&mut self) -> BTreeSet<Sequence> {
        std::mem::take(&mut self.touched.closed)
    }

    /// Whether it has ended; an entry may be undone still.
    pub fn is_terminal(&self) -> bool {
        self.head.status != Status::Running
    }

    /// The waits that are open, in order.
    pub fn open_waits(&self) -> impl Iterator<Item = Sequence> {
        self.waits.keys().copied()
    }

    /// Whether this task was ever scheduled by an entry of the ledger, and by which.
    pub(crate) fn entry_of_attempt(&self, task: Sequence) -> Option<EntryId> {
        let armed_before = ..=EntryId(task);
        self.ledger
            .range(armed_before)
            .rev()
            .find(|(_, entry)| entry.has_attempt(task))
            .map(|(id, _)| *id)
    }

    fn derive_undoing(&self) -> BTreeSet<ScopeId> {
        let scopes = self.scopes.values();
        let undoing = scopes.filter(|scope| matches!(scope.phase, Phase::Compensating(_)));
        undoing.map(|scope| scope.id).collect()
    }

    fn derive_waits(&self) -> BTreeMap<Sequence, Waiter> {
        let timeout =
            (!self.is_terminal() && self.head.timeout_at.is_some() && !self.is_finishing())
                .then_some((Sequence(1), Waiter::Execution));
        let scopes = self.scopes.values().filter_map(Scope::wait);
        let entries = self.ledger.values().filter_map(Entry::wait);
        let phase = self.head.undo_phase.map(|phase| match phase {
            UndoPhase::Timed { wait, .. } => (wait, Waiter::Phase),
            UndoPhase::Overdue { incident } => (incident, Waiter::Incident(Held::Phase)),
        });
        let whole = timeout.into_iter().chain(phase);
        whole.chain(scopes).chain(entries).collect()
    }

    /// Whether no undo may begin until an operator has decided.
    pub(crate) fn is_overdue(&self) -> bool {
        matches!(self.head.undo_phase, Some(UndoPhase::Overdue { .. }))
    }

    /// The entries whose undo waits for the decision on its phase.
    pub(crate) fn held_undos(&self) -> Vec<EntryId> {
        let is_held = |entry: &&Entry| {
            entry
                .undo()
                .is_some_and(|undo| undo.progress == UndoProgress::Held)
        };
        let held = self.ledger.values().filter(is_held);
        held.map(|entry| entry.id).collect()
    }

    /// Whether the whole execution compensates to end.
    pub fn is_finishing(&self) -> bool {
        self.scopes
            .get(&ScopeId::TOP)
            .is_some_and(Scope::is_finishing)
    }

    /// The place of who runs a Task, for the event that follows from its last one.
    pub(crate) fn last_event(&self, runner: Runner) -> u64 {
        match runner {
            Runner::State(scope) => self.scopes.get(&scope).map_or(0, |scope| scope.last_event),
            Runner::Undo(entry) => self.ledger.get(&entry).map_or(0, Entry::last_event),
        }
    }
}
