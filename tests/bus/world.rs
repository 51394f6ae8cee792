//! One bus, what it calls, and a client of the same broker that plays services and clients.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::AMQPUri;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use sagamore::advance::{Answer, Ends, Error, Outbox, Publication, What};
use sagamore::bus::{Bus, Calls, CommandError, Handle, Settings};
use sagamore::store::{Outgoing, Route};
use sagamore_interpreter::{ExecutionId, Input, Sequence};
use sagamore_messages::{Command, Kind, Names, TaskMessage, TokenKey};
use sagamore_tests::proxy::Proxy;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Longer than anything may take.
pub const LONG: Duration = Duration::from_secs(30);

/// What an input is answered with.
pub type Answers = Arc<dyn Fn(&Input) -> Result<Answer, Error> + Send + Sync>;

/// How the bus of a test is set up.
pub struct Setup {
    pub names: Names,
    pub grace: Duration,
    pub prefetch: u16,
    pub answers: Answers,
    pub open: bool,
    pub proxied: bool,
    /// The first command can't be run when it is first tried.
    pub away_at_first: bool,
    /// Inputs are answered once there is a permit for them.
    pub permits: Option<Arc<tokio::sync::Semaphore>>,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            names: Names::new(&format!("test-{}", Uuid::new_v4())),
            grace: Duration::ZERO,
            prefetch: 256,
            answers: Arc::new(|_| taken()),
            open: true,
            proxied: false,
            away_at_first: false,
            permits: None,
        }
    }
}

pub struct World {
    pub names: Names,
    pub handle: Handle,
    pub outbox: Outbox,
    pub key: TokenKey,
    pub inputs: mpsc::UnboundedReceiver<(ExecutionId, Input)>,
    pub proxy: Option<Proxy>,
    pub client: Client,
    stop: CancellationToken,
    running: Option<JoinHandle<()>>,
    queues: Vec<String>,
}

impl World {
    /// A bus that runs, connected.
    pub async fn new(setup: Setup) -> World {
        let world = World::unconnected(setup).await;
        eventually("the bus connects", || world.handle.is_connected()).await;
        world
    }

    /// A bus that runs.
    pub async fn unconnected(setup: Setup) -> World {
        // `RUST_LOG` shows what a failing test did.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        let client = Client::new().await;
        let (url, proxy) = address(setup.proxied).await;
        let (seen, inputs) = mpsc::unbounded_channel();
        let key = TokenKey::new(SECRET);
        let settings = Settings {
            amqp_url: url,
            names: setup.names.clone(),
            own_replies: setup.names.replies_to("this"),
            prefetch: setup.prefetch,
            payload_bytes_max: 262_144,
            unroutable_grace: setup.grace,
            heartbeat: Duration::from_secs(10),
        };
        let calls = calls(&setup, seen, key.clone());
        let bus = Bus::new(settings, calls).unwrap();
        let handle = bus.handle();
        let (outbox, Ends { publications, .. }) = Outbox::new();
        let stop = CancellationToken::new();
        let running = tokio::spawn(bus.run(publications, outbox.clone(), stop.clone()));
        World {
            names: setup.names,
            handle,
            outbox,
            key,
            inputs,
            proxy,
            client,
            stop,
            running: Some(running),
            queues: Vec::new(),
        }
    }

