//! A plain RabbitMQ worker that sends back what it gets.

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};
use sagamore_tests::live::Broker;
use tokio::task::JoinSet;

/// The worker.
pub struct Echo {
    connection: Connection,
    consuming: JoinSet<Result<()>>,
}

impl Echo {
    /// Consumes these queues of the broker at `url`.
    pub async fn start(url: &str, queues: &[String]) -> Result<Echo> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let mut consuming = JoinSet::new();
        for queue in queues {
            let channel = connection.create_channel().await?;
            let durable = QueueDeclareOptions::durable();
            channel
                .queue_declare(queue.as_str().into(), durable, FieldTable::default())
                .await?;
            let consumer = consume(&channel, queue, BasicConsumeOptions::default()).await?;
            consuming.spawn(echo(channel, consumer));
        }
        Ok(Echo {
            connection,
            consuming,
        })
    }

    /// Ends it, and deletes its queues.
    pub async fn stop(mut self, url: &str, queues: &[String]) -> Result<()> {
        self.consuming.shutdown().await;
        self.connection.close(200, ShortString::default()).await?;
        let broker = Broker::connect_to(url).await?;
        for queue in queues {
            broker.delete(queue).await?;
        }
        Ok(())
    }
}

async fn echo(channel: Channel, mut consumer: Consumer) -> Result<()> {
    while let Some(delivery) = consumer.next().await {
        let delivery = delivery?;
        let asked = &delivery.properties;
        let reply_to = asked.reply_to().clone().context("a request has one")?;
        let id = asked
            .correlation_id()
            .clone()
            .context("a request has one")?;
        let properties = BasicProperties::default()
            .with_correlation_id(id)
            .with_delivery_mode(2);
        let (exchange, options) = (ShortString::default(), BasicPublishOptions::default());
        channel
            .basic_publish(exchange, reply_to, options, &delivery.data, properties)
            .await?;
        delivery.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}

/// Consumes a queue.
pub async fn consume(
    channel: &Channel,
    queue: &str,
    options: BasicConsumeOptions,
) -> Result<Consumer> {
    let tag = ShortString::default();
    let consuming = channel.basic_consume(queue.into(), tag, options, FieldTable::default());
    Ok(consuming.await?)
}
