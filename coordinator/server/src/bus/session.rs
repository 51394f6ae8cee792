//! Connecting, and the pauses between two tries.
//!
//! The library's own recovery stays off: it would replay a topology that must be declared passively, it leaves a
//! channel closed by a soft error alone, and it hides the reconnection that the gate has to see. So a session that
//! broke is thrown away, and a new one is built the way the first one was.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::ExponentialBackoffBuilder;
use backoff::backoff::Backoff;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};
use sagamore_messages::Names;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::topology;

/// Why a session ended. All of it is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The library or the broker says so.
    #[error(transparent)]
    Amqp(#[from] lapin::Error),
    /// The broker takes the connection and does not speak.
    #[error("the broker did not answer within {} s", HANDSHAKE_MAX.as_secs())]
    Silent,
    /// The broker ended a consumer: its queue was deleted, or its node went away.
    #[error("the broker ended the consumer of {0}")]
    Cancelled(String),
    /// The connection is gone.
    #[error("the connection was closed")]
    Closed,
}

/// Opens one connection and makes sure of the topology. The address carries the heartbeat already.
///
/// A handshake that is given up keeps a thread of the library until its socket ends: the library has no way to abandon
/// one. Hence the long patience.
pub(super) async fn connect(
    address: &AMQPUri,
    name: &str,
    names: &Names,
) -> Result<Connection, Error> {
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let connecting = async {
        let connection = Connection::connect_uri(address.clone(), properties).await?;
        topology::declare(&connection, names).await?;
        Ok(connection)
    };
    let connected = tokio::time::timeout(HANDSHAKE_MAX, connecting).await;
    connected.map_err(|_| Error::Silent)?
}

/// Returns once the connection is lost.
///
/// Nothing that is awaited on a connection may be awaited without this: the library can leave a future pending for ever
/// that was polled in the moment of the loss.
pub(super) async fn lost(connection: &Connection) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    while connection.status().connected() {
        looks.tick().await;
    }
}

/// Growing, jittered pauses without end.
#[derive(Debug)]
pub(super) struct Pauses {
    backoff: ExponentialBackoff,
    max: Duration,
}

impl Pauses {
    pub(super) fn new(first: Duration, max: Duration) -> Pauses {
        let backoff = ExponentialBackoffBuilder::new()
            .with_initial_interval(first)
            .with_multiplier(2.0)
            .with_randomization_factor(0.5)
            .with_max_interval(max)
            .with_max_elapsed_time(None)
            .build();
        Pauses { backoff, max }
    }

    /// Between two tries to connect.
    pub(super) fn of_reconnection() -> Pauses {
        Pauses::new(Duration::from_millis(100), Duration::from_secs(3))
    }

    /// Between two tries of one message.
    pub(super) fn of_message() -> Pauses {
        Pauses::new(Duration::from_millis(50), Duration::from_secs(2))
    }

    pub(super) fn next(&mut self) -> Duration {
        self.backoff.next_backoff().unwrap_or(self.max)
    }

    pub(super) async fn sleep(&mut self) {
        tokio::time::sleep(self.next()).await;
    }
}

/// Tells the log when a connection comes and goes: once per change, however often it is tried.
#[derive(Debug)]
pub(super) struct Link {
    name: &'static str,
    told: Told,
    up_since: Option<Instant>,
    pauses: Pauses,
}

#[derive(Debug, PartialEq)]
enum Told {
    Nothing,
    Up,
    Down,
}

impl Link {
    pub(super) fn new(name: &'static str) -> Link {
        Link {
            name,
            told: Told::Nothing,
            up_since: None,
            pauses: Pauses::of_reconnection(),
        }
    }

    pub(super) fn up(&mut self) {
        self.up_since = Some(Instant::now());
        if self.told != Told::Up {
            tracing::info!(connection = self.name, "connected to the broker");
            self.told = Told::Up;
        }
    }

    pub(super) fn down(&mut self, error: &Error) {
        // A session that ended at once is no sign that the next will live longer: the pauses go on growing.
        if self
            .up_since
            .take()
            .is_some_and(|since| since.elapsed() > STEADY)
        {
            self.pauses = Pauses::of_reconnection();
        }
        if self.told == Told::Down {
            tracing::debug!(connection = self.name, %error, "still no connection to the broker");
        } else {
            tracing::warn!(connection = self.name, %error, "no connection to the broker; trying again");
            self.told = Told::Down;
        }
    }

    /// Waits before the next try. False when there is none, because the bus stops.
    pub(super) async fn pause(&mut self, stop: &CancellationToken) -> bool {
        let pause = tokio::time::sleep(self.pauses.next());
        stop.run_until_cancelled(pause).await.is_some()
    }
}

/// How long a broker may take for the handshake and the topology.
const HANDSHAKE_MAX: Duration = Duration::from_secs(20);
/// How soon a loss is noticed that no future tells of.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A session that lasted so long was a good one.
const STEADY: Duration = Duration::from_secs(5);
