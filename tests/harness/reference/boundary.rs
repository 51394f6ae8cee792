//! What goes into a reference execution, and the names that it and its caller use for things.

use std::fmt;

use serde_json::Value;

/// Names a visit of a state or, if `is_undo`, the undo of that visit's entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// The state's name.
    pub state: String,
    /// Counts from 1 over all visits of states of that name, in order of entering.
    pub ordinal: u32,
    /// Whether it is the undo that is meant.
    pub is_undo: bool,
}

/// Names one attempt of a step or of an undo.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Task {
    /// The visit, or its undo.
    pub label: Label,
    /// 0 for a step; undos count from 1.
    pub round: u32,
    /// Counts from 1, on through retries by an operator.
    pub attempt: u32,
}

/// Something that happens to an execution. The caller says which timer fires: there is no time here.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A reply to that attempt, be it still out or long over.
    Answer {
        /// The attempt that is answered.
        task: Task,
        /// What it says.
        reply: Reply,
    },
    /// The timeout of an attempt that is out, or the end of its drain.
    TimedOut {
        /// The attempt.
        task: Task,
    },
    /// The backoff of a step, a composite or an undo is over, or the time of a Wait.
    TimerOver {
        /// Whose timer it was.
        of: Label,
    },
    /// StopExecution.
    Stop,
    /// RollbackExecution: a stop that compensates whatever `OnStop` says.
    Rollback,
    /// The machine's `TimeoutSeconds` have passed.
    ExecutionTimeout,
    /// The `TimeoutSeconds` of the `CompensationPolicy` have passed. Without a scope that compensates it means nothing.
    PhaseTimeout,
    /// An operator's answer to an incident.
    Operator {
        /// The incident, as a snapshot names it.
        incident: Label,
        /// What is to be done.
        act: Act,
    },
    /// A crash and a new start, which change nothing.
    Restart,
}

/// What a reply says.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The Task is done and returns this.
    Success(Value),
    /// So is an execution, which has nothing that could be undone.
    SuccessOfNothing(Value),
    /// The Task failed.
    Failure {
        /// The error's name.
        error: String,
        /// What the reply says of the effect.
        effect: Effect,
    },
    /// Nobody can read it.
    Unusable,
    /// The task message was dead-lettered.
    DeadLettered,
    /// The only publish of the task message was returned.
    Unroutable,
}

/// The `effect` of a failure reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It says nothing: nothing was done.
    None,
    /// It was done all the same.
    Committed,
    /// The service does not know.
    Unknown,
}

/// What an operator can do about an incident.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Try again.
    Retry,
    /// Go on without; of a state: with this output as its result.
    Skip {
        /// The result; `None` is null.
        output: Option<Value>,
    },
    /// It was settled by hand.
    Resolve,
    /// Give up the rest.
    Abandon,
}

impl Label {
    /// Names a visit.
    pub fn visit(state: &str, ordinal: u32) -> Label {
        Label {
            state: state.to_owned(),
            ordinal,
            is_undo: false,
        }
    }

    /// Names the undo of this visit.
    pub fn undo(&self) -> Label {
        Label {
            is_undo: true,
            ..self.clone()
        }
    }

    /// Names the incident of a compensation phase that has passed its timeout.
    pub fn phase() -> Label {
        Label::visit("", 0).undo()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Label { state, ordinal, .. } = self;
        if self.is_undo {
            write!(formatter, "Compensate({state})#{ordinal}")
        } else {
            write!(formatter, "{state}#{ordinal}")
        }
    }
}
