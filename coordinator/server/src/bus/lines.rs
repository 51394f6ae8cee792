//! Lines: one connection that publishes, and on it channels that carry one message at a time.
//!
//! Pipelining is across channels, not within one. The library hands a returned message to whichever confirm comes
//! next on its channel, and draws the confirm's number and queues the frames in two steps; with one message per channel
//! neither can mix two messages up. A channel that the broker closes then names its culprit too: the one message it
//! carried. Channels are kept and used again; an idle coordinator has one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::uri::AMQPUri;
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use sagamore_messages::Names;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use super::session::{self, Error, Link};
use super::topology;

/// A message that is ready to go.
#[derive(Clone)]
pub(super) struct Message<'a> {
    /// The exchange; empty for the default one.
    pub exchange: &'a str,
    /// The routing key: the queue's name on the default exchange.
    pub routing_key: &'a str,
    /// Whether the broker returns it when no queue takes it.
    pub mandatory: bool,
    /// Its properties.
    pub properties: BasicProperties,
    /// Its body.
    pub body: &'a [u8],
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sent {
    /// The broker has taken it.
    Confirmed,
    /// It was mandatory, and no queue takes it.
    Returned,
    /// There is no such exchange.
    NoExchange,
    /// The broker closed the channel over it, or it does not fit into AMQP: it was routed nowhere.
    Refused(String),
    /// The broker could not take responsibility for it: try again.
    Nacked,
    /// The connection broke before the confirm: try again.
    Lost {
        /// Whether the broker may have got it.
        perhaps_sent: bool,
    },
    /// The bus stops.
    Stopped,
}

/// A handle on the publishing connection, whichever is current.
#[derive(Clone)]
pub(super) struct Lines(watch::Receiver<Option<Arc<Connected>>>);

struct Connected {
    connection: Connection,
    idle: Mutex<Vec<Channel>>,
    channels: Semaphore,
    names: Names,
    lost: CancellationToken,
}

/// Who keeps the publishing connection.
pub(super) struct Keeper {
    address: AMQPUri,
    names: Names,
    current: watch::Sender<Option<Arc<Connected>>>,
}

impl Keeper {
    pub(super) fn new(address: AMQPUri, names: Names) -> (Keeper, Lines) {
        let (current, lines) = watch::channel(None);
        let keeper = Keeper {
            address,
            names,
            current,
        };
        (keeper, Lines(lines))
    }

    /// Keeps a connection until `stop`.
    pub(super) async fn keep(self, stop: &CancellationToken) {
        let mut link = Link::new("publishing");
        loop {
            let session = session(&self.address, &self.names, &mut link, &self.current);
            let ended = stop.run_until_cancelled(session).await;
            let last = self.current.send_replace(None);
            match ended {
                Some(error) => link.down(&error),
                None => return close(last).await,
            }
            drop(last);
            if !link.pause(stop).await {
                return;
            }
        }
    }
}

async fn session(
    address: &AMQPUri,
    names: &Names,
    link: &mut Link,
    current: &watch::Sender<Option<Arc<Connected>>>,
) -> Error {
    let connected = match connect(address, names).await {
        Ok(connected) => Arc::new(connected),
        Err(error) => return error,
    };
    current.send_replace(Some(Arc::clone(&connected)));
    link.up();
    session::lost(&connected.connection).await;
    connected.lost.cancel();
    Error::Closed
}

async fn connect(address: &AMQPUri, names: &Names) -> Result<Connected, Error> {
    let connection = session::connect(address, "sagamore publishing", names).await?;
    // 0 is no limit. Some are left for looking whether a queue is there.
    let granted = match connection.configuration().channel_max() {
        0 => CHANNELS_MAX,
        max => CHANNELS_MAX.min(usize::from(max).saturating_sub(CHANNELS_SPARE).max(1)),
    };
    Ok(Connected {
        connection,
        idle: Mutex::default(),
        channels: Semaphore::new(granted),
        names: names.clone(),
        lost: CancellationToken::new(),
    })
}

async fn close(last: Option<Arc<Connected>>) {
    if let Some(connected) = last {
        let closing = connected.connection.close(200, ShortString::default());
        let closed = tokio::time::timeout(CLOSE_MAX, closing).await;
        tracing::debug!(?closed, "closed the publishing connection");
    }
}

