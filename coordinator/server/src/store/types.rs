//! What goes into the store and comes out of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
pub use sagamore_interpreter::Route;
use sagamore_interpreter::{
    Entry, Execution, ExecutionId, Head, HistoryRecord, Incident, Input, Scope, ScopeId, Sequence,
    Status,
};
use sagamore_messages::TaskMessage;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// One run of a coordinator process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoordinatorId(pub Uuid);

impl std::fmt::Display for CoordinatorId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A revision of a machine's definition; never changed once written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RevisionId(pub Uuid);

/// How often an execution was written; from 1.
pub type Version = i64;

/// What a batch needs to know before it can decide.
#[derive(Debug, Default)]
pub struct Want {
    /// The executions, each with the version that the caller has.
    pub executions: BTreeMap<ExecutionId, Option<Version>>,
    /// Waits that are thought due.
    pub due: Vec<(ExecutionId, Sequence)>,
    /// Task messages that came back to this coordinator.
    pub returned: Vec<(ExecutionId, Sequence)>,
    /// The message ids of commands, whose answers may be known already.
    pub commands: Vec<String>,
}

/// What a batch knows.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The store's clock, in the transaction.
    pub now: Timestamp,
    /// Those of the wanted executions that exist.
    pub executions: HashMap<ExecutionId, Found>,
    /// Those of the waits that are due indeed: open, and not after `now`.
    pub due: HashSet<(ExecutionId, Sequence)>,
    /// Those of the messages that came back which another coordinator took over, and may have sent as well.
    pub handed_on: HashSet<(ExecutionId, Sequence)>,
    /// The answers of commands that were taken before.
    pub answers: HashMap<String, Value>,
}

/// An execution that exists.
#[derive(Debug)]
pub enum Found {
    /// In the version that the caller has.
    Unchanged,
    /// In this one.
    Stored(Box<StoredExecution>),
}

/// An execution as it was written.
#[derive(Debug)]
pub struct StoredExecution {
    /// Its version.
    pub version: Version,
    /// The revision it runs on.
    pub revision: RevisionId,
    /// That revision's definition.
    pub definition: Arc<str>,
    /// The execution.
    pub execution: Execution,
}

/// What a batch writes.
#[derive(Debug, Default)]
pub struct Writes {
    /// At most one per execution.
    pub turns: Vec<TurnWrite>,
    /// Answers to commands, by message id.
    pub answers: Vec<(String, Value)>,
    /// Replies that changed nothing.
    pub late: Vec<LateReply>,
}

/// A reply to a task that was over: it changed nothing, and is kept for whoever asks what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateReply {
    /// Whose task.
    pub execution: ExecutionId,
    /// The task.
    pub task: Sequence,
    /// What it said.
    pub kind: ReplyKind,
    /// When it came.
    pub at: Timestamp,
    /// Its error.
    pub error: Option<String>,
}

/// What a reply says, or what the broker says in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReplyKind {
    /// The work is done.
    Success,
    /// It failed.
    Failure,
    /// Nobody can read it.
    Unusable,
    /// The task message was dead-lettered.
    DeadLettered,
    /// The task message came back, since there is no queue for it.
    Returned,
}

impl ReplyKind {
    /// All of them.
    pub const ALL: [ReplyKind; 5] = [
        ReplyKind::Success,
        ReplyKind::Failure,
        ReplyKind::Unusable,
        ReplyKind::DeadLettered,
        ReplyKind::Returned,
    ];

    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            ReplyKind::Success => "success",
            ReplyKind::Failure => "failure",
            ReplyKind::Unusable => "unusable",
            ReplyKind::DeadLettered => "dead_lettered",
            ReplyKind::Returned => "returned",
        }
    }

    pub(super) fn parse(text: &str) -> Result<ReplyKind, super::Error> {
        let known = ReplyKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text);
        known.ok_or_else(|| {
            super::Error::Refused(format!("there is no kind of reply {text:?}").into())
        })
    }
}

/// The replies of one kind to a task that was over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateReplyRow {
    /// The task.
    pub task: Sequence,
    /// What they said.
    pub kind: ReplyKind,
    /// How many came.
    pub times: u64,
    /// When the first came.
    pub first_at: Timestamp,
    /// When the last did.
    pub last_at: Timestamp,
    /// The error of the last.
    pub error: Option<String>,
}

/// What changed in one execution.
#[derive(Debug, Clone)]
pub struct TurnWrite {
    /// The coordinator that writes it: waits and events are its own.
    pub coordinator: CoordinatorId,
    /// Its version from now on; 1 makes the execution.
    pub version: Version,
    /// The revision it runs on.
    pub revision: RevisionId,
    /// Its head.
    pub head: Head,
    /// Scopes that were made, changed, or (`None`) removed.
    pub scopes: Vec<(ScopeId, Option<Scope>)>,
    /// Entries that were made or changed.
    pub entries: Vec<Entry>,
    /// New records; one row together. Empty when only a deadline moved.
    pub history: Vec<HistoryRecord>,
    /// Waits that begin.
    pub opens: Vec<WaitWrite>,
    /// Waits whose deadline moves: new due, and whether its message is still sent again on a takeover.
    pub moves: Vec<(Sequence, Timestamp, bool)>,
    /// Waits that end.
    pub closes: Vec<Sequence>,
    /// Events for others to listen to.
    pub events: Vec<EventWrite>,
}

