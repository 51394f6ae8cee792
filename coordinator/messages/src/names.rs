//! The names of the coordinator's own queues and exchanges, and of the headers of a task message.
//!
//! All queues and exchanges share one configurable prefix, so that several coordinators can live on one broker.

/// The prefix when nothing else is configured.
pub const PREFIX_DEFAULT: &str = "sagamore";

/// Header of a task message: the execution it belongs to.
pub const HEADER_EXECUTION: &str = "sagamore-execution";
/// Header of a task message: the state machine of that execution.
pub const HEADER_MACHINE: &str = "sagamore-machine";
/// Header of a task message: the state that asks, `Compensate(<State>)` for an undo.
pub const HEADER_STATE: &str = "sagamore-state";
/// Header of a task message: which attempt of the visit this is, counting from 1.
pub const HEADER_ATTEMPT: &str = "sagamore-attempt";
/// Header of a task message: one key for all attempts of one visit, K, or `K/undo/n` for its undo.
pub const HEADER_IDEMPOTENCY_KEY: &str = "sagamore-idempotency-key";
/// Header of a compensation: the key K of the step that it undoes.
pub const HEADER_COMPENSATES: &str = "sagamore-compensates";
/// Header of a task message: when it is no longer worth starting, RFC 3339 with milliseconds.
pub const HEADER_DEADLINE: &str = "sagamore-deadline";
/// Header of a task message: W3C trace context.
pub const HEADER_TRACEPARENT: &str = "traceparent";
/// Header of a task message: W3C trace context, vendor part.
pub const HEADER_TRACESTATE: &str = "tracestate";

/// The coordinator's own queues and exchanges under one prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    prefix: String,
}

impl Names {
    /// The names under `prefix`, which is `sagamore` unless configured otherwise.
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    /// The prefix all names share.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The queue that replies go to: the `reply_to` of every task message.
    pub fn replies(&self) -> String {
        self.named("replies")
    }

    /// The queue that replies to the tasks of one coordinator's EXPRESS executions go to.
    pub fn replies_to(&self, coordinator: &str) -> String {
        self.named(&format!("replies.{coordinator}"))
    }

    /// The queue that commands go to.
    pub fn commands(&self) -> String {
        self.named("commands")
    }

    /// The topic exchange that events are published to.
    pub fn events(&self) -> String {
        self.named("events")
    }

    /// The queue where messages wait that could not be used, with the reason in their headers.
    pub fn parked(&self) -> String {
        self.named("parked")
    }

    /// The exchange that a service's queue names as its `x-dead-letter-exchange`, and the queue bound to it.
    pub fn dead(&self) -> String {
        self.named("dead")
    }

    fn named(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new(PREFIX_DEFAULT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_prefix_is_sagamore() {
        let names = Names::default();
        assert_eq!(names.replies(), "sagamore.replies");
        assert_eq!(names.dead(), "sagamore.dead");
    }

    #[test]
    fn every_name_takes_the_prefix() {
        let names = Names::new("loans");
        let all = [
            names.replies(),
            names.commands(),
            names.events(),
            names.parked(),
            names.dead(),
        ];
        assert!(all.iter().all(|name| name.starts_with("loans.")));
    }
}
