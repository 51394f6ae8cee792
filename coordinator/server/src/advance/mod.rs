//! Advance: inputs in, committed turns out.
//!
//! The only caller of `decide`, and the only writer of executions. An input goes into the lane of its execution; what
//! arrived in a lane while its last commit ran is its next batch. A batch is one transaction; only then is its
//! answer given and its messages handed to the publisher.

mod outbox;

use jiff::Timestamp;
use sagamore_interpreter::{ExecutionId, Ignored, Input};
use serde_json::Value;

use crate::store::{MachineRow, Store};

pub use outbox::{Outbox, PUBLICATIONS_MAX, Publication, What};

/// Takes inputs; shared by all who have some.
#[derive(Clone)]
pub struct Advance<S: Store> {
    store: S,
}

/// An input, with what belongs to it.
pub struct Request {
    /// Whose input.
    pub execution: ExecutionId,
    /// The input.
    pub input: Input,
    /// The machine that a start runs on; `None` for every other input.
    pub machine: Option<MachineRow>,
    /// The command that brought it, when one did.
    pub command: Option<Command>,
}

/// A command whose answer is stored with the turn, so that a redelivery gets the first one.
pub struct Command {
    /// The message's id.
    pub message_id: String,
    /// The answer to store.
    pub answer: Box<dyn FnOnce(&Answer) -> Value + Send>,
}

impl<S: Store> Advance<S> {
    /// Takes an input: returns once its turn is committed, or once it is known that it changes nothing.
    ///
    /// While the store is away it waits, holding the input.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn submit(&self, request: Request) -> Result<Answer, Error> {
        let _ = (&self.store, request);
        Err(Error::Stopping)
    }
}

/// What became of an input.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The store's clock when it was taken.
    pub at: Timestamp,
    /// Whether it changed anything.
    pub taken: Result<(), Ignored>,
    /// The answer that was stored for this command when it came before.
    pub answered: Option<Value>,
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