/// A wait that begins.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitWrite {
    /// Its name.
    pub wait: Sequence,
    /// When it is due.
    pub due: Option<Timestamp>,
    /// What it is.
    pub kind: WaitWriteKind,
}

/// The kinds of [`WaitWrite`].
#[derive(Debug, Clone, PartialEq)]
pub enum WaitWriteKind {
    /// A timer.
    Timer,
    /// A task message, with its place in the coordinator's outbox.
    Message(Box<Outgoing>, u64),
    /// A person's review: a task message that nobody gets.
    Review(Box<Outgoing>),
    /// An operator.
    Incident(Box<Incident>),
}

/// A task message and where it goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outgoing {
    /// Where to.
    pub route: Route,
    /// The message.
    pub message: TaskMessage,
    /// Whether the task is told once the broker has it; of one that goes to an exchange it always is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_told: bool,
}

impl Outgoing {
    /// Whether the coordinators themselves do what it asks for, without the broker.
    pub fn is_letter(&self) -> bool {
        match self.route {
            Route::Execution(_) | Route::Files(_) => true,
            Route::Queue(_) | Route::Exchange { .. } | Route::Review(_) => false,
        }
    }
}

/// Something that an execution has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventWrite {
    /// To whom.
    pub to: Addressee,
    /// What, as JSON text.
    pub body: String,
    /// Its place in the coordinator's outbox.
    pub number: u64,
}

/// Whom an event is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addressee {
    /// Whoever listens to `sagamore.events`, by this routing key: a CloudEvent.
    Listeners(String),
    /// Another execution: its next input.
    Execution(ExecutionId),
}

/// A message or event that may not have been sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Unsent {
    /// A task message.
    Message {
        /// Its execution.
        execution: ExecutionId,
        /// Its wait.
        wait: Sequence,
        /// When the wait is due.
        due: Option<Timestamp>,
        /// The message.
        outgoing: Box<Outgoing>,
        /// Its place in the new owner's outbox.
        number: u64,
    },
    /// An event.
    Event(EventWrite),
}

/// A wait whose time comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueWait {
    /// Its execution.
    pub execution: ExecutionId,
    /// Its name.
    pub wait: Sequence,
    /// Its time.
    pub due: Timestamp,
}

/// An input that can't be taken, with the execution it was for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetAside {
    /// The execution.
    pub execution: ExecutionId,
    /// The input.
    pub input: Input,
    /// What is wrong.
    pub problem: String,
}

/// A machine to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMachine {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// [`STANDARD`] or [`EXPRESS`].
    pub kind: String,
    /// Its definition, as given.
    pub definition: String,
    /// Its role, as given.
    pub role_arn: String,
}

/// Whether a machine was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It was.
    New,
    /// There was one with its name.
    Existed,
}

/// A machine in one of its revisions.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineRow {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// [`STANDARD`] or [`EXPRESS`].
    pub kind: String,
    /// The revision.
    pub revision: RevisionId,
    /// The revision's definition.
    pub definition: Arc<str>,
    /// Its role.
    pub role_arn: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When this revision was.
    pub updated_at: Timestamp,
}

impl MachineRow {
    /// Whether its executions live in memory.
    pub fn is_express(&self) -> bool {
        self.kind == EXPRESS
    }
}

/// The type of a machine whose executions are kept.
pub const STANDARD: &str = "STANDARD";
/// The type of one whose executions live in memory.
pub const EXPRESS: &str = "EXPRESS";

/// An execution in a list, or described.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionRow {
    /// Its head.
    pub head: Head,
    /// The revision it runs on.
    pub revision: RevisionId,
}

/// Where a page of a list begins: behind this time and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageKey {
    /// The time of the last row of the page before.
    pub at: Timestamp,
    /// Its name or id.
    pub name: String,
}

/// Which executions a list shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionFilter {
    /// Whose.
    pub of: ExecutionsOf,
    /// Those with this status.
    pub status: Option<Status>,
    /// Those behind this key (start time, then execution id as text), newest first.
    pub after: Option<PageKey>,
    /// At most so many.
    pub limit: u32,
}

/// Which executions stand together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecutionsOf {
    /// Those of the machine with this ARN.
    Machine(String),
    /// Those of the Map Run with this ARN.
    MapRun(String),
}

/// A task or review that is open.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRow {
    /// Its execution.
    pub execution: ExecutionId,
    /// Its wait.
    pub wait: Sequence,
    /// When it times out.
    pub due: Option<Timestamp>,
    /// When it began.
    pub opened_at: Timestamp,
    /// Its message.
    pub outgoing: Outgoing,
}

/// An open incident.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentRow {
    /// Its execution.
    pub execution: ExecutionId,
    /// The execution's ARN.
    pub execution_arn: String,
    /// Its name; 0 for an execution that was set aside.
    pub incident: Sequence,
    /// Since when.
    pub opened_at: Timestamp,
    /// What it is about.
    pub kind: IncidentKind,
}

/// The kinds of [`IncidentRow`].
#[derive(Debug, Clone, PartialEq)]
pub enum IncidentKind {
    /// An undo failed for good.
    Suspended(Box<Incident>),
    /// An input can't be taken.
    SetAside(Box<SetAside>),
}
