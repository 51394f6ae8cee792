//! Everything that can happen to an execution, as one closed enum.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::definition::BlockId;
use crate::history::{Payload, Settlement, Status, Trigger, present};
use crate::ids::{ExecutionId, Sequence};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// A client starts the execution.
    Start(Box<Start>),
    /// The holder of a task's token answers.
    Reply {
        /// The attempt that the token names.
        task: Sequence,
        /// The answer.
        reply: Reply,
        /// How many bytes its body had; `None` when it had none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bytes: Option<u32>,
    },
    /// The broker confirmed a task message that nobody answers (`exchange:`).
    Published {
        /// The attempt.
        task: Sequence,
        /// The message's id.
        message_id: String,
    },
    /// The execution that a task started runs. It says so itself, with its first turn.
    ChildStarted {
        /// The attempt.
        task: Sequence,
        /// The execution's ARN.
        arn: String,
        /// When it began.
        started_at: Timestamp,
        /// Whether the attempt waits for its end.
        is_waited_for: bool,
    },
    /// The execution that a task waits for has ended. It says so itself, with its last turn.
    ChildEnded {
        /// The attempt.
        task: Sequence,
        /// How.
        end: Box<ChildEnd>,
    },
    /// The broker returned the task message for as long as the grace lasts.
    Unroutable {
        /// The attempt.
        task: Sequence,
        /// Whether this was its only publish, so that it can't have run.
        only_publish: bool,
    },
    /// The task message was rejected, expired or delivered too often.
    DeadLettered {
        /// The attempt.
        task: Sequence,
        /// The reason of `x-death`.
        reason: String,
    },
    /// A deadline or timer has come.
    Due {
        /// The wait it belongs to.
        wait: Sequence,
    },
    /// A client stops the execution.
    Stop {
        /// The error to end with.
        error: Option<String>,
        /// The cause to end with.
        cause: Option<String>,
        /// Whether what was done is undone in any case, whatever the machine's policy says of a stop.
        #[serde(default)]
        rolls_back: bool,
        /// The attempt that no longer waits for it, when it is one that says so: nobody else's child is stopped by it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<Attempted>,
    },
    /// The task that waited for this execution is to be undone: what it did is undone, and then it says so.
    CompensateChild {
        /// The attempt that started it.
        parent: Attempted,
        /// The attempt of the undo, which is answered.
        task: Sequence,
        /// What set it off.
        trigger: Box<Trigger>,
    },
    /// What this execution did is not undone any more: the task that waited for it is not.
    ReleaseChild {
        /// The attempt that started it.
        parent: Attempted,
    },
    /// A child has undone what it did, as an undo asked of it.
    ChildCompensated {
        /// The attempt of the undo.
        task: Sequence,
        /// How.
        end: CompensationEnd,
    },
    /// An operator has an undo tried again that was suspended.
    RetryIncident {
        /// The incident.
        incident: Sequence,
        /// Who.
        by: Option<String>,
        /// Why.
        reason: Option<String>,
        /// What is sent from now on, when that is not what was sent before.
        #[serde(
            default,
            deserialize_with = "present",
            skip_serializing_if = "Option::is_none"
        )]
        arguments: Option<Payload>,
    },
    /// An operator settles an incident.
    SettleIncident {
        /// The incident.
        incident: Sequence,
        /// How.
        settlement: Settlement,
        /// Who.
        by: Option<String>,
        /// Why.
        reason: Option<String>,
    },
}

/// An attempt of another execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempted {
    /// The execution.
    pub execution: ExecutionId,
    /// The attempt.
    pub task: Sequence,
}

/// How the undoing of a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompensationEnd {
    /// Nothing of it is left, or there never was anything.
    Undone,
    /// An operator left a part of it.
    Incomplete,
    /// An operator gave it up.
    Abandoned,
    /// It has passed its pivot.
    PastPivot,
}

/// What a new execution is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The execution's ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// The machine's ARN.
    pub machine_arn: String,
    /// The machine's name.
    pub machine_name: String,
    /// The role the machine was created with; kept for the context object.
    pub role_arn: String,
    /// The input.
    pub input: Payload,
    /// The task that started it, when one of another execution did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// The states it runs when they are not the machine's top level: those of a distributed Map's processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<BlockId>,
    /// The ARN of the Map Run that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map_run: Option<String>,
}

/// The task that started an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The execution it is of.
    pub execution: ExecutionId,
    /// The attempt.
    pub task: Sequence,
    /// Whether the attempt waits for the end.
    pub is_waited_for: bool,
    /// How many executions wait for one another above this one: 1 when nobody waits for the parent.
    pub depth: u32,
}

/// How an execution ended that another waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChildEnd {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Its machine's ARN.
    pub machine_arn: String,
    /// Its input.
    pub input: Payload,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub stopped_at: Timestamp,
    /// Its status.
    pub status: Status,
    /// Its output, when it succeeded.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub output: Option<Payload>,
    /// Its error.
    pub error: Option<String>,
    /// Its cause.
    pub cause: Option<String>,
    /// Whether what it did is still there, when it did not succeed.
    pub effect: ClaimedEffect,
    /// Whether there is anything that could be asked to be undone.
    #[serde(default)]
    pub is_undoable: bool,
}

/// What the holder of a token says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The work is done.
    Success(Payload),
    /// The work failed.
    Failure {
        /// The error's name.
        error: String,
        /// What happened; `None` when not said.
        cause: Option<String>,
        /// Whether the effect may be there in spite of the failure.
        effect: ClaimedEffect,
    },
    /// The work goes on.
    Heartbeat,
    /// A body that can't be used: the task fails, and whether it ran is unknown.
    Unusable {
        /// `Sagamore.InvalidReply` or `States.DataLimitExceeded`.
        error: String,
        /// What was wrong with it.
        cause: String,
    },
}

/// What a failure says of its effect. Source: the saga extension, "Outcome of one attempt".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimedEffect {
    /// There is none; also when nothing is said.
    None,
    /// It is there.
    Committed,
    /// It may be there.
    Unknown,
}

/// Why an input changed nothing. Callers over HTTP and AMQP get their answer from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// The execution exists already.
    AlreadyStarted {
        /// Whether it was started with the same input and still runs.
        same: bool,
        /// When it was started.
        started_at: Timestamp,
    },
    /// The task has its answer already, or is over for another reason.
    TaskClosed,
    /// This execution never had such a task.
    UnknownTask,
    /// The timer was moved, or is gone.
    NotDue,
    /// The execution has ended.
    ExecutionClosed,
    /// The execution is compensating already, and that can't be cancelled.
    AlreadyCompensating,
    /// There is no such incident, or it is settled.
    UnknownIncident,
    /// This can't be decided of such an incident.
    ActNotOffered,
    /// It came from an execution that did not start this one.
    NotItsChild,
}
