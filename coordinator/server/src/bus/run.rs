//! The bus as a whole: its settings, what it calls, and its life from start to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use lapin::uri::{AMQPScheme, AMQPUri};
use sagamore_interpreter::{ExecutionId, Input, Sequence};
use sagamore_messages::{Command, Names, TokenKey};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::counts::Counts;
use super::intake::Intake;
use super::lines::{Keeper, Lines};
use super::park::Park;
use super::publisher::Publisher;
use crate::advance::{Answer, Error as AdvanceError, Outbox, Publication};
use crate::gate::Gate;

/// How the bus is set up.
#[derive(Clone)]
pub struct Settings {
    /// Where the broker is: `amqp://user:password@host:port/vhost`.
    pub amqp_url: String,
    /// The names of the coordinators' own queues and exchanges.
    pub names: Names,
    /// The queue for replies that only this coordinator can take. It is there for as long as the coordinator, and a little
    /// longer.
    pub own_replies: String,
    /// Replies that are taken and not yet acked, at most; from 1.
    pub prefetch: u16,
    /// The largest reply, in bytes.
    pub payload_bytes_max: usize,
    /// How long a task message is tried that no queue takes; zero fails it at once.
    pub unroutable_grace: Duration,
    /// How often the broker and the coordinator show that they live, in whole seconds; zero never. A heartbeat in the
    /// address wins.
    pub heartbeat: Duration,
}

/// Takes an input into an execution; production passes `Advance::submit`.
///
/// Inputs must be queued for their execution when the future is polled first: that is how the order of deliveries is
/// kept while many are under way.
pub type Submit = Arc<
    dyn Fn(ExecutionId, Input) -> BoxFuture<'static, Result<Answer, AdvanceError>> + Send + Sync,
>;

/// Whether a task still waits for its answer, so that publishing its message again makes sense. When that can't be
/// known it does: a duplicate has the same message id.
pub type StillOpen = Arc<dyn Fn(ExecutionId, Sequence) -> BoxFuture<'static, bool> + Send + Sync>;

/// Runs a command, known by its message id; returns what it is answered with.
pub type RunCommand =
    Arc<dyn Fn(String, Command) -> BoxFuture<'static, Result<Value, CommandError>> + Send + Sync>;

/// Why a command is not answered with success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// It is answered with a failure.
    #[error("{name}: {message}")]
    Refused {
        /// The error's name, as the API has it.
        name: String,
        /// What a person should read.
        message: String,
    },
    /// It can't be run now: it is held and run again, and redelivered when the coordinator stops.
    #[error("the command can't be run now")]
    NotNow,
}

/// What the bus calls.
#[derive(Clone)]
pub struct Calls {
    /// For what becomes an input.
    pub submit: Submit,
    /// For task messages that would be published again.
    pub still_open: StillOpen,
    /// For commands.
    pub run_command: RunCommand,
    /// Opens the tokens of replies.
    pub key: TokenKey,
}

/// Why a bus can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The broker's address is none. It is not shown, since it may hold a password.
    #[error("the broker's address is unusable: {0}")]
    Address(String),
    /// This build speaks no TLS.
    #[error("the broker's address asks for TLS, which is not supported")]
    Tls,
    /// A queue's name holds 255 bytes.
    #[error("the prefix of the queues' names is longer than {PREFIX_BYTES_MAX} bytes")]
    PrefixTooLong,
}

/// The bus, until it runs.
pub struct Bus {
    settings: Settings,
    address: AMQPUri,
    calls: Calls,
    keeper: Keeper,
    handle: Handle,
}

/// What others may know of a running bus; clones are of the same bus.
#[derive(Clone)]
pub struct Handle {
    gate: Gate,
    counts: Arc<Counts>,
    consuming: Arc<AtomicBool>,
    lines: Lines,
}

impl Handle {
    /// Whether both connections stand: for readiness.
    pub fn is_connected(&self) -> bool {
        self.consuming.load(Ordering::Relaxed) && self.lines.is_up()
    }

    /// The gate in front of the timers.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// What was counted.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl Bus {
    /// A bus that does nothing until it runs.
    ///
    /// # Errors
    /// The settings can never work: see [`SettingsError`].
    pub fn new(settings: Settings, calls: Calls) -> Result<Bus, SettingsError> {
        let address = address(&settings)?;
        let (keeper, lines) = Keeper::new(address.clone(), settings.names.clone());
        let handle = Handle {
            gate: Gate::new(),
            counts: Arc::default(),
            consuming: Arc::default(),
            lines,
        };
        Ok(Bus {
            settings,
            address,
            calls,
            keeper,
            handle,
        })
    }

    /// A handle on it.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs until `stop`, whatever becomes of the broker. Then it takes nothing more, lets what is under way end,
    /// publishes what is in the outbox, each for 10 s at most, and closes its connections. What is not confirmed then
    /// stays open in the outbox, for the coordinator that takes over.
    pub async fn run(
        self,
        publications: mpsc::Receiver<Publication>,
        outbox: Outbox,
        stop: CancellationToken,
    ) {
        let Bus {
            settings,
            address,
            calls,
            keeper,
            handle,
        } = self;
        let Handle {
            gate,
            counts,
            consuming,
            lines,
        } = handle;
        let park = Park::new(lines.clone(), settings.names.parked(), Arc::clone(&counts));
        let publisher = Arc::new(Publisher::new(
            &settings,
            &calls,
            lines.clone(),
            outbox,
            Arc::clone(&counts),
        ));
        let intake = Intake {
            settings,
            address,
            calls,
            gate,
            counts,
            consuming,
            lines,
            park,
            stop,
        };
        // The publisher outlives the consumers, whose last commits and answers it still has to send.
        let (last_publications, closing) = (CancellationToken::new(), CancellationToken::new());
        let consume = async {
            intake.run().await;
            last_publications.cancel();
        };
        let publish = async {
            publisher.run(publications, &last_publications).await;
            closing.cancel();
        };
        tokio::join!(consume, publish, keeper.keep(&closing));
    }
}

fn address(settings: &Settings) -> Result<AMQPUri, SettingsError> {
    if settings.names.prefix().len() > PREFIX_BYTES_MAX {
        return Err(SettingsError::PrefixTooLong);
    }
    let mut address: AMQPUri = settings.amqp_url.parse().map_err(SettingsError::Address)?;
    if address.scheme == AMQPScheme::AMQPS {
        return Err(SettingsError::Tls);
    }
    let heartbeat = u16::try_from(settings.heartbeat.as_secs()).unwrap_or(u16::MAX);
    address.query.heartbeat.get_or_insert(heartbeat);
    Ok(address)
}

/// What the filter of the process's `tracing` subscriber must be given: the AMQP library stays silent.
///
/// It prints whole messages when they are returned, and every frame at its finest level: both hold task tokens. What it
/// calls an error is either told by the bus, once, or is expected, like the look for a queue that is not there.
pub const LOG_DIRECTIVE: &str = "lapin=off";

/// The longest name of ours is the prefix and 46 characters: `.replies.` and a UUID.
const PREFIX_BYTES_MAX: usize = 200;
