//! A service under test: its queues, a client that sends it task messages and reads its replies, and what it did.

use std::env;

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Confirmation, Connection, ConnectionProperties, Consumer};
use sagamore_messages::{Kind, Reply, TaskMessage, Token};
use sagamore_worker::{Context, Effects, Failure, Memory, Worker, from_amqp, to_amqp};
use sqlx::PgPool;
use uuid::Uuid;

/// One service of its own per test: queues, keys and effects have names that no other test has.
pub struct Bench {
    pub name: String,
    pub database: PgPool,
    pub channel: Channel,
    replies: Consumer,
    reply_to: String,
    _connection: Connection,
}

impl Bench {
    pub async fn new() -> Result<Self> {
        let name = format!("test-{}", Uuid::new_v4());
        let database = PgPool::connect(&database_url()?).await?;
        create_tables(&database).await?;
        let properties = ConnectionProperties::default();
        let connection = Connection::connect(&amqp_url()?, properties).await?;
        let channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        let reply_to = format!("{name}.replies");
        let options = QueueDeclareOptions {
            exclusive: true,
            ..QueueDeclareOptions::default()
        };
        let (queue, arguments) = (reply_to.as_str().into(), FieldTable::default());
        channel.queue_declare(queue, options, arguments).await?;
        let options = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        let (queue, tag) = (reply_to.as_str().into(), ShortString::default());
        let replies = channel
            .basic_consume(queue, tag, options, FieldTable::default())
            .await?;
        Ok(Self {
            name,
            database,
            channel,
            replies,
            reply_to,
            _connection: connection,
        })
    }

    /// The queue of the step.
    pub fn steps(&self) -> String {
        format!("{}.step", self.name)
    }

    /// The queue of its undo.
    pub fn undos(&self) -> String {
        format!("{}.undo", self.name)
    }

    /// A worker of this service with a pool of its own: another process, for all that the memory can tell.
    pub async fn worker(&self) -> Result<Worker> {
        let memory = Memory::postgres(&database_url()?, 20).await?;
        Ok(Worker::new(&self.name, &amqp_url()?, memory))
    }

    /// A worker that enters each step and undo into its table, and nothing else.
    pub async fn bookkeeper(&self, effects: Effects) -> Result<Worker> {
        let worker = self.worker().await?.effects(effects);
        let (step, undo) = (self.name.clone(), self.name.clone());
        Ok(worker
            .on(&self.steps(), move |(): (), context| {
                enter(step.clone(), context, 1)
            })
            .undo(&self.undos(), move |(): (), context| {
                enter(undo.clone(), context, -1)
            }))
    }

    pub fn step(&self, key: &str, attempt: u32) -> TaskMessage {
        TaskMessage {
            message_id: format!("{key}/{attempt}"),
            token: Token::new(format!("token of {key}/{attempt}")),
            reply_to: self.reply_to.clone(),
            kind: Kind::Task,
            timestamp_seconds: 0,
            execution: "e".to_owned(),
            machine: "m".to_owned(),
            state: "S".to_owned(),
            attempt,
            idempotency_key: key.to_owned(),
            compensates: None,
            deadline: None,
            traceparent: None,
            tracestate: None,
            body: "null".to_owned(),
            is_text: false,
        }
    }

    pub fn undo(&self, key: &str, round: u32) -> TaskMessage {
        let undo = format!("{key}/undo/{round}");
        TaskMessage {
            kind: Kind::Compensation,
            compensates: Some(key.to_owned()),
            ..self.step(&undo, 1)
        }
    }

    /// Sends a message to the queue of its kind.
    pub async fn send(&self, message: &TaskMessage) -> Result<()> {
        let queue = match message.kind {
            Kind::Task => self.steps(),
            Kind::Compensation => self.undos(),
        };
        let properties = to_amqp(&message.properties(None));
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let exchange = ShortString::default();
        let body = message.body.as_bytes();
        let publish = self
            .channel
            .basic_publish(exchange, queue.into(), options, body, properties);
        match publish.await?.await? {
            Confirmation::Ack(None) => Ok(()),
            other => bail!("not published: {other:?}"),
        }
    }

    /// The next reply: the token it is for, and what it says.
    pub async fn reply(&mut self) -> Result<(String, Reply)> {
        let delivery = self.replies.next().await.context("no more replies")??;
        read(&delivery)
    }

