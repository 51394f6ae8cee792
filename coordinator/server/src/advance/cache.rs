//! Executions and machines that were seen lately, so that a turn need not load them. What is cached is used only in
//! the version that the store has.

use std::collections::HashMap;
use std::sync::Arc;

use sagamore_interpreter::definition::Machine;
use sagamore_interpreter::{Execution, ExecutionId};

use crate::store::{RevisionId, Version};

/// Executions that a lane keeps.
const EXECUTIONS_MAX: usize = 2_048;

/// Machines that a lane keeps.
const MACHINES_MAX: usize = 256;

/// An execution in one version.
#[derive(Debug)]
pub(super) struct Cached {
    pub version: Version,
    pub revision: RevisionId,
    pub machine: Arc<Machine>,
    pub execution: Execution,
}

/// The executions and machines that a lane saw lately.
#[derive(Debug, Default)]
pub(super) struct Cache {
    executions: HashMap<ExecutionId, (u64, Cached)>,
    machines: HashMap<RevisionId, Arc<Machine>>,
    uses: u64,
}

impl Cache {
    /// Takes an execution out: it comes back only when the batch that changes it is committed.
    pub fn take(&mut self, execution: ExecutionId) -> Option<Cached> {
        self.executions.remove(&execution).map(|(_, cached)| cached)
    }

    /// Keeps an execution, unless it has ended.
    pub fn keep(&mut self, cached: Cached) {
        if cached.execution.is_terminal() {
            return;
        }
        self.uses += 1;
        self.executions
            .insert(cached.execution.head.id, (self.uses, cached));
        if self.executions.len() > EXECUTIONS_MAX {
            // The older half goes in one sweep, so that making room costs little per use.
            let mut uses: Vec<u64> = self.executions.values().map(|(used, _)| *used).collect();
            let middle = uses.len() / 2;
            let (_, oldest_kept, _) = uses.select_nth_unstable(middle);
            let oldest_kept = *oldest_kept;
            self.executions.retain(|_, (used, _)| *used >= oldest_kept);
        }
    }

    /// A machine in this revision.
    pub fn machine(&self, revision: RevisionId) -> Option<Arc<Machine>> {
        self.machines.get(&revision).cloned()
    }

    /// Keeps a machine.
    pub fn keep_machine(&mut self, revision: RevisionId, machine: &Arc<Machine>) {
        if self.machines.len() >= MACHINES_MAX {
            self.machines.clear();
        }
        self.machines.insert(revision, Arc::clone(machine));
    }
}
