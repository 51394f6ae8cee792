//! What can happen.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Ending, Outcome, Payload, Settlement, StateType, Target, Then, Trigger, present};
use crate::definition::{BlockId, StateName};
use crate::ids::{EntryId, ExecutionId, Runner, ScopeId, Sequence};
use crate::input::{CompensationEnd, Start};

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
        /// Whether the execution that waited for it may yet have what it did undone.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_kept: bool,
    },
    /// `ExecutionFailed`, `ExecutionTimedOut`, `ExecutionAborted`, by the status.
    ExecutionEnded(Ending),
    /// `<Type>StateEntered`
    StateEntered {
        scope: ScopeId,
        kind: StateType,
        name: StateName,
        input: Payload,
        /// Whether a Compensate state undoes back to it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_mark: bool,
    },
    /// `<Type>StateExited`
    StateExited {
        scope: ScopeId,
        kind: StateType,
        name: StateName,
        output: Payload,
        /// The variables it assigned: an object of their values by name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assigned: Option<Payload>,
    },
    /// JSONata failed the state, or yielded what a field can't take.
    EvaluationFailed {
        scope: ScopeId,
        state: StateName,
        error: String,
        cause: Option<String>,
        /// The field, with slashes; `None` where it is the state's input.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        location: Option<String>,
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
        /// How many items there are, where an iteration has several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        items: Option<u32>,
        /// Iterations at a time.
        concurrency: u32,
        /// Iterations that may fail.
        failures_max: u32,
    },
    /// The iterations of a distributed Map begin, each an execution of its own.
    MapRunStarted {
        /// The scope that holds the iterations.
        run: ScopeId,
        /// The ARN of the Map Run.
        arn: String,
    },
    /// All of them are over.
    MapRunSucceeded {
        run: ScopeId,
    },
    /// More of them failed than may.
    MapRunFailed {
        run: ScopeId,
        error: String,
        cause: Option<String>,
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
        /// The items it stood for.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        items: u32,
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
        /// Whether what it undoes goes on by itself, for nothing around it undoes.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        goes_on: bool,
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
    /// The items of a Map are read; it begins with them.
    MapItemsRead {
        run: ScopeId,
        length: u32,
        /// How many items there are, where an iteration has several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        items: Option<u32>,
        concurrency: u32,
        failures_max: u32,
    },
    /// A branch begins, or a Task that a distributed Map needs besides; the record's sequence is its scope.
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
        /// Whether it is the pivot, which is never undone.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_pivot: bool,
        /// Those variables that its undo reads.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        variables: Option<Payload>,
    },
    /// A Parallel or Map with `Compensate` has completed: one undo for the whole takes the place of those inside; the record's
    /// sequence is its entry.
    CompositeArmed {
        scope: ScopeId,
        state: StateName,
        input: Payload,
        result: Payload,
        output: Payload,
        key: String,
        /// The entry that holds its branches or iterations, when something inside can be undone.
        group: Option<EntryId>,
        /// Those variables that its undo reads.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        variables: Option<Payload>,
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
        /// When the phase of undoing that begins with it has taken too long; `None` when one goes on already.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        phase_until: Option<Timestamp>,
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
    /// The execution that waited for this one has it undone, and waits for the answer.
    UndoRequested {
        /// The attempt of its undo.
        task: Sequence,
    },
    /// It was answered.
    UndoAnswered,
    /// What it did is not undone any more, and its ledger is closed.
    LedgerClosed,
    /// The execution that a step started has nothing that could be undone.
    EntryReleased {
        entry: EntryId,
        /// The attempt that started it; `None` of the only one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<Sequence>,
    },
    /// An execution that a step started has undone what it did, as its undo asked.
    ChildCompensated {
        entry: EntryId,
        end: CompensationEnd,
    },
    /// The pivot has had its effect: nothing armed so far is undone any more.
    PivotCommitted {
        entry: EntryId,
    },
    /// Whether the pivot had its effect is not known, and it is to be undone; the record's sequence is the incident.
    PivotSuspended {
        entry: EntryId,
        input: Payload,
        trigger: Trigger,
        error: String,
        cause: Option<String>,
    },
    /// An error leaves the machine past the pivot, or that of the pivot itself when its effect may be there; the record's sequence is
    /// the incident.
    StateSuspended {
        scope: ScopeId,
        error: String,
        cause: Option<String>,
        /// What the Parallel or Map that failed left of what was in it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<EntryId>,
    },
    /// The execution ends past the pivot: nothing is undone.
    LedgerReleased,
    /// The phase of undoing has taken too long: the undos under way wait for an operator, and none begins; the record's
    /// sequence is the incident.
    PhaseTimedOut,
    /// Nothing undoes any more, for the scope that did was closed by one around it.
    PhaseEnded,
    /// What no compensation undoes already stays as it is.
    LedgerAbandoned,
    /// An operator has the undo of an incident tried again.
    IncidentRetried {
        incident: Sequence,
        /// The entry whose undo is tried again; `None` when it is a state or a whole phase.
        entry: Option<EntryId>,
        by: Option<String>,
        reason: Option<String>,
        /// What is sent from now on, when that is not what was sent before.
        #[serde(
            default,
            deserialize_with = "present",
            skip_serializing_if = "Option::is_none"
        )]
        arguments: Option<Payload>,
        /// When the phase that begins with it has taken too long.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        phase_until: Option<Timestamp>,
    },
    /// An operator settles an incident.
    IncidentSettled {
        incident: Sequence,
        settlement: Settlement,
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

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_one(number: &u32) -> bool {
    *number == 1
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

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
