//! Commands: what a client asks for, and the answer to where it wants it.

use lapin::message::Delivery;
use lapin::types::ShortString;
use sagamore_messages::{Command, CommandFault, Reply};
use uuid::Uuid;

use super::convert::outgoing;
use super::intake::{Intake, Verdict};
use super::lines::{Message, Sent};
use super::run::CommandError;
use super::session::Pauses;

impl Intake {
    /// Takes a command, and answers it where it says to.
    pub(super) async fn command(&self, delivery: &Delivery) -> Verdict {
        let properties = &delivery.properties;
        let message_id = properties.message_id().as_ref().map(ShortString::as_str);
        let kind = properties.kind().as_ref().map(ShortString::as_str);
        let (message_id, command) = match Command::parse(kind, message_id, &delivery.data) {
            Ok(command) => command,
            Err(fault) => {
                let reason = described(&fault);
                let failure = failure("Sagamore.InvalidCommand", &reason);
                self.answer(delivery, message_id.unwrap_or_default(), failure)
                    .await;
                return Verdict::Park(reason);
            }
        };
        let Some(answer) = self.response(&message_id, command).await else {
            return Verdict::Hold;
        };
        self.answer(delivery, &message_id, answer).await;
        Verdict::Ack
    }

    /// Runs a command until it is clear what it is answered with, since a store that is away is no answer; `None` when
    /// the coordinator stops before.
    async fn response(&self, message_id: &str, command: Command) -> Option<Reply> {
        let mut pauses = Pauses::of_message();
        loop {
            match (self.calls.run_command)(message_id.to_owned(), command.clone()).await {
                Ok(response) => return Some(Reply::Success(response)),
                Err(CommandError::Refused { name, message }) => {
                    return Some(failure(&name, &message));
                }
                Err(CommandError::NotNow) => {}
            }
            self.stop.run_until_cancelled(pauses.sleep()).await?;
        }
    }

    /// Sends an answer until the broker has it, or until it is clear that nobody waits for it.
    async fn answer(&self, delivery: &Delivery, message_id: &str, answer: Reply) {
        let asked = &delivery.properties;
        let Some(reply_to) = asked
            .reply_to()
            .as_ref()
            .filter(|queue| !queue.as_str().is_empty())
        else {
            return;
        };
        let correlation_id = asked.correlation_id().as_ref().map(ShortString::as_str);
        // The same for a redelivered command, so a client can tell a repeated answer.
        let answer_id = Uuid::new_v5(&Uuid::NAMESPACE_OID, message_id.as_bytes()).to_string();
        let mut properties = answer.properties(correlation_id.unwrap_or_default(), &answer_id);
        properties.correlation_id = correlation_id.map(str::to_owned);
        let properties = match outgoing(&properties) {
            Ok(properties) => properties,
            Err(error) => return tracing::warn!(%error, "dropped the answer to a command"),
        };
        let body = answer.body();
        let message = Message {
            exchange: "",
            routing_key: reply_to.as_str(),
            mandatory: true,
            properties,
            body: body.as_bytes(),
        };
        let mut pauses = Pauses::of_message();
        let problem = loop {
            match self.lines.publish(message.clone()).await {
                Sent::Confirmed | Sent::Stopped => return,
                Sent::Nacked | Sent::Lost { .. } => pauses.sleep().await,
                Sent::Returned => break "no such queue".to_owned(),
                Sent::NoExchange => break "no such exchange".to_owned(),
                Sent::Refused(problem) => break problem,
            }
        };
        let reply_to = reply_to.as_str();
        tracing::warn!(reply_to, problem, "dropped the answer to a command");
    }
}

fn failure(error: &str, cause: &str) -> Reply {
    Reply::Failure {
        error: error.to_owned(),
        cause: cause.to_owned(),
        effect: None,
    }
}

fn described(fault: &CommandFault) -> String {
    match std::error::Error::source(fault) {
        Some(source) => format!("{fault}: {source}"),
        None => fault.to_string(),
    }
}
