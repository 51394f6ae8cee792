//! The history of an execution: what happened, and the only thing that changes an execution.
//!
//! Stored records only grow: a variant or member is added, never renamed or removed.

mod compensation;
mod event;
mod record;

pub use compensation::{Outcome, Settlement, Target, Then, Trigger, TriggerKind};
pub use event::{Event, TaskScheduled};
pub(crate) use record::present;
pub use record::{Ending, HistoryRecord, Payload, StateType, Status};
