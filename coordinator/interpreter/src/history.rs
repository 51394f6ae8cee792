//! The history of an execution: what happened, and the only thing that changes an execution.
//!
//! Stored records only grow: a variant or member is added, never renamed or removed.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::definition::{BlockId, StateName};
use crate::ids::{EntryId, ExecutionId, Runner, ScopeId, Sequence};
use crate::input::Start;

/// A JSON value that travels: shared, never copied.
pub type Payload = Arc<Value>;

/// Reads a payload that may be absent, of which null is one: `None` is only what was not written.
pub(crate) fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Payload>, D::Error> {
    Payload::deserialize(deserializer).map(Some)
}

/// One thing that happened in an execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryRecord {
    /// Its place: from 1, dense.
    pub sequence: Sequence,
    /// When; never before the record in front of it.
    pub at: Timestamp,
    /// Its id among the events that Step Functions would show: from 1, dense; `None` for what is ours alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<u64>,
    /// The event it follows from, 0 for none.
    #[serde(default)]
    pub previous_event_id: u64,
    /// What happened.
    pub event: Event,
}

/// The status of an execution, as Step Functions has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// It runs, or compensates.
    Running,
    /// It ended well.
    Succeeded,
    /// It ended with an error.
    Failed,
    /// Its time ran out.
    TimedOut,
    /// It was stopped.
    Aborted,
}

impl Status {
    /// The status as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Running => "RUNNING",
            Status::Succeeded => "SUCCEEDED",
            Status::Failed => "FAILED",
            Status::TimedOut => "TIMED_OUT",
            Status::Aborted => "ABORTED",
        }
    }
}

/// How an execution ends when it does not succeed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// Failed, timed out or aborted.
    pub status: Status,
    /// The error, when there is one.
    pub error: Option<String>,
    /// The cause, when there is one.
    pub cause: Option<String>,
}

/// The type of a state, as events name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the language's own")]
pub enum StateType {
    Task,
    Pass,
    Choice,
    Wait,
    Parallel,
    Map,
    Succeed,
    Fail,
    Compensate,
}

impl StateType {
    /// The name in the language.
    pub fn as_str(self) -> &'static str {
        match self {
            StateType::Task => "Task",
            StateType::Pass => "Pass",
            StateType::Choice => "Choice",
            StateType::Wait => "Wait",
            StateType::Parallel => "Parallel",
            StateType::Map => "Map",
            StateType::Succeed => "Succeed",
            StateType::Fail => "Fail",
            StateType::Compensate => "Compensate",
        }
    }
}

/// Whether an attempt had its effect. Source: the saga extension, "The ledger".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It had.
    Committed,
    /// It had not.
    NotExecuted,
    /// Nobody can say.
    Unknown,
}

/// What set a compensation off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    /// What kind of thing.
    pub kind: TriggerKind,
    /// The error, when there was one.
    pub error: Option<String>,
    /// Its cause.
    pub cause: Option<String>,
    /// The state it happened in, when it happened in one.
    pub state: Option<StateName>,
}

/// The kinds of [`Trigger`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TriggerKind {
    /// An error left the machine, or a `Fail` state was reached.
    Error,
    /// The execution timed out.
    Timeout,
    /// It was stopped.
    Stop,
    /// A Catcher with `Compensate`.
    Catch,
    /// A `Compensate` state.
    State,
    /// A Parallel or a Map is tried again.
    Retry,
    /// An iteration failed, which its Map tolerates.
    Iteration,
    /// A success that came when its undo had ended.
    LateReply,
}

/// What a compensation undoes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// All that is armed in the scope.
    Scope,
    /// All that is armed inside the Parallel or Map whose branches or iterations this entry holds; nothing when it is `None`.
    Group(Option<EntryId>),
}

/// What happens once a compensation is through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// The state is left with this output, for its `Next` or its end.
    Exit {
        /// The output.
        output: Payload,
        /// Where to; `None` ends the scope.
        next: Option<StateName>,
    },
    /// The execution ends.
    Finish(Ending),
    /// The iteration is over; its Map does without it.
    Forgo,
    /// The Parallel or Map is tried again.
    Retry {
        /// Which of its retriers says so.
        retrier: usize,
    },
}

