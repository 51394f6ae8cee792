//! Advance: inputs in, committed turns out.
//!
//! The only caller of `decide`, and the only writer of executions. An input goes into the lane of its execution; what
//! arrived in a lane while its last commit ran is its next batch. A batch is one transaction; only then is its
//! answer given and its messages handed to the publisher.

mod batch;
mod cache;
mod events;
mod express;
mod lane;
mod outbox;
mod write;

use std::num::NonZeroUsize;
use std::sync::Arc;

use jiff::Timestamp;
use sagamore_interpreter::{ExecutionId, Ignored, Input};
use sagamore_messages::TokenKey;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

pub use batch::{Batcher, Committed};
pub use express::{EXPRESS_MAX, Express, NotStarted};
pub use lane::{Job, Lane, Step};
pub use outbox::{
    Ends, LETTERS_MAX, Letters, NextLetter, Outbox, PUBLICATIONS_MAX, Publication, What,
};

use crate::alarm::Alarm;
use crate::store::{CoordinatorId, MachineRow, Store};

/// Inputs that a lane holds before those who bring more have to wait.
pub const LANE_INPUTS_MAX: usize = 1_024;

/// Inputs of one batch.
pub const BATCH_INPUTS_MAX: usize = 256;

/// What every batch needs to know.
pub struct Identity {
    /// This coordinator.
    pub coordinator: CoordinatorId,
    /// The queue that replies come back to.
    pub replies: String,
    /// The key that seals tokens.
    pub token_key: TokenKey,
    /// Where review links lead.
    pub public_url: String,
    /// Rings when something is due soon.
    pub alarm: Alarm,
}

/// Takes inputs; shared by all who have some.
#[derive(Clone)]
pub struct Advance {
    lanes: Arc<[mpsc::Sender<Job>]>,
    express: Express,
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
    /// The answer to store; asked again when the transaction is tried again.
    pub answer: Box<dyn Fn(&Answer) -> Value + Send + Sync>,
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

impl Request {
    /// An input of an execution that exists.
    pub fn new(execution: ExecutionId, input: Input) -> Request {
        Request {
            execution,
            input,
            machine: None,
            command: None,
        }
    }
}

impl Advance {
    /// Starts the lanes. They end once every handle is dropped and what they hold is done. Inputs of `express` go there.
    pub fn start<S: Store>(
        store: &S,
        identity: &Arc<Identity>,
        outbox: &Outbox,
        express: Express,
        lanes: NonZeroUsize,
        tasks: &TaskTracker,
    ) -> Advance {
        let start_lane = |_| {
            let (sender, receiver) = mpsc::channel(LANE_INPUTS_MAX);
            let batcher = Batcher::new(store.clone(), Arc::clone(identity), outbox.clone());
            tasks.spawn(lane::run(batcher, receiver));
            sender
        };
        Advance {
            lanes: (0..lanes.get()).map(start_lane).collect(),
            express,
        }
    }

    /// Takes an input: returns once its turn is committed, or once it is known that it changes nothing.
    ///
    /// While the store is away it waits, holding the input.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn submit(&self, request: Request) -> Result<Answer, Error> {
        self.enqueue(request).await?.await
    }

    /// Puts an input in its lane; the future it returns is the answer. Inputs that are put in one after the other
    /// are taken in that order.
    ///
    /// # Errors
    /// [`Error::Stopping`].
    pub async fn enqueue(
        &self,
        request: Request,
    ) -> Result<impl Future<Output = Result<Answer, Error>> + use<>, Error> {
        let express = self.express.find(request.execution);
        let (job, answered) = Job::new(request);
        let gone = match express {
            // One that ended meanwhile is no more than one that never was.
            Some(inputs) => {
                // The answer of a job that is dropped is that.
                let _ = inputs.send(job).await;
                Error::UnknownExecution
            }
            None => {
                let lane = self.lane(&job);
                let sent = self.lanes[lane].send(job).await;
                sent.map_err(|_| Error::Stopping)?;
                Error::Stopping
            }
        };
        Ok(async move { answered.await.unwrap_or(Err(gone)) })
    }

    fn lane(&self, job: &Job) -> usize {
        let lane = job.execution().0.as_u128() % self.lanes.len() as u128;
        usize::try_from(lane).unwrap_or(0)
    }

    /// The EXPRESS executions of this coordinator.
    pub fn express(&self) -> &Express {
        &self.express
    }
}
