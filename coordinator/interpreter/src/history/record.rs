//! One record, and the words that all records share.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::Event;
use crate::ids::Sequence;

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
    /// All of them.
    pub const ALL: [Status; 5] = [
        Status::Running,
        Status::Succeeded,
        Status::Failed,
        Status::TimedOut,
        Status::Aborted,
    ];

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