impl Lines {
    /// Whether there is a connection.
    pub(super) fn is_up(&self) -> bool {
        self.0
            .borrow()
            .as_ref()
            .is_some_and(|connected| connected.is_up())
    }

    /// Publishes a message once and waits for what becomes of it; waits for a connection before.
    pub(super) async fn publish(&self, message: Message<'_>) -> Sent {
        let (Ok(exchange), Ok(routing_key)) = (
            ShortString::try_new(message.exchange),
            ShortString::try_new(message.routing_key),
        ) else {
            return Sent::Refused("the name it goes to is longer than 255 bytes".to_owned());
        };
        let Some(connected) = self.connected().await else {
            return Sent::Stopped;
        };
        let Some(Ok((channel, _place))) = connected.until_lost(connected.take()).await else {
            return Sent::Lost {
                perhaps_sent: false,
            };
        };
        let options = BasicPublishOptions {
            mandatory: message.mandatory,
            ..BasicPublishOptions::default()
        };
        let publishing = async {
            let (body, properties) = (message.body, message.properties);
            let confirm = channel.basic_publish(exchange, routing_key, options, body, properties);
            confirm.await?.await
        };
        let sent = match connected.until_lost(publishing).await {
            Some(Ok(Confirmation::Ack(None))) => Sent::Confirmed,
            Some(Ok(Confirmation::Ack(Some(_)))) => Sent::Returned,
            Some(Ok(Confirmation::Nack(_))) => Sent::Nacked,
            Some(Err(error)) if topology::is_missing(&error) => Sent::NoExchange,
            Some(Err(error)) if error.is_amqp_soft_error() => Sent::Refused(error.to_string()),
            // Confirms were selected when the channel was opened, so they can't be "not requested"; if they are,
            // nothing is known.
            Some(Ok(Confirmation::NotRequested) | Err(_)) | None => {
                Sent::Lost { perhaps_sent: true }
            }
        };
        if channel.status().connected() {
            connected.idle().push(channel);
        }
        sent
    }

    /// Whether a queue is there; `None` when that can't be said.
    pub(super) async fn queue_exists(&self, queue: &str) -> Option<bool> {
        let connected = self.connected().await?;
        let looking = topology::queue_exists(&connected.connection, queue);
        connected.until_lost(looking).await?
    }

    /// Whether an exchange is there; `None` when that can't be said.
    pub(super) async fn exchange_exists(&self, exchange: &str) -> Option<bool> {
        let connected = self.connected().await?;
        let looking = topology::exchange_exists(&connected.connection, exchange);
        connected.until_lost(looking).await?
    }

    /// Makes our own queues and exchanges anew where somebody deleted them.
    pub(super) async fn restore_topology(&self) {
        let Some(connected) = self.connected().await else {
            return;
        };
        let declaring = topology::declare(&connected.connection, &connected.names);
        if let Some(Err(error)) = connected.until_lost(declaring).await {
            tracing::warn!(%error, "failed to declare the coordinator's queues again");
        }
    }

    /// The connection, once there is one; `None` when there will be none any more.
    async fn connected(&self) -> Option<Arc<Connected>> {
        let up = |current: &Option<Arc<Connected>>| {
            current.as_ref().is_some_and(|connected| connected.is_up())
        };
        self.0.clone().wait_for(up).await.ok()?.clone()
    }
}

impl Connected {
    fn is_up(&self) -> bool {
        self.connection.status().connected()
    }

    /// What a future gives, or `None` once the connection is lost: the library may leave a future that was polled in
    /// that moment pending for ever.
    async fn until_lost<F: Future>(&self, future: F) -> Option<F::Output> {
        self.lost.run_until_cancelled(future).await
    }

    /// A channel in confirm mode that nobody else uses.
    async fn take(&self) -> Result<(Channel, SemaphorePermit<'_>), Error> {
        let permit = self.channels.acquire().await.map_err(|_| Error::Closed)?;
        let idle = self.idle().pop();
        if let Some(channel) = idle.filter(|channel| channel.status().connected()) {
            return Ok((channel, permit));
        }
        let channel = self.connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        Ok((channel, permit))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Channel>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Channels of the connection that publish: the publisher's window, and some for what is parked and answered.
const CHANNELS_MAX: usize = 320;
/// Channels left for other things, where the broker allows few.
const CHANNELS_SPARE: usize = 4;
/// How long closing may take.
const CLOSE_MAX: Duration = Duration::from_secs(2);
