//! The ids of the interpreter: each its own type, so that none is taken for another.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One execution. Derived from its ARN, so a start that comes twice finds the same execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExecutionId(pub Uuid);

impl ExecutionId {
    /// The id of the execution with this ARN.
    pub fn of(arn: &str) -> ExecutionId {
        ExecutionId(Uuid::new_v5(&Uuid::NAMESPACE_URL, arn.as_bytes()))
    }
}

impl std::fmt::Display for ExecutionId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The place of a record in its execution's history: from 1, dense.
///
/// What a record opens (a scope, a ledger entry, a task, a timer, an incident) is named by the record's sequence.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl std::fmt::Display for Sequence {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A scope: the machine's top level is 0, a branch is named by the record that started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScopeId(pub Sequence);

impl ScopeId {
    /// The machine's top level.
    pub const TOP: ScopeId = ScopeId(Sequence(0));
}

/// An entry of the ledger, named by the record that armed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(pub Sequence);

/// Who does a Task: a state of a scope, or an entry of the ledger whose step is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runner {
    /// A Task state.
    State(ScopeId),
    /// The compensation of an entry.
    Undo(EntryId),
}
