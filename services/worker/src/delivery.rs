//! One delivery, from its bytes to its acknowledgement.

use std::sync::Arc;
use std::time::Duration;

use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicPublishOptions, BasicRejectOptions};
use lapin::types::ShortString;
use lapin::{Channel, Confirmation};
use sagamore_messages::{Reply, TaskMessage};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info, info_span, warn};

use crate::properties::{from_amqp, to_amqp};
use crate::service::{Reaction, Service};

/// What it takes to answer one delivery.
pub(crate) struct Answering {
    pub(crate) service: Arc<Service>,
    pub(crate) channel: Channel,
    /// Cancelled once the channel's connection is lost.
    pub(crate) lost: CancellationToken,
    pub(crate) heartbeat_every: Option<Duration>,
}

/// Why a delivery was neither answered nor acknowledged. The broker delivers it again.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("failed to publish the reply")]
    Publish(#[source] lapin::Error),
    #[error("the broker did not take the reply")]
    Refused,
    #[error("failed to acknowledge the message")]
    Acknowledge(#[source] lapin::Error),
    #[error("the connection was lost meanwhile")]
    Lost,
}

impl Answering {
    /// Answers it, acknowledges it, or leaves it for the broker to deliver again.
    pub(crate) async fn answer(self, delivery: Delivery) {
        let properties = from_amqp(&delivery.properties);
        let message = match TaskMessage::parse(&properties, &delivery.data) {
            Ok(message) => Arc::new(message),
            Err(fault) => {
                let queue = &delivery.routing_key;
                error!(fault = &fault as &dyn std::error::Error, %queue, "rejected: no task message");
                // Not requeued: it goes to the dead-letter exchange.
                let _ = delivery.reject(BasicRejectOptions { requeue: false }).await;
                return;
            }
        };
        let span = info_span!(
            "task",
            kind = message.kind.as_str(),
            state = %message.state,
            execution = %message.execution,
            attempt = message.attempt,
            key = %message.idempotency_key,
            message_id = %message.message_id,
        );
        let queue = delivery.routing_key.as_str();
        let answered = self
            .react(queue, &message, &delivery)
            .instrument(span.clone())
            .await;
        if let Err(error) = answered {
            let _entered = span.enter();
            let error = &error as &dyn std::error::Error;
            warn!(error, "not acknowledged: the message comes again");
        }
    }

    async fn react(
        &self,
        queue: &str,
        message: &Arc<TaskMessage>,
        delivery: &Delivery,
    ) -> Result<(), Unanswered> {
        let reaction = tokio::select! {
            reaction = self.service.react(queue, message) => reaction,
            () = self.beat(message) => unreachable!("the heart beats until there is a reaction"),
        };
        match reaction {
            Reaction::Reply(reply) => self.publish(message, &reply, "reply").await?,
            Reaction::Later => info!("to be answered later, by whoever holds the token"),
            Reaction::Expired => info!("dropped: its deadline has passed"),
        }
        let acknowledging = delivery.ack(BasicAckOptions::default());
        let acknowledged = self.lost.run_until_cancelled(acknowledging).await;
        let acknowledged = acknowledged.ok_or(Unanswered::Lost)?;
        acknowledged.map(drop).map_err(Unanswered::Acknowledge)
    }

    async fn beat(&self, message: &TaskMessage) {
        let Some(interval) = self.heartbeat_every else {
            return std::future::pending().await;
        };
        let mut number = 0_u64;
        loop {
            tokio::time::sleep(interval).await;
            number += 1;
            let name = format!("heartbeat/{number}");
            if let Err(error) = self.publish(message, &Reply::Heartbeat, &name).await {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "a heartbeat was not sent"
                );
            }
        }
    }

    /// Publishes a reply and waits for the broker's confirm.
    async fn publish(
        &self,
        message: &TaskMessage,
        reply: &Reply,
        name: &str,
    ) -> Result<(), Unanswered> {
        let message_id = format!("{}/{name}", message.message_id);
        let properties = reply.properties(message.token.as_str(), &message_id);
        let body = reply.body();
        let publishing = async {
            let options = BasicPublishOptions {
                mandatory: true,
                ..BasicPublishOptions::default()
            };
            let (exchange, reply_to) = (ShortString::default(), message.reply_to.as_str().into());
            let (body, properties) = (body.as_bytes(), to_amqp(&properties));
            let confirm = self
                .channel
                .basic_publish(exchange, reply_to, options, body, properties);
            confirm.await?.await
        };
        let confirmed = self.lost.run_until_cancelled(publishing).await;
        let confirmed = confirmed.ok_or(Unanswered::Lost)?;
        match confirmed.map_err(Unanswered::Publish)? {
            Confirmation::Ack(None) => Ok(()),
            // Nobody is there to read it, and sending it again would change nothing. The memory keeps the answer.
            Confirmation::Ack(Some(_)) => {
                error!(reply_to = %message.reply_to, "the reply went nowhere: there is no such queue");
                Ok(())
            }
            Confirmation::Nack(_) | Confirmation::NotRequested => Err(Unanswered::Refused),
        }
    }
}