    /// Sends a message and waits for the reply that is to it.
    pub async fn ask(&mut self, message: &TaskMessage) -> Result<Reply> {
        self.send(message).await?;
        let (token, reply) = self.reply().await?;
        assert_eq!(token, message.token.as_str());
        Ok(reply)
    }

    /// What was done of a key and not undone.
    pub async fn effects(&self, key: &str) -> Result<i64> {
        let sum = "SELECT coalesce(sum(change), 0)::bigint FROM worker_effects WHERE service = $1 AND key = $2";
        let query = sqlx::query_scalar(sum).bind(&self.name).bind(key);
        Ok(query.fetch_one(&self.database).await?)
    }

    /// How many messages of a queue nobody has taken yet.
    pub async fn waiting(&self, queue: &str) -> Result<u32> {
        let options = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let found = self
            .channel
            .queue_declare(queue.into(), options, FieldTable::default());
        Ok(found.await?.message_count())
    }

    /// Takes a message out of a queue, waiting for it.
    pub async fn take(&self, queue: &str) -> Result<Delivery> {
        let (tag, options) = (ShortString::default(), BasicConsumeOptions::default());
        let arguments = FieldTable::default();
        let mut consumer = self
            .channel
            .basic_consume(queue.into(), tag, options, arguments)
            .await?;
        let delivery = consumer.next().await.context("no more messages")??;
        delivery.ack(BasicAckOptions::default()).await?;
        Ok(delivery)
    }

    /// Waits until a transaction of anybody waits for the lock on a row of this service's memory.
    pub async fn until_somebody_waits(&self, application: &str) -> Result<()> {
        let count = "SELECT count(*) FROM pg_stat_activity
                     WHERE wait_event_type = 'Lock' AND application_name = $1";
        loop {
            let query = sqlx::query_scalar::<_, i64>(count).bind(application);
            if query.fetch_one(&self.database).await? > 0 {
                return Ok(());
            }
        }
    }
}

/// Enters a change of a step's effects in the handler's transaction; an undo of what is not there changes nothing.
pub async fn enter(service: String, context: Context, change: i32) -> Result<i32, Failure> {
    let key = context.compensates().unwrap_or(context.idempotency_key());
    let mut postgres = context.postgres().await.expect("the memory is in Postgres");
    sqlx::query(
        "INSERT INTO worker_effects (service, key, change) SELECT $1, $2, $3
         WHERE $3 > 0 OR (SELECT sum(change) FROM worker_effects WHERE service = $1 AND key = $2) > 0",
    )
        .bind(service)
        .bind(key)
        .bind(change)
        .execute(&mut *postgres)
        .await?;
    Ok(change)
}

/// `success 1`, `failure Worker.Compensated none`.
pub fn told(reply: &Reply) -> String {
    match reply {
        Reply::Success(result) => format!("success {result}"),
        Reply::Failure { error, effect, .. } => {
            format!(
                "failure {error} {}",
                effect.map_or("unsaid", |effect| effect.as_str())
            )
        }
        Reply::Heartbeat => "heartbeat".to_owned(),
    }
}

fn read(delivery: &Delivery) -> Result<(String, Reply)> {
    let properties = from_amqp(&delivery.properties);
    let (kind, content_type) = (
        properties.kind.as_deref(),
        properties.content_type.as_deref(),
    );
    let reply = Reply::parse(kind, content_type, &delivery.data, 1_000_000)?;
    assert!(properties.message_id.is_some(), "a reply has a message_id");
    Ok((
        properties.correlation_id.context("a reply has a token")?,
        reply,
    ))
}

async fn create_tables(database: &PgPool) -> Result<()> {
    let mut transaction = database.begin().await?;
    let lock = "SELECT pg_advisory_xact_lock(hashtext('worker_effects'))";
    sqlx::query(lock).execute(&mut *transaction).await?;
    let table =
        "CREATE TABLE IF NOT EXISTS worker_effects (service text, key text, change integer)";
    sqlx::query(table).execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}

pub fn database_url() -> Result<String> {
    env::var("DATABASE_URL").context("DATABASE_URL is not set: run `cargo verify`")
}

pub fn amqp_url() -> Result<String> {
    env::var("AMQP_URL").context("AMQP_URL is not set: run `cargo verify`")
}