/// What happened. Those that Step Functions shows come first, each under its name there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "members that repeat say the same everywhere; see Runner, Outcome, Trigger"
)]
pub enum Event {
    ExecutionStarted {
        start: Box<Start>,
        timeout_at: Option<Timestamp>,
    },
    ExecutionSucceeded {
        output: Payload,
    },
    /// `ExecutionFailed`, `ExecutionTimedOut`, `ExecutionAborted`, by the status.
    ExecutionEnded(Ending),
    /// `<Type>StateEntered`
    StateEntered {
        scope: ScopeId,
        kind: StateType,
        name: StateName,
        input: Payload,
    },
    /// `<Type>StateExited`
    StateExited {
        scope: ScopeId,
        kind: StateType,
        name: StateName,
        output: Payload,
    },
    TaskScheduled(Box<TaskScheduled>),
    TaskStarted {
        runner: Runner,
        resource: String,
    },
    TaskSubmitted {
        runner: Runner,
        resource: String,
        /// What whom it was for says of it.
        #[serde(
            default,
            deserialize_with = "present",
            skip_serializing_if = "Option::is_none"
        )]
        output: Option<Payload>,
    },
    TaskSucceeded {
        runner: Runner,
        task: Sequence,
        resource: String,
        output: Payload,
    },
    TaskFailed {
        runner: Runner,
        task: Sequence,
        resource: String,
        error: String,
        cause: Option<String>,
        outcome: Outcome,
    },
    TaskTimedOut {
        runner: Runner,
        task: Sequence,
        resource: String,
        error: String,
        cause: Option<String>,
    },
    ParallelStateStarted {
        scope: ScopeId,
    },
    ParallelStateSucceeded {
        scope: ScopeId,
    },
    ParallelStateFailed {
        scope: ScopeId,
        error: String,
        cause: Option<String>,
    },
    /// The iterations of a Map begin; the record's sequence is the scope that holds them.
    MapStateStarted {
        scope: ScopeId,
        /// Items, and so iterations.
        length: u32,
        /// Iterations at a time.
        concurrency: u32,
        /// Iterations that may fail.
        failures_max: u32,
    },
    MapStateSucceeded {
        scope: ScopeId,
    },
    MapStateFailed {
        scope: ScopeId,
        error: String,
        cause: Option<String>,
    },
    /// An iteration begins; the record's sequence is its scope.
    MapIterationStarted {
        /// The scope that holds the iterations.
        run: ScopeId,
        block: BlockId,
        index: u32,
        name: StateName,
    },
    MapIterationSucceeded {
        scope: ScopeId,
        index: u32,
        name: StateName,
        output: Payload,
    },
    MapIterationFailed {
        scope: ScopeId,
        index: u32,
        name: StateName,
    },
    MapIterationAborted {
        scope: ScopeId,
        index: u32,
        name: StateName,
    },
    /// `TaskStateEntered` of `Compensate(<state>)`: the undo of an entry begins.
    UndoStarted {
        entry: EntryId,
        name: StateName,
        input: Payload,
        trigger: Trigger,
    },
    /// `TaskStateExited` of `Compensate(<state>)`: the entry is compensated.
    UndoSucceeded {
        entry: EntryId,
        name: StateName,
        output: Payload,
    },
    /// `<Type>StateAborted` of a branch that ends because a sibling failed; at the top level Step Functions shows
    /// nothing, and such a record has no event id. A step in flight is left until `drain_until` to answer.
    ScopeClosed {
        scope: ScopeId,
        kind: Option<StateType>,
        drain_until: Option<Timestamp>,
    },

    /// A timer of a Wait state.
    WaitScheduled {
        scope: ScopeId,
        until: Timestamp,
    },
    /// A long chain goes on in the next turn, so that others get theirs.
    Yielded {
        scope: ScopeId,
        next: StateName,
        input: Payload,
    },
    /// The next attempt waits for its time.
    RetryScheduled {
        runner: Runner,
        retrier: usize,
        until: Timestamp,
    },
    /// A branch begins; the record's sequence is its scope.
    BranchStarted {
        parent: ScopeId,
        block: BlockId,
    },
    /// An iteration that failed is over, what it did is undone; its Map does without it.
    IterationForgone {
        scope: ScopeId,
    },
    /// A branch is through.
    BranchSucceeded {
        scope: ScopeId,
        output: Payload,
    },
    /// A visit of a state with `Compensate` is in the ledger; the record's sequence is its entry.
    EntryArmed {
        scope: ScopeId,
        state: StateName,
        input: Payload,
        arguments: Payload,
        key: String,
    },
    /// A step that was in flight when its scope was closed has answered, or its time is over.
    EntryDrained {
        entry: EntryId,
        task: Sequence,
        outcome: Outcome,
        #[serde(
            default,
            deserialize_with = "present",
            skip_serializing_if = "Option::is_none"
        )]
        result: Option<Payload>,
        error: Option<String>,
        cause: Option<String>,
    },
    /// A success that came late: its entry is committed after all.
    EntryUpgraded {
        entry: EntryId,
        task: Sequence,
        result: Payload,
    },
    /// A scope begins to undo. A step in flight is left until `drain_until` to answer.
    CompensationStarted {
        scope: ScopeId,
        target: Target,
        then: Box<Then>,
        trigger: Trigger,
        drain_until: Option<Timestamp>,
    },
    /// All that the scope was to undo is settled.
    CompensationEnded {
        scope: ScopeId,
    },
    /// An undo failed for good; the record's sequence is the incident.
    UndoSuspended {
        entry: EntryId,
        error: String,
        cause: Option<String>,
    },
    /// An operator has the undo of an incident tried again.
    IncidentRetried {
        incident: Sequence,
        entry: EntryId,
        by: Option<String>,
        reason: Option<String>,
    },
}

/// An attempt of a Task is dispatched; the record's sequence names it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskScheduled {
    /// Whose Task.
    pub runner: Runner,
    /// Its `Resource`.
    pub resource: String,
    /// What is sent.
    pub arguments: Payload,
    /// The attempt, from 1.
    pub attempt: u32,
    /// When it times out.
    pub timeout_at: Timestamp,
    /// `TimeoutSeconds` as written; `None` where the default holds.
    pub timeout_seconds: Option<u32>,
    /// `HeartbeatSeconds`, when given.
    pub heartbeat_seconds: Option<u32>,
    /// The execution that does it, when one does and its end is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<ExecutionId>,
    /// What is known of the message beside its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Payload>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(result: Option<Payload>) {
        let event = Event::EntryDrained {
            entry: EntryId(Sequence(1)),
            task: Sequence(2),
            outcome: Outcome::Committed,
            result,
            error: None,
            cause: None,
        };
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    }

    #[test]
    fn null_is_a_result_and_none_is_not() {
        check(Some(Payload::new(Value::Null)));
        check(None);
    }
}
