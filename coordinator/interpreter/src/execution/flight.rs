//! A task that is out.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::history::{Payload, TaskScheduled};
use crate::ids::{ExecutionId, Sequence};

/// An attempt between its dispatch and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flight {
    /// The attempt.
    pub task: Sequence,
    /// When it times out.
    pub timeout_at: Timestamp,
    /// How often it must be heard of.
    pub heartbeat_seconds: Option<u32>,
    /// The execution that does it, when one does and its end is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<ExecutionId>,
    /// What is known of the message beside its id, for the answer once the broker has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Payload>,
    /// Whether it is known to have reached whom it was for; only what Step Functions shows as submitted is noted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_submitted: bool,
}

impl Flight {
    /// The attempt that a record schedules.
    pub(super) fn of(task: Sequence, scheduled: &TaskScheduled) -> Flight {
        Flight {
            task,
            timeout_at: scheduled.timeout_at,
            heartbeat_seconds: scheduled.heartbeat_seconds,
            child: scheduled.child,
            receipt: scheduled.receipt.clone(),
            is_submitted: false,
        }
    }
}
