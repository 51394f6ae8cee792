//! The model of the broker: it delivers in any order, and once more what was not acked.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use sagamore_interpreter::Reply;
use sagamore_messages::TaskMessage;
use serde_json::Value;

/// What waits in the queues, and what came through them.
#[derive(Default)]
pub struct Broker {
    /// Task messages for the services.
    pub tasks: Vec<TaskMessage>,
    /// Messages for the coordinators.
    pub inbox: Vec<Message>,
    /// Task messages by their id, as they came first.
    seen: BTreeMap<String, TaskMessage>,
    /// Events: the execution and the routing key.
    events: BTreeSet<(String, String)>,
}

/// A message for a coordinator.
#[derive(Clone, Debug)]
pub enum Message {
    /// A service answers.
    Reply { token: String, reply: Reply },
    /// A queue gave up on a task message.
    Dead { token: String },
    /// A client has this execution started.
    Start { execution: usize },
    /// A client has it stopped.
    Stop { execution: usize },
}

impl Broker {
    /// Takes a task message. Invariant 6: every delivery of an attempt is the same.
    pub fn receive(&mut self, message: &TaskMessage) -> Result<()> {
        let first = self
            .seen
            .entry(message.message_id.clone())
            .or_insert_with(|| message.clone());
        ensure!(
            first == message,
            "an attempt was sent as {first:?} and again as {message:?}"
        );
        self.tasks.push(message.clone());
        Ok(())
    }

    /// Takes an event.
    pub fn receive_event(&mut self, routing_key: &str, body: &str) -> Result<()> {
        let event: Value = serde_json::from_str(body)?;
        let execution = event["data"]["executionArn"].as_str();
        let execution = execution.context("an event names its execution")?;
        self.events
            .insert((execution.to_owned(), routing_key.to_owned()));
        Ok(())
    }

    /// Whether an event of this execution came through.
    pub fn has_event(&self, execution: &str, routing_key: &str) -> bool {
        self.events
            .contains(&(execution.to_owned(), routing_key.to_owned()))
    }
}
