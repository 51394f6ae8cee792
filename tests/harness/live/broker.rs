//! The broker, as a client or a plain service sees it.

use std::env;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeleteOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Queue};

use super::{until, within};

/// A connection to a broker.
pub struct Broker {
    /// The connection itself.
    pub connection: Connection,
    channel: Channel,
}

impl Broker {
    /// The address of the broker.
    ///
    /// # Errors
    /// `AMQP_URL` is not set.
    pub fn url() -> Result<String> {
        env::var("AMQP_URL").context("AMQP_URL is not set: run `cargo verify`")
    }

    /// Connects to the broker of `AMQP_URL`.
    ///
    /// # Errors
    /// The broker can't be reached.
    pub async fn connect() -> Result<Self> {
        Self::connect_to(&Self::url()?).await
    }

    /// Connects to any broker.
    ///
    /// # Errors
    /// It can't be reached.
    pub async fn connect_to(url: &str) -> Result<Self> {
        let connecting = Connection::connect(url, ConnectionProperties::default());
        let connection = within("the broker to answer", CONNECT_MAX, connecting).await??;
        let channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        Ok(Self {
            connection,
            channel,
        })
    }

    /// Makes a durable queue.
    ///
    /// # Errors
    /// There is one with other arguments.
    pub async fn declare(&self, queue: &str) -> Result<()> {
        let options = QueueDeclareOptions::durable();
        let declared = self
            .channel
            .queue_declare(queue.into(), options, FieldTable::default());
        declared.await?;
        Ok(())
    }

    /// Publishes a message to a queue that is there.
    ///
    /// # Errors
    /// It is not there, or the broker does not confirm.
    pub async fn publish(
        &self,
        queue: &str,
        properties: BasicProperties,
        body: &[u8],
    ) -> Result<()> {
        let exchange = ShortString::default();
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let published =
            self.channel
                .basic_publish(exchange, queue.into(), options, body, properties);
        let confirmed = published.await?.await?;
        ensure!(
            confirmed == Confirmation::Ack(None),
            "{queue} did not get it: {confirmed:?}"
        );
        Ok(())
    }

    /// Takes the next message out of a queue, waiting for it.
    ///
    /// # Errors
    /// None comes.
    pub async fn take(&self, queue: &str) -> Result<BasicGetMessage> {
        let what = format!("a message in {queue}");
        until(&what, MESSAGE_MAX, async || self.take_now(queue).await).await
    }

    /// Takes the next message out of a queue, if there is one.
    ///
    /// # Errors
    /// There is no such queue.
    pub async fn take_now(&self, queue: &str) -> Result<Option<BasicGetMessage>> {
        let options = BasicGetOptions { no_ack: true };
        Ok(self.channel.basic_get(queue.into(), options).await?)
    }

    /// Answers a task message: `kind` is the reply's type, absent with a plain worker.
    ///
    /// # Errors
    /// The coordinator's queue is not there.
    pub async fn reply(
        &self,
        task: &BasicGetMessage,
        kind: Option<&str>,
        body: &[u8],
    ) -> Result<()> {
        let asked = &task.delivery.properties;
        let token = asked
            .correlation_id()
            .clone()
            .context("a task has a token")?;
        let to = asked.reply_to().clone().context("a task has a reply_to")?;
        let mut reply = properties().with_correlation_id(token);
        if let Some(kind) = kind {
            reply = reply.with_type(kind.into());
        }
        self.publish(to.as_str(), reply, body).await
    }

    /// How many messages wait in a queue, and how many consumers it has; `None` when there is no such queue.
    ///
    /// # Errors
    /// The broker can't be reached.
    pub async fn counts(&self, queue: &str) -> Result<Option<(u32, u32)>> {
        // A look at a queue that is not there closes the channel.
        let channel = self.connection.create_channel().await?;
        let options = QueueDeclareOptions::default().passive();
        let found = channel.queue_declare(queue.into(), options, FieldTable::default());
        let counts = |queue: Queue| (queue.message_count(), queue.consumer_count());
        let found = found.await.ok().map(counts);
        ensure!(self.connection.status().connected(), "the broker is gone");
        Ok(found)
    }

    /// Deletes a queue, whatever is in it.
    ///
    /// # Errors
    /// The broker can't be reached.
    pub async fn delete(&self, queue: &str) -> Result<()> {
        let options = QueueDeleteOptions::default();
        self.channel.queue_delete(queue.into(), options).await?;
        Ok(())
    }

    /// Deletes an exchange.
    ///
    /// # Errors
    /// The broker can't be reached.
    pub async fn delete_exchange(&self, exchange: &str) -> Result<()> {
        let options = ExchangeDeleteOptions::default();
        Ok(self
            .channel
            .exchange_delete(exchange.into(), options)
            .await?)
    }
}

/// The properties of a message that outlives the broker.
pub fn properties() -> BasicProperties {
    BasicProperties::default().with_delivery_mode(2)
}

const CONNECT_MAX: Duration = Duration::from_secs(30);
/// How long a message may take to come.
const MESSAGE_MAX: Duration = Duration::from_secs(20);
