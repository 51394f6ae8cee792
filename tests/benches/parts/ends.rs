//! The ends of executions, as an event tells them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use futures_util::StreamExt as _;
use lapin::options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Connection, ConnectionProperties, Consumer};
use sagamore_messages::Names;
use serde_json::Value;
use tokio::sync::oneshot;

/// Who waits for which execution.
type Waiting = Arc<Mutex<HashMap<String, oneshot::Sender<()>>>>;

/// Listens to the events of a coordinator.
pub struct Ends {
    _connection: Connection,
    waiting: Waiting,
}

impl Ends {
    /// Binds a queue of its own to the coordinator's events.
    pub async fn listen(url: &str, names: &Names) -> Result<Ends> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let own = QueueDeclareOptions {
            exclusive: true,
            ..QueueDeclareOptions::default()
        };
        let arguments = FieldTable::default;
        let queue = channel
            .queue_declare(ShortString::default(), own, arguments())
            .await?;
        let queue = queue.name().clone();
        let (events, key) = (names.events().into(), "execution.*.SUCCEEDED".into());
        let options = QueueBindOptions::default();
        channel
            .queue_bind(queue.clone(), events, key, options, arguments())
            .await?;
        let options = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        let tag = ShortString::default();
        let consumer = channel
            .basic_consume(queue, tag, options, arguments())
            .await?;
        let waiting = Waiting::default();
        tokio::spawn(tell(consumer, Arc::clone(&waiting)));
        Ok(Ends {
            _connection: connection,
            waiting,
        })
    }

    /// The end of the execution with this name, which has not been started yet.
    pub fn expect(&self, name: &str) -> oneshot::Receiver<()> {
        let (sender, end) = oneshot::channel();
        lock(&self.waiting).insert(name.to_owned(), sender);
        end
    }
}

async fn tell(mut consumer: Consumer, waiting: Waiting) -> Result<()> {
    while let Some(delivery) = consumer.next().await {
        let event: Value = serde_json::from_slice(&delivery?.data)?;
        let name = event["subject"].as_str().unwrap_or_default();
        if let Some(sender) = lock(&waiting).remove(name) {
            let _ = sender.send(());
        }
    }
    Ok(())
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, HashMap<String, oneshot::Sender<()>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
