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

/// The id of a Map Run, at the end of its ARN: it tells the execution and the scope, so that nothing else has to be kept to
/// find them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapRunId(pub Uuid);

impl MapRunId {
    /// How many bytes of it are of the execution's id; the others are the scope's number.
    const OF_EXECUTION: usize = 10;

    /// Of the Map Run whose iterations this scope holds.
    pub fn of(execution: ExecutionId, run: ScopeId) -> MapRunId {
        let mut bytes = *execution.0.as_bytes();
        let number = run.0.0.to_be_bytes();
        let kept = number.len() - (bytes.len() - MapRunId::OF_EXECUTION);
        bytes[MapRunId::OF_EXECUTION..].copy_from_slice(&number[kept..]);
        MapRunId(Uuid::from_bytes(bytes))
    }

    /// The least and the greatest id that its execution may have: so many bits are of one execution only.
    pub fn executions(self) -> (ExecutionId, ExecutionId) {
        let filled = |with: u8| {
            let mut bytes = *self.0.as_bytes();
            bytes[MapRunId::OF_EXECUTION..].fill(with);
            ExecutionId(Uuid::from_bytes(bytes))
        };
        (filled(0), filled(u8::MAX))
    }

    /// The scope that holds the iterations.
    pub fn run(self) -> ScopeId {
        let number = self.0.as_bytes()[MapRunId::OF_EXECUTION..].iter();
        let number = number.fold(0, |number, byte| number << 8 | u64::from(*byte));
        ScopeId(Sequence(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_run_tells_its_execution_and_its_scope() {
        let execution = ExecutionId::of("arn:aws:states:r:a:execution:m:ada");
        for run in [1, 77, 0xffff_ffff_ffff] {
            let id = MapRunId::of(execution, ScopeId(Sequence(run)));
            let (least, greatest) = id.executions();
            assert!(least <= execution && execution <= greatest);
            assert_eq!(id.run(), ScopeId(Sequence(run)));
        }
        let other = ExecutionId::of("arn:aws:states:r:a:execution:m:bob");
        let id = MapRunId::of(execution, ScopeId(Sequence(1)));
        assert!(!(id.executions().0..=id.executions().1).contains(&other));
    }
}