    /// A queue of a service, which goes away with the test.
    pub async fn queue(&mut self, name: &str, arguments: FieldTable) -> String {
        let queue = format!("{}.{name}", self.names.prefix());
        self.client.declare(&queue, arguments).await;
        self.queues.push(queue.clone());
        queue
    }

    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().unwrap()
    }

    /// The next input that the bus submits.
    pub async fn input(&mut self) -> (ExecutionId, Input) {
        soon("an input is submitted", self.inputs.recv())
            .await
            .unwrap()
    }

    /// Sends a task message to a route; returns its number and message id.
    pub async fn send(&self, route: Route, task: u64) -> (u64, String) {
        let number = self.outbox.number();
        let publication = self.publication(number, route, task);
        let What::Task { outgoing, .. } = &publication.what else {
            unreachable!("a task was made")
        };
        let message_id = outgoing.message.message_id.clone();
        self.outbox.send(publication).await;
        (number, message_id)
    }

    pub fn publication(&self, number: u64, route: Route, task: u64) -> Publication {
        let message = TaskMessage {
            message_id: format!("{}/{task}", self.names.prefix()),
            token: self.key.seal(EXECUTION.0, task),
            reply_to: self.names.replies(),
            kind: Kind::Task,
            timestamp_seconds: 1_767_225_600,
            execution: EXECUTION.to_string(),
            machine: "loan".to_owned(),
            state: "Do".to_owned(),
            attempt: 1,
            idempotency_key: "k".to_owned(),
            compensates: None,
            deadline: None,
            traceparent: None,
            tracestate: None,
            body: format!("{{\"task\":{task}}}"),
            is_text: false,
        };
        let what = What::Task {
            execution: EXECUTION,
            wait: Sequence(task),
            due: Some(Timestamp::now() + Duration::from_secs(3_600)),
            outgoing: Box::new(Outgoing {
                route,
                message,
                is_told: false,
            }),
        };
        Publication { number, what }
    }

    /// Publishes a reply to a task.
    pub async fn reply(&self, task: u64, body: &[u8]) {
        let token = self.key.seal(EXECUTION.0, task);
        let properties = BasicProperties::default().with_correlation_id(token.as_str().into());
        self.client
            .publish(&self.names.replies(), properties, body)
            .await;
    }

    /// The next parked message, with the reason it was parked for.
    pub async fn parked(&self) -> (String, Delivery) {
        let delivery = self.client.take(&self.names.parked()).await;
        (header(&delivery, "sagamore-reason").unwrap(), delivery)
    }

    /// All messages up to this one are done.
    pub async fn done(&self, number: u64) {
        let done = || self.outbox.sent_through() >= number;
        eventually("the outbox is done", done).await;
    }

    /// Stops the bus.
    pub async fn halt(&mut self) {
        self.stop.cancel();
        if let Some(running) = self.running.take() {
            soon("the bus stops", running).await.unwrap();
        }
    }

    /// Stops the bus and takes its queues away.
    pub async fn end(mut self) {
        self.halt().await;
        let names = &self.names;
        let own = [
            names.replies(),
            names.commands(),
            names.parked(),
            names.dead(),
        ];
        for queue in self.queues.iter().chain(&own) {
            self.client.delete(queue).await;
        }
        for exchange in [names.dead(), names.events()] {
            let options = ExchangeDeleteOptions::default();
            let deleting = self
                .client
                .channel
                .exchange_delete(exchange.into(), options);
            deleting.await.unwrap();
        }
    }
}

/// A connection of its own to the broker, never through the proxy.
pub struct Client {
    _connection: Connection,
    pub channel: Channel,
}

impl Client {
    pub async fn new() -> Client {
        let url = crate::broker::url();
        let connection = Connection::connect(&url, ConnectionProperties::default());
        let connection = soon("the client connects", connection).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let confirms = ConfirmSelectOptions::default();
        channel.confirm_select(confirms).await.unwrap();
        Client {
            _connection: connection,
            channel,
        }
    }

    pub async fn declare(&self, queue: &str, arguments: FieldTable) {
        let durable = QueueDeclareOptions::durable();
        let declaring = self.channel.queue_declare(queue.into(), durable, arguments);
        declaring.await.unwrap();
    }

    pub async fn delete(&self, queue: &str) {
        let options = QueueDeleteOptions::default();
        self.channel
            .queue_delete(queue.into(), options)
            .await
            .unwrap();
    }

    /// How many messages wait in a queue.
    pub async fn count(&self, queue: &str) -> u32 {
        let look = QueueDeclareOptions::default().passive();
        let look = self
            .channel
            .queue_declare(queue.into(), look, FieldTable::default());
        look.await.unwrap().message_count()
    }

    pub async fn publish(&self, queue: &str, properties: BasicProperties, body: &[u8]) {
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let properties = properties.with_delivery_mode(2);
        let publishing =
            self.channel
                .basic_publish("".into(), queue.into(), options, body, properties);
        let confirmation = soon("a confirm", publishing.await.unwrap()).await.unwrap();
        assert_eq!(confirmation, Confirmation::Ack(None));
    }

