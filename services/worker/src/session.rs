//! One connection to the broker, and the next one when it is lost.
//!
//! A session is lost as a whole: whatever goes wrong with a connection, a channel or a consumer, all are opened anew. Handlers that
//! run meanwhile go on; their replies can't be sent any more, but their messages come again and find the answers in the memory.
//!
//! Nothing that is awaited on a connection is awaited without an eye on its loss: the library can leave a future pending for ever
//! that was polled in the moment of the loss.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use backoff::{ExponentialBackoff, ExponentialBackoffBuilder};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream, SelectAll, select_all};
use lapin::message::Delivery;
use lapin::options::{
    BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection, ConnectionProperties, Consumer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::Error;
use crate::delivery::Answering;
use crate::service::Service;

/// What it takes to open a session.
pub(crate) struct Connecting {
    pub(crate) url: String,
    pub(crate) service: Arc<Service>,
    pub(crate) concurrency: u16,
    pub(crate) heartbeat_every: Option<Duration>,
    pub(crate) drain_max: Duration,
    pub(crate) dead_letter_exchange: String,
}

/// An open connection that consumes every queue of the service.
pub(crate) struct Session {
    connection: Connection,
    channel: Channel,
    deliveries: Deliveries,
    tags: Vec<ShortString>,
    /// Tells those who still answer over this session that it is lost.
    lost: CancellationToken,
}

/// The deliveries of all queues; `None` where the broker cancelled a consumer, as it does when its queue is deleted.
type Deliveries = SelectAll<BoxStream<'static, Option<lapin::Result<Delivery>>>>;

/// How a session ended.
enum Ended {
    Stopped,
    Lost,
}

/// Works until `stopped` says so, over as many sessions as it takes, then drains.
pub(crate) async fn run(
    connecting: Connecting,
    first: Session,
    mut stopped: watch::Receiver<bool>,
) {
    let permits = Arc::new(Semaphore::new(connecting.concurrency.into()));
    let mut tasks = JoinSet::new();
    let mut session = first;
    loop {
        let ended = session
            .consume(&connecting, &permits, &mut tasks, &mut stopped)
            .await;
        match ended {
            Ended::Stopped => break,
            Ended::Lost => session.abandon().await,
        }
        session = tokio::select! {
            () = stop_signal(&mut stopped) => break,
            session = connecting.open_again() => session,
        };
        info!("connected again");
    }
    session.end(&mut tasks, connecting.drain_max).await;
}

impl Connecting {
    /// Waits for a broker that is not there yet; a refusal is an error.
    pub(crate) async fn open_first(&self) -> Result<Session, Error> {
        let attempt = || async {
            self.open().await.map_err(|error| match &error {
                Error::Connection(source) if source.is_io_error() => {
                    backoff::Error::transient(error)
                }
                Error::Silent(_) => backoff::Error::transient(error),
                _ => backoff::Error::permanent(error),
            })
        };
        backoff::future::retry_notify(endless_backoff(), attempt, warn_of).await
    }

    /// Waits for a broker whatever it says: it was all right before.
    async fn open_again(&self) -> Session {
        let attempt = || async { self.open().await.map_err(backoff::Error::transient) };
        loop {
            let opened = backoff::future::retry_notify(endless_backoff(), attempt, warn_of).await;
            if let Ok(session) = opened {
                return session;
            }
        }
    }

    /// A broker that dies during the handshake may leave it waiting for ever.
    async fn open(&self) -> Result<Session, Error> {
        let opened = tokio::time::timeout(HANDSHAKE_MAX, self.shake_hands()).await;
        opened.map_err(|_| Error::Silent(HANDSHAKE_MAX.as_secs()))?
    }

    async fn shake_hands(&self) -> Result<Session, Error> {
        let name = format!("{} (worker)", self.service.name);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connection = Connection::connect(&self.url, properties).await;
        let connection = connection.map_err(Error::Connection)?;
        let channel = connection
            .create_channel()
            .await
            .map_err(Error::Connection)?;
        // Without this the confirm of a publish is no confirm.
        let confirming = channel
            .confirm_select(ConfirmSelectOptions::default())
            .await;
        confirming.map_err(Error::Connection)?;
        let limited = channel
            .basic_qos(self.concurrency, BasicQosOptions::default())
            .await;
        limited.map_err(Error::Connection)?;
        let mut consumers = Vec::new();
        for queue in self.service.queues.keys() {
            let named = |source| Error::Queue {
                queue: queue.clone(),
                source,
            };
            if !exists(&connection, queue).await {
                self.declare(&channel, queue).await.map_err(named)?;
            }
            let options = BasicConsumeOptions::default();
            let (tag, arguments) = (ShortString::default(), FieldTable::default());
            let consumer = channel.basic_consume(queue.as_str().into(), tag, options, arguments);
            consumers.push(consumer.await.map_err(named)?);
        }
        Ok(Session {
            connection,
            channel,
            tags: consumers.iter().map(Consumer::tag).collect(),
            deliveries: select_all(consumers.into_iter().map(until_cancelled)),
            lost: CancellationToken::new(),
        })
    }

    async fn declare(&self, channel: &Channel, queue: &str) -> Result<(), lapin::Error> {
        let mut arguments = FieldTable::default();
        let exchange = AMQPValue::LongString(self.dead_letter_exchange.as_str().into());
        arguments.insert("x-dead-letter-exchange".into(), exchange);
        let durable = QueueDeclareOptions::durable();
        channel
            .queue_declare(queue.into(), durable, arguments)
            .await?;
        Ok(())
    }
}

/// Whether a queue is there: it is used as it is then, be it a quorum queue that an operator made. A look at one that is not closes
/// its channel.
async fn exists(connection: &Connection, queue: &str) -> bool {
    let Ok(channel) = connection.create_channel().await else {
        return false;
    };
    let look = QueueDeclareOptions::default().passive();
    let looked = channel.queue_declare(queue.into(), look, FieldTable::default());
    let exists = looked.await.is_ok();
    if exists {
        let _ = channel.close(REPLY_SUCCESS, ShortString::default()).await;
    }
    exists
}

impl Session {
    /// Takes deliveries until the session is lost or the worker is told to stop.
    async fn consume(
        &mut self,
        connecting: &Connecting,
        permits: &Arc<Semaphore>,
        tasks: &mut JoinSet<()>,
        stopped: &mut watch::Receiver<bool>,
    ) -> Ended {
        loop {
            let next = next_delivery(&mut self.deliveries, permits);
            let (permit, delivery) = tokio::select! {
                biased;
                () = stop_signal(stopped) => return Ended::Stopped,
                Some(done) = tasks.join_next(), if !tasks.is_empty() => {
                    log_panic(done);
                    continue;
                }
                next = next => next,
                () = lost(&self.connection) => {
                    warn!("the connection was lost");
                    return Ended::Lost;
                }
            };
            let delivery = match delivery {
                Some(Ok(delivery)) => delivery,
                Some(Err(error)) => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "the connection was lost"
                    );
                    return Ended::Lost;
                }
                None => {
                    warn!("the broker cancelled a consumer");
                    return Ended::Lost;
                }
            };
            let answering = Answering {
                service: connecting.service.clone(),
                channel: self.channel.clone(),
                lost: self.lost.clone(),
                heartbeat_every: connecting.heartbeat_every,
            };
            tasks.spawn(async move {
                answering.answer(delivery).await;
                drop(permit);
            });
        }
    }

    /// Stops the consumers, lets what runs end, closes. What was fetched but not begun goes back to its queue.
    async fn end(&mut self, tasks: &mut JoinSet<()>, drain_max: Duration) {
        let draining = async {
            for tag in self.tags.clone() {
                // A connection that is gone consumes nothing any more.
                let cancelling = self
                    .channel
                    .basic_cancel(tag, BasicCancelOptions::default());
                let _ = self.lost.run_until_cancelled(cancelling).await;
            }
            while let Some(done) = tasks.join_next().await {
                log_panic(done);
            }
        };
        let watching = async {
            lost(&self.connection).await;
            self.lost.cancel();
            std::future::pending::<Infallible>().await
        };
        let drained = tokio::time::timeout(drain_max, async {
            tokio::select! {
                () = draining => {}
                never = watching => match never {},
            }
        });
        if drained.await.is_err() {
            warn!(
                left = tasks.len(),
                "handlers that did not end in time are dropped"
            );
            tasks.shutdown().await;
        }
        self.close().await;
    }

    /// Gives up a session that is lost, so that nobody waits on it any more.
    async fn abandon(&mut self) {
        self.lost.cancel();
        self.close().await;
    }

    /// Closes what may be lost already: then there is nobody to wait for.
    async fn close(&mut self) {
        let closed = self
            .connection
            .close(REPLY_SUCCESS, "the worker leaves".into());
        let _ = tokio::time::timeout(CLOSE_MAX, closed).await;
    }
}

