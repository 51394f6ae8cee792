//! A plain client of the worker, which asks and waits for each answer.

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};

use crate::parts::echo::consume;

/// The client.
pub struct Caller {
    _connection: Connection,
    channel: Channel,
    answers: ShortString,
    consumer: Consumer,
}

impl Caller {
    /// A client with a queue of its own for the answers.
    pub async fn connect(url: &str) -> Result<Caller> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let own = QueueDeclareOptions {
            exclusive: true,
            ..QueueDeclareOptions::default()
        };
        let queue = channel
            .queue_declare(ShortString::default(), own, FieldTable::default())
            .await?;
        let options = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        let consumer = consume(&channel, queue.name().as_str(), options).await?;
        Ok(Caller {
            _connection: connection,
            channel,
            answers: queue.name().clone(),
            consumer,
        })
    }

    /// Asks each queue in turn, waiting for the answer before the next.
    pub async fn call_all(&mut self, queues: &[String]) -> Result<()> {
        for queue in queues {
            let properties = BasicProperties::default()
                .with_reply_to(self.answers.clone())
                .with_correlation_id("call".into())
                .with_delivery_mode(2);
            let (exchange, options) = (ShortString::default(), BasicPublishOptions::default());
            let body = [b'1'; 250];
            self.channel
                .basic_publish(exchange, queue.as_str().into(), options, &body, properties)
                .await?;
            self.consumer.next().await.context("an answer comes")??;
        }
        Ok(())
    }
}
