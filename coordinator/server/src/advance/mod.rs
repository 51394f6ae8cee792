//! Advance: inputs in, committed turns out.
//!
//! The only caller of `decide`, and the only writer of executions. An input goes into the lane of its execution; what
//! arrived in a lane while its last commit ran is its next batch. A batch is one transaction; only then is its
//! answer given and its messages handed to the publisher.

mod outbox;

pub use outbox::{Outbox, PUBLICATIONS_MAX, Publication, What};

use jiff::Timestamp;
use sagamore_interpreter::Ignored;

/// What became of an input.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The store's clock when it was taken.
    pub at: Timestamp,
    /// Whether it changed anything.
    pub taken: Result<(), Ignored>,
}

/// Why an input was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such execution: retrying can't help.
    #[error("the execution does not exist")]
    UnknownExecution,
    /// The input can't be taken, whenever it is tried: the message is parked, the execution is set aside.
    #[error("the input was set aside: {0}")]
    SetAside(String),
    /// The coordinator is stopping: whoever sent it sends it again, to another.
    #[error("the coordinator is stopping")]
    Stopping,
}
