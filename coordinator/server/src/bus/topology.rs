//! The coordinator's own queues and exchanges.
//!
//! Each is looked for first and created only when it is absent: an operator may have made it a quorum queue, or given
//! it other arguments, and a declaration that differs would close the channel each time. What is created has no
//! arguments, so the virtual host's policies and default queue type decide the rest. Whoever makes quorum queues on
//! RabbitMQ 4 sets their delivery limit to -1: a reply must survive any number of lost connections.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Connection, ErrorKind, ExchangeKind};
use sagamore_messages::Names;

use super::session::Error;

/// Makes what is absent.
pub(super) async fn declare(connection: &Connection, names: &Names) -> Result<(), Error> {
    for queue in [
        names.replies(),
        names.commands(),
        names.parked(),
        names.dead(),
    ] {
        ensure_queue(connection, queue).await?;
    }
    ensure_exchange(connection, names.dead(), ExchangeKind::Fanout).await?;
    ensure_exchange(connection, names.events(), ExchangeKind::Topic).await?;
    let channel = connection.create_channel().await?;
    let dead = short(names.dead());
    let binding = channel.queue_bind(
        dead.clone(),
        dead,
        ShortString::default(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    Ok(binding.await?)
}

/// Makes the queue for replies that one coordinator alone can take, unless it is there. It outlives a connection that is lost,
/// and vanishes once nobody has consumed from it for as long as a task of it could still run.
pub(super) async fn declare_own(connection: &Connection, queue: &str) -> Result<(), Error> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-expires".into(), AMQPValue::LongInt(OWN_EXPIRES_MS));
    let channel = connection.create_channel().await?;
    let options = QueueDeclareOptions::durable();
    channel
        .queue_declare(short(queue.to_owned()), options, arguments)
        .await?;
    Ok(())
}

/// An EXPRESS execution takes five minutes at most.
const OWN_EXPIRES_MS: i32 = 5 * 60 * 1_000;

/// Whether a queue is there; `None` when that can't be said.
pub(super) async fn queue_exists(connection: &Connection, queue: &str) -> Option<bool> {
    let queue = ShortString::try_new(queue).ok()?;
    let channel = connection.create_channel().await.ok()?;
    let looked = channel
        .queue_declare(
            queue,
            QueueDeclareOptions::default().passive(),
            FieldTable::default(),
        )
        .await;
    match looked {
        Ok(_) => Some(true),
        Err(error) if is_missing(&error) => Some(false),
        Err(_) => None,
    }
}

/// Whether an exchange is there; `None` when that can't be said.
pub(super) async fn exchange_exists(connection: &Connection, exchange: &str) -> Option<bool> {
    let exchange = ShortString::try_new(exchange).ok()?;
    let channel = connection.create_channel().await.ok()?;
    let passive = ExchangeDeclareOptions {
        passive: true,
        ..ExchangeDeclareOptions::default()
    };
    let looked = channel
        .exchange_declare(
            exchange,
            ExchangeKind::Topic,
            passive,
            FieldTable::default(),
        )
        .await;
    match looked {
        Ok(()) => Some(true),
        Err(error) if is_missing(&error) => Some(false),
        Err(_) => None,
    }
}

/// Whether the broker says that there is no such queue or exchange.
pub(super) fn is_missing(error: &lapin::Error) -> bool {
    let ErrorKind::ProtocolError(error) = error.kind() else {
        return false;
    };
    matches!(error.kind(), AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND))
}

async fn ensure_queue(connection: &Connection, queue: String) -> Result<(), Error> {
    if queue_exists(connection, &queue).await == Some(true) {
        return Ok(());
    }
    // The look that found nothing has closed its channel.
    let channel = connection.create_channel().await?;
    channel
        .queue_declare(
            short(queue),
            QueueDeclareOptions::durable(),
            FieldTable::default(),
        )
        .await?;
    Ok(())
}

async fn ensure_exchange(
    connection: &Connection,
    exchange: String,
    kind: ExchangeKind,
) -> Result<(), Error> {
    if exchange_exists(connection, &exchange).await == Some(true) {
        return Ok(());
    }
    let channel = connection.create_channel().await?;
    let durable = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    channel
        .exchange_declare(short(exchange), kind, durable, FieldTable::default())
        .await?;
    Ok(())
}

/// One of our own names, whose prefix was checked when the bus was made.
pub(super) fn short(name: String) -> ShortString {
    ShortString::try_new(name).expect("the prefix was checked")
}