    /// The next message of a queue, acked.
    pub async fn take(&self, queue: &str) -> Delivery {
        self.take_many(queue, 1).await.remove(0)
    }

    /// The next messages of a queue, acked.
    pub async fn take_many(&self, queue: &str, count: usize) -> Vec<Delivery> {
        let channel = self._connection.create_channel().await.unwrap();
        let prefetch = u16::try_from(count).unwrap();
        let qos = BasicQosOptions::default();
        channel.basic_qos(prefetch, qos).await.unwrap();
        let consuming = channel.basic_consume(
            queue.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let deliveries = consuming.await.unwrap().take(count).map(Result::unwrap);
        let taken: Vec<Delivery> = soon("messages come", deliveries.collect()).await;
        for delivery in &taken {
            delivery.ack(BasicAckOptions::default()).await.unwrap();
        }
        channel.close(200, "".into()).await.unwrap();
        taken
    }
}

/// The execution of all tasks of a test.
pub const EXECUTION: ExecutionId = ExecutionId(Uuid::from_u128(7));

/// What seals the tokens of all tests.
pub const SECRET: &[u8] = b"the secret of a test";

pub fn taken() -> Result<Answer, Error> {
    Ok(Answer {
        at: Timestamp::UNIX_EPOCH,
        taken: Ok(()),
        answered: None,
    })
}

pub fn header(delivery: &Delivery, name: &str) -> Option<String> {
    let headers = delivery.properties.headers().as_ref()?.inner();
    match headers.get(name) {
        Some(AMQPValue::LongString(text)) => Some(text.to_string()),
        _ => None,
    }
}

/// Awaits what must come, and fails when it does not.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(LONG, future).await {
        Ok(output) => output,
        Err(_) => panic!("in vain: {what}"),
    }
}

/// Awaits a condition that nothing announces.
pub async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let looking = async {
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        while !condition() {
            looks.tick().await;
        }
    };
    soon(what, looking).await;
}

fn calls(setup: &Setup, seen: mpsc::UnboundedSender<(ExecutionId, Input)>, key: TokenKey) -> Calls {
    let (answers, open) = (Arc::clone(&setup.answers), setup.open);
    let permits = setup.permits.clone();
    Calls {
        submit: Arc::new(move |execution, input| {
            let (seen, answer) = (seen.clone(), answers(&input));
            let permits = permits.clone();
            Box::pin(async move {
                seen.send((execution, input)).unwrap();
                if let Some(permits) = permits {
                    permits.acquire().await.unwrap().forget();
                }
                answer
            })
        }),
        still_open: Arc::new(move |_, _| Box::pin(async move { open })),
        run_command: {
            let away = Arc::new(AtomicBool::new(setup.away_at_first));
            Arc::new(move |message_id, command| {
                let away = away.swap(false, Ordering::Relaxed);
                Box::pin(async move {
                    if away {
                        return Err(CommandError::NotNow);
                    }
                    run_command(&message_id, &command)
                })
            })
        },
        key,
    }
}

fn run_command(message_id: &str, command: &Command) -> Result<Value, CommandError> {
    match command {
        Command::StartExecution(_) => Ok(json!({ "executionArn": message_id })),
        Command::StopExecution(_) | Command::RollbackExecution(_) => Err(CommandError::Refused {
            name: "ExecutionDoesNotExist".to_owned(),
            message: "no such execution".to_owned(),
        }),
    }
}

async fn address(proxied: bool) -> (String, Option<Proxy>) {
    let url = crate::broker::url();
    if !proxied {
        return (url, None);
    }
    let mut uri: AMQPUri = url.parse().unwrap();
    let target = format!("{}:{}", uri.authority.host, uri.authority.port);
    let proxy = Proxy::start(target).await.unwrap();
    uri.authority.host = proxy.address().ip().to_string();
    uri.authority.port = proxy.address().port();
    (uri.to_string(), Some(proxy))
}
