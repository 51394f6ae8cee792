//! What a service makes of a task message, in fair weather and in foul.

use std::collections::BTreeSet;
use std::sync::Arc;

use sagamore_interpreter::{ClaimedEffect, Reply};
use sagamore_messages::TaskMessage;
use sagamore_tests::Random;
use sagamore_tests::saga::Services;
use serde_json::json;

use crate::broker::{Broker, Message};

/// The services of a world, and what they said.
#[derive(Default)]
pub struct Service {
    pub done: Services,
    /// Attempts of which it was said that nothing was done.
    denied: BTreeSet<String>,
}

impl Service {
    /// Takes a task message, and answers as one should.
    pub fn answer(&mut self, message: &TaskMessage, broker: &mut Broker) {
        let reply = match self.work(message) {
            true => Reply::Success(Arc::new(json!("on"))),
            false => failure(0, ClaimedEffect::None),
        };
        broker.inbox.push(reply_to(message, reply));
    }

    /// Takes a task message, and whatever may happen happens.
    pub fn chance(&mut self, message: TaskMessage, broker: &mut Broker, random: &mut Random) {
        // A service that said that nothing was done, and does it when it is asked once more, says so.
        if self.denied.contains(&message.message_id) {
            return self.answer(&message, broker);
        }
        let error = random.below(2) as usize;
        let reply = match random.below(18) {
            // None would be a lie when an earlier delivery did the work.
            0 if !self.done.of(step(&message)).is_there => {
                self.denied.insert(message.message_id.clone());
                failure(error, ClaimedEffect::None)
            }
            1 => failure(error, ClaimedEffect::Unknown),
            2 if self.work(&message) => failure(error, ClaimedEffect::Committed),
            // It dies before it answers, having worked or not: the broker has its message again.
            3 => {
                self.work(&message);
                return broker.tasks.push(message);
            }
            4 => {
                let token = message.token.as_str().to_owned();
                return broker.inbox.push(Message::Dead { token });
            }
            5 => {
                self.work(&message);
                Reply::Unusable {
                    error: "Sagamore.InvalidReply".to_owned(),
                    cause: "not JSON".to_owned(),
                }
            }
            6..=8 => {
                broker.tasks.push(message.clone());
                broker.inbox.push(reply_to(&message, Reply::Heartbeat));
                return;
            }
            _ if self.work(&message) => {
                let result = [json!("on"), json!("again"), json!("out"), json!(null)];
                let result = random.pick(&result).cloned().unwrap_or_default();
                Reply::Success(Arc::new(result))
            }
            _ => failure(error, ClaimedEffect::None),
        };
        let reply = reply_to(&message, reply);
        if random.one_in(6) {
            broker.inbox.push(reply.clone());
        }
        broker.inbox.push(reply);
    }

    fn work(&mut self, message: &TaskMessage) -> bool {
        let (key, compensates) = (&message.idempotency_key, message.compensates.as_deref());
        self.done.work(key, compensates)
    }
}

/// The key of the step that is done or undone.
fn step(message: &TaskMessage) -> &str {
    let compensates = message.compensates.as_ref();
    compensates.unwrap_or(&message.idempotency_key)
}

fn reply_to(message: &TaskMessage, reply: Reply) -> Message {
    let token = message.token.as_str().to_owned();
    Message::Reply { token, reply }
}

fn failure(which: usize, effect: ClaimedEffect) -> Reply {
    Reply::Failure {
        error: ["E1", "E2"][which].to_owned(),
        cause: None,
        effect,
    }
}
