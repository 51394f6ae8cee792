//! A Task with all that may go wrong with it: timeouts, retriers, catchers.

use jiff::SignedDuration;

use super::{Compensation, StateName, Transition};
use crate::query::{Path, ReferencePath, Template};

/// A `Task` state.
#[derive(Debug)]
pub struct Task {
    /// `Resource`: where its task message goes.
    pub resource: Resource,
    /// `Parameters`.
    pub parameters: Option<Template>,
    /// `ResultSelector`.
    pub result_selector: Option<Template>,
    /// `ResultPath`; `None` is `null`: the result is dropped.
    pub result_path: Option<ReferencePath>,
    /// `TimeoutSeconds` or `TimeoutSecondsPath`; `None` leaves it to [`Resource::timeout_default`].
    pub timeout: Option<Seconds>,
    /// `HeartbeatSeconds` or `HeartbeatSecondsPath`.
    pub heartbeat: Option<Seconds>,
    /// `Retry`, in order.
    pub retry: Vec<Retrier>,
    /// `Catch`, in order.
    pub catch: Vec<Catcher>,
    /// `Compensate`: the Task that undoes this one. Source: the saga extension.
    pub compensate: Option<Box<Compensation>>,
    /// `Next` or `End`.
    pub transition: Transition,
}

/// Where the work of a [`Task`] is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// `queue:<name>`: a service behind a queue, which replies.
    Queue(String),
    /// `exchange:<exchange>/<routing.key>`: told, and done once the broker confirms.
    Exchange {
        /// The exchange's name.
        exchange: String,
        /// The routing key.
        routing_key: String,
    },
    /// `review:<name>`: a person.
    Review(String),
}

impl std::fmt::Display for Resource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Resource::Queue(name) => write!(formatter, "queue:{name}"),
            Resource::Exchange {
                exchange,
                routing_key,
            } => write!(formatter, "exchange:{exchange}/{routing_key}"),
            Resource::Review(name) => write!(formatter, "review:{name}"),
        }
    }
}

impl Resource {
    /// How long a Task may take that does not say: 1 hour, and 30 days for a person.
    pub fn timeout_default(&self) -> SignedDuration {
        match self {
            Resource::Queue(_) | Resource::Exchange { .. } => SignedDuration::from_hours(1),
            Resource::Review(_) => SignedDuration::from_hours(30 * 24),
        }
    }
}

/// A number of seconds that stands in the definition, or that a path yields.
#[derive(Debug)]
pub enum Seconds {
    /// As written: 1 to [`Seconds::MAX`].
    Literal(u32),
    /// `…SecondsPath`.
    Path(Path),
}

impl Seconds {
    /// The most seconds any field takes. Source: States Language, "TimeoutSeconds"; Step Functions.
    pub const MAX: u32 = 99_999_999;
}

/// One entry of `Retry`.
#[derive(Debug)]
pub struct Retrier {
    /// `ErrorEquals`; never empty.
    pub error_equals: Vec<ErrorName>,
    /// `IntervalSeconds`: 1 to 99,999,999; default 1.
    pub interval_seconds: u32,
    /// `MaxAttempts`: 0 to 99,999,999 retries; default 3.
    pub max_attempts: u32,
    /// `BackoffRate`: at least 1.0; default 2.0.
    pub backoff_rate: f64,
    /// `MaxDelaySeconds`: the cap of one delay, below 31,622,400.
    pub max_delay_seconds: Option<u32>,
    /// `JitterStrategy`; default none.
    pub jitter: Jitter,
}

/// `JitterStrategy` of a [`Retrier`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jitter {
    /// The delay as computed.
    None,
    /// Evenly drawn between 0 and the delay as computed.
    Full,
}

/// One entry of `Catch`.
#[derive(Debug)]
pub struct Catcher {
    /// `ErrorEquals`; never empty.
    pub error_equals: Vec<ErrorName>,
    /// `ResultPath` of the error output; `None` is `null`: the error is dropped.
    pub result_path: Option<ReferencePath>,
    /// `Compensate`: whether the scope that failed is undone before `Next`. Source: the saga extension.
    pub compensate: bool,
    /// `Next`.
    pub next: StateName,
}

/// A name in `ErrorEquals`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorName {
    /// `States.ALL`: everything that can be caught.
    All,
    /// `States.TaskFailed`: every error of a Task but a timeout.
    TaskFailed,
    /// Any other name, compared as it stands.
    Named(String),
}
