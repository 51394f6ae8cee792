//! A broker, a client of it, and what tests do with both.

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use lapin::message::{BasicGetMessage, Delivery};
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer,
    ExchangeKind,
};
use sagamore_dev_broker::{Broker, Settings};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

pub struct World {
    pub url: String,
    pub running: JoinHandle<()>,
    pub stop: DropGuard,
    pub connection: Connection,
    pub channel: Channel,
}

impl World {
    pub async fn new() -> World {
        World::with(Settings::default()).await
    }

    pub async fn with(settings: Settings) -> World {
        let address = "127.0.0.1:0".parse().unwrap();
        let broker = Broker::bind(address, settings).await.unwrap();
        let (url, stop) = (broker.url(), CancellationToken::new());
        let running = tokio::spawn(broker.run(stop.clone()));
        let connection = connect(&url).await;
        let channel = confirming(&connection).await;
        let stop = stop.drop_guard();
        World {
            url,
            running,
            stop,
            connection,
            channel,
        }
    }

    pub async fn queue(&self, name: &str, arguments: &[(&str, AMQPValue)]) {
        let options = QueueDeclareOptions::durable();
        let declaring = self
            .channel
            .queue_declare(name.into(), options, table(arguments));
        soon(declaring).await.unwrap();
    }

    pub async fn exchange(&self, name: &str, kind: ExchangeKind) {
        let options = ExchangeDeclareOptions::default();
        let nothing = FieldTable::default();
        let declaring = self
            .channel
            .exchange_declare(name.into(), kind, options, nothing);
        soon(declaring).await.unwrap();
    }

    pub async fn bind(
        &self,
        queue: &str,
        exchange: &str,
        key: &str,
        arguments: &[(&str, AMQPValue)],
    ) {
        let (queue, exchange, key) = (queue.into(), exchange.into(), key.into());
        let options = QueueBindOptions::default();
        let binding = self
            .channel
            .queue_bind(queue, exchange, key, options, table(arguments));
        soon(binding).await.unwrap();
    }

    pub async fn publish(&self, exchange: &str, key: &str, body: &str) -> Confirmation {
        self.publish_with(exchange, key, body, BasicProperties::default())
            .await
    }

    pub async fn publish_with(
        &self,
        exchange: &str,
        key: &str,
        body: &str,
        properties: BasicProperties,
    ) -> Confirmation {
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let (exchange, key) = (exchange.into(), key.into());
        let publishing =
            self.channel
                .basic_publish(exchange, key, options, body.as_bytes(), properties);
        soon(publishing.await.unwrap()).await.unwrap()
    }

    pub async fn get(&self, queue: &str) -> Option<BasicGetMessage> {
        let getting = self
            .channel
            .basic_get(queue.into(), BasicGetOptions { no_ack: true });
        soon(getting).await.unwrap()
    }

    pub async fn bodies(&self, queue: &str) -> Vec<String> {
        let mut bodies = Vec::new();
        while let Some(message) = self.get(queue).await {
            bodies.push(text(&message));
        }
        bodies
    }
}

pub async fn connect(url: &str) -> Connection {
    soon(Connection::connect(url, ConnectionProperties::default()))
        .await
        .unwrap()
}

pub async fn confirming(connection: &Connection) -> Channel {
    let channel = soon(connection.create_channel()).await.unwrap();
    let options = ConfirmSelectOptions::default();
    soon(channel.confirm_select(options)).await.unwrap();
    channel
}

pub async fn consume(channel: &Channel, queue: &str, prefetch: u16) -> Consumer {
    let options = BasicQosOptions::default();
    soon(channel.basic_qos(prefetch, options)).await.unwrap();
    let options = BasicConsumeOptions::default();
    let consuming = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
    soon(consuming).await.unwrap()
}

pub async fn next(consumer: &mut Consumer) -> Delivery {
    soon(consumer.next()).await.unwrap().unwrap()
}

pub async fn soon<F: Future>(future: F) -> F::Output {
    let patience = Duration::from_secs(30);
    tokio::time::timeout(patience, future)
        .await
        .expect("in vain")
}

pub fn table(entries: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert((*name).into(), value.clone());
    }
    table
}

pub fn long(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

pub fn text(delivery: &Delivery) -> String {
    String::from_utf8(delivery.data.clone()).unwrap()
}