/// Returns once a connection is lost.
async fn lost(connection: &Connection) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    while connection.status().connected() {
        looks.tick().await;
    }
}

fn until_cancelled(consumer: Consumer) -> BoxStream<'static, Option<lapin::Result<Delivery>>> {
    consumer.map(Some).chain(stream::iter([None])).boxed()
}

/// The next delivery, fetched only when there is room to work on it.
async fn next_delivery(
    deliveries: &mut Deliveries,
    permits: &Arc<Semaphore>,
) -> (OwnedSemaphorePermit, Option<lapin::Result<Delivery>>) {
    let permit = permits.clone().acquire_owned().await;
    let permit = permit.expect("the semaphore is never closed");
    (permit, deliveries.next().await.flatten())
}

/// Ends once the worker is told to stop, or nobody is left who could tell.
async fn stop_signal(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// A handler's panic is an answer; this is one of the library's own. The message stays unacknowledged until the session ends.
fn log_panic(done: Result<(), JoinError>) {
    if let Err(panic) = done {
        error!(
            error = &panic as &dyn std::error::Error,
            "the worker has a defect"
        );
    }
}

fn endless_backoff() -> ExponentialBackoff {
    ExponentialBackoffBuilder::new()
        .with_initial_interval(RECONNECT_DELAY_MIN)
        .with_max_interval(RECONNECT_DELAY_MAX)
        .with_max_elapsed_time(None)
        .build()
}

fn warn_of(error: Error, delay: Duration) {
    warn!(
        error = &error as &dyn std::error::Error,
        ?delay,
        "not connected; trying again"
    );
}

const RECONNECT_DELAY_MIN: Duration = Duration::from_millis(100);
const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(10);
/// How long connecting and declaring may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(20);
/// How often a connection is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const CLOSE_MAX: Duration = Duration::from_secs(5);
/// AMQP's code of a close that has no fault.
const REPLY_SUCCESS: u16 = 200;
