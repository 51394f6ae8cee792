//! What records say of compensations. Source: the saga extension.

use serde::{Deserialize, Serialize};

use super::{Ending, Payload, present};
use crate::definition::StateName;
use crate::ids::{EntryId, Sequence};

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
    /// It was stopped to be undone.
    Rollback,
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
    /// The execution that waited for this one undoes.
    Parent,
}

/// What a compensation undoes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// All that is armed in the scope.
    Scope,
    /// All that is armed in the scope since this record: the latest visit of the state that `Through` names.
    Since(Sequence),
    /// All that is armed inside the Parallel or Map whose branches or iterations this entry holds; nothing when it is `None`.
    Group(Option<EntryId>),
}

impl Target {
    /// Whether it holds what stands in the chain of its scope through this entry.
    pub(crate) fn holds(self, link: Option<EntryId>) -> bool {
        match self {
            Target::Scope => true,
            Target::Since(since) => link.is_some_and(|link| link.0 > since),
            Target::Group(group) => group.is_some() && group == link,
        }
    }
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
        /// The variables it assigns.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assigned: Option<Payload>,
    },
    /// The execution ends.
    Finish(Ending),
    /// Nothing: the execution has ended before.
    Settle,
    /// Nothing: the scope was closed before, by an error that is caught around it.
    Close,
    /// The iteration is over; its Map does without it.
    Forgo,
    /// The Parallel or Map begins again, as an operator said.
    Rerun,
    /// The Parallel or Map is tried again.
    Retry {
        /// Which of its retriers says so.
        retrier: usize,
    },
}

/// How an operator settles an incident, when not by having it tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// What could not be undone is left as it is; a state that failed is taken for done.
    Skip {
        /// What the state has for its result, when a state is left so.
        #[serde(
            default,
            deserialize_with = "present",
            skip_serializing_if = "Option::is_none"
        )]
        output: Option<Payload>,
    },
    /// It was undone by hand.
    Resolve,
    /// It is left as it is, and with it all that this compensation has yet to undo.
    Abandon,
}

impl Settlement {
    /// The word for it in the API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Settlement::Skip { .. } => "skip",
            Settlement::Resolve => "resolve",
            Settlement::Abandon => "abandon",
        }
    }
}
