//! What a Task waits for, by its resource.

use jiff::SignedDuration;

use super::{Action, Pattern, Resource, Seconds};

impl Resource {
    /// How long a Task may take that does not say: 1 hour, 30 days for a person, and as long as Step Functions has it for
    /// what it has too, and for a child execution, which has limits of its own.
    pub fn timeout_default(&self) -> SignedDuration {
        match self {
            Resource::Queue(_) | Resource::Exchange { .. } | Resource::Files => {
                SignedDuration::from_hours(1)
            }
            Resource::Review(_) => SignedDuration::from_hours(30 * 24),
            Resource::Saga(_)
            | Resource::Item { .. }
            | Resource::Function { .. }
            | Resource::Integration(_) => SignedDuration::from_secs(i64::from(Seconds::MAX)),
        }
    }

    /// Whether the Task is done once the broker has its message; nobody answers it.
    pub(crate) fn is_told_only(&self) -> bool {
        match self {
            Resource::Exchange { .. } => true,
            Resource::Integration(integration) => {
                matches!(integration.action, Action::SendMessage | Action::Publish)
                    && integration.pattern == Pattern::Response
            }
            Resource::Queue(_)
            | Resource::Review(_)
            | Resource::Saga(_)
            | Resource::Item { .. }
            | Resource::Files
            | Resource::Function { .. } => false,
        }
    }

    /// Whether the Task starts an execution and waits for its end.
    pub fn waits_for_child(&self) -> bool {
        match self {
            Resource::Saga(_) | Resource::Item { .. } => true,
            Resource::Integration(integration) => {
                integration.action == Action::StartExecution
                    && matches!(integration.pattern, Pattern::Sync | Pattern::SyncJson)
            }
            Resource::Queue(_)
            | Resource::Exchange { .. }
            | Resource::Review(_)
            | Resource::Files
            | Resource::Function { .. } => false,
        }
    }

    /// Whether the Task is done once the execution that it starts runs.
    pub(crate) fn is_done_once_started(&self) -> bool {
        matches!(self, Resource::Integration(integration)
            if integration.action == Action::StartExecution && integration.pattern == Pattern::Response)
    }
}
