//! Everything an execution can ask of the world, as one closed enum.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::definition::{BlockId, Dataset, ResultFormat};
use crate::history::{HistoryRecord, Payload};
use crate::ids::{ExecutionId, Sequence};
use crate::input::Input;

/// What one turn decided: what is written down, and what is asked of the world once it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The new records, in order; empty for a heartbeat.
    pub history: Vec<HistoryRecord>,
    /// What the shell does in the same transaction, in order.
    pub effects: Vec<Effect>,
}

/// One thing asked of the world.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Something to wait for begins: token, timer and outgoing message in one.
    Open(Wait),
    /// The deadline of a wait moves.
    Move {
        /// The wait.
        wait: Sequence,
        /// Its new deadline.
        due: Timestamp,
        /// Whether its task message is still published again when it may be lost.
        republish: bool,
    },
    /// A wait is over.
    Close {
        /// The wait.
        wait: Sequence,
    },
    /// Something that others may listen to.
    Announce(Announcement),
    /// Something for another execution.
    Tell(Letter),
}

/// Something an execution waits for.
#[derive(Debug, Clone, PartialEq)]
pub struct Wait {
    /// The record that opened it.
    pub wait: Sequence,
    /// When it is due; `None` waits for as long as it takes.
    pub due: Option<Timestamp>,
    /// What it is.
    pub kind: WaitKind,
}

/// The kinds of [`Wait`].
#[derive(Debug, Clone, PartialEq)]
pub enum WaitKind {
    /// A timer: a Wait state, a retry, the execution's timeout, the next turn of a long chain.
    Timer,
    /// A task message, or a person's review.
    Task(Box<Dispatch>),
    /// An operator.
    Incident(Box<Incident>),
}

/// A task on its way to a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispatch {
    /// Where to.
    pub route: Route,
    /// Whether the task is told once the broker has its message.
    pub is_told: bool,
    /// The state, `Compensate(<state>)` for an undo.
    pub state: String,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The token that answers it.
    pub token: String,
    /// The idempotency key: K of a step, `K/undo/n` of its undo.
    pub key: String,
    /// K, on an undo.
    pub compensates: Option<String>,
    /// When the work is too late; unlike the wait's due it is never moved by a heartbeat.
    pub deadline: Timestamp,
    /// The body.
    pub body: Body,
}

/// Where a [`Dispatch`] goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// A queue, through the default exchange; it must be there.
    Queue(String),
    /// An exchange; whether anybody listens is not our concern.
    Exchange {
        /// Its name.
        exchange: String,
        /// The routing key.
        routing_key: String,
    },
    /// The review inbox of this name: nobody gets a message.
    Review(String),
    /// A new execution, whose input is the body.
    Execution(Child),
    /// The files of this coordinator, or of another one.
    Files(FileCall),
}

/// What is done with files. A bucket is a directory, a key a path in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileCall {
    /// Items are read: the answer is an array of them.
    Read(ItemsCall),
    /// What the executions of a Map Run came to is written: the answer is where its manifest is. Without a bucket it is an
    /// array of the results.
    Write(ResultsCall),
}

/// Items that are to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemsCall {
    /// What the file holds.
    pub dataset: Dataset,
    /// The bucket.
    pub bucket: String,
    /// The key; where the files themselves are the items, what their keys begin with.
    pub key: String,
    /// Those that are taken, from the first; 0 takes all.
    pub items_max: u32,
}

/// Results that are to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultsCall {
    /// The ARN of the Map Run.
    pub map_run: String,
    /// The bucket.
    pub bucket: Option<String>,
    /// What the keys begin with.
    pub prefix: String,
    /// How they are written.
    pub format: ResultFormat,
}

/// An execution that a task starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// Its machine's ARN.
    pub machine_arn: String,
    /// Its name.
    pub name: String,
    /// Whether its end is waited for.
    pub is_waited_for: bool,
    /// See [`Parent::depth`](crate::Parent::depth).
    pub depth: u32,
    /// The states it runs, of the machine of the execution that starts it: for an item of a distributed Map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<BlockId>,
    /// The ARN of the Map Run that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map_run: Option<String>,
}

/// The body of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// JSON.
    Json(Payload),
    /// A text as it is, be it JSON or not.
    Text(String),
}

/// What one execution says to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// To whom.
    pub to: ExecutionId,
    /// What it is for the other one.
    pub input: Input,
}

/// What failed for good, or can go neither on nor back: an operator decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// What it is about.
    #[serde(default)]
    pub about: About,
    /// The step whose undo failed, or the state that did; empty when it is a whole phase of undoing.
    pub state: String,
    /// The error of its last attempt.
    pub error: String,
    /// Its cause.
    pub cause: Option<String>,
    /// The entry, as an undo sees it.
    pub entry: Value,
}

/// What an [`Incident`] is about. Source: the saga extension, "When an undo fails" and "Pivot".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// The undo of a step failed.
    #[default]
    Undo,
    /// Whether the pivot had its effect is not known.
    Pivot,
    /// The same, and what came before it is to be undone.
    PivotUndo,
    /// A state failed past the pivot.
    State,
    /// A phase of undoing has taken too long.
    Phase,
}

impl About {
    /// What can be decided.
    pub fn acts(self) -> &'static [&'static str] {
        match self {
            About::Undo | About::Pivot => &["retry", "skip", "resolve", "abandon"],
            About::PivotUndo => &["skip", "resolve", "abandon"],
            About::State => &["retry", "skip", "abandon"],
            About::Phase => &["retry", "abandon"],
        }
    }
}

/// An event of a machine's own.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomEvent {
    /// Its id, the same however often it is sent.
    pub id: uuid::Uuid,
    /// `Source`
    pub source: String,
    /// `DetailType`
    pub detail_type: String,
    /// `Detail`, an object.
    pub detail: Value,
    /// `EventBusName`, when one is named.
    pub bus: Option<String>,
    /// `Resources`
    pub resources: Vec<String>,
}

/// News for `sagamore.events`.
#[derive(Debug, Clone, PartialEq)]
pub enum Announcement {
    /// The execution's status changed, to this.
    Execution(crate::history::Status),
    /// An undo was suspended.
    Suspended(Box<Incident>),
    /// A review waits for a person.
    ReviewWaiting {
        /// The task.
        task: Sequence,
    },
    /// What a machine has to tell the world. Source: Step Functions, `events:putEvents`.
    Event(Box<CustomEvent>),
    /// A task is no longer wanted.
    TaskCancelled {
        /// The task.
        task: Sequence,
        /// Its state.
        state: String,
    },
}
