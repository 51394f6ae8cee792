//! A worker, from its first line to its last.

use std::collections::BTreeMap;
use std::env;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "postgres")]
use backoff::ExponentialBackoffBuilder;
use sagamore_messages::Names;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[cfg(feature = "postgres")]
use crate::MemoryError;
use crate::handler::{Handler, IntoOutcome};
use crate::service::{Handlers, Service};
use crate::session::{self, Connecting};
use crate::{Context, Effects, Error, Failure, Memory};

/// A service: the queues it consumes and what it does with them.
#[must_use = "a worker does nothing until it runs"]
pub struct Worker {
    name: String,
    amqp_url: String,
    memory: Memory,
    effects: Effects,
    queues: BTreeMap<String, Handlers>,
    concurrency: u16,
    heartbeat_every: Option<Duration>,
    drain_max: Duration,
    names: Names,
}

impl Worker {
    /// The worker `name`, on the broker at `AMQP_URL`, its memory in the database at `DATABASE_URL`, or in the process if that is
    /// not set. `SAGAMORE_PREFIX` names the coordinator's prefix when it is not `sagamore`.
    ///
    /// The name sets its keys apart from those of other services in one database: keep it when all else is renamed.
    ///
    /// # Errors
    /// `AMQP_URL` is not set, or the database can't be reached.
    pub async fn from_environment(name: &str) -> Result<Self, Error> {
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let amqp_url = variable("AMQP_URL").ok_or(Error::MissingVariable("AMQP_URL"))?;
        let memory = match variable("DATABASE_URL") {
            None => Memory::in_memory(),
            Some(url) => open_memory(&url).await?,
        };
        let worker = Self::new(name, &amqp_url, memory);
        Ok(match variable("SAGAMORE_PREFIX") {
            Some(prefix) => worker.prefix(&prefix),
            None => worker,
        })
    }

    /// The worker `name`, on the broker at `amqp_url`, with this memory.
    pub fn new(name: &str, amqp_url: &str, memory: Memory) -> Self {
        Self {
            name: name.to_owned(),
            amqp_url: amqp_url.to_owned(),
            memory,
            effects: Effects::default(),
            queues: BTreeMap::new(),
            concurrency: CONCURRENCY_DEFAULT,
            heartbeat_every: None,
            drain_max: DRAIN_MAX_DEFAULT,
            names: Names::default(),
        }
    }

    /// Does the steps that come in on `queue`.
    pub fn on<F, I, R, O>(mut self, queue: &str, handler: F) -> Self
    where
        F: Fn(I, Context) -> R + Send + Sync + 'static,
        I: DeserializeOwned + Send + 'static,
        R: Future<Output = Result<O, Failure>> + Send + 'static,
        O: IntoOutcome + Send + 'static,
    {
        let handlers = self.queues.entry(queue.to_owned()).or_default();
        handlers.step = Some(Handler::new(handler));
        self
    }

    /// Undoes the steps that come in on `queue`: best a queue of its own, though the step's own works too.
    ///
    /// The handler runs only if the step ran, or may have: see [`Memory`]. So with [`Effects::Anywhere`] it looks first whether there
    /// is something to undo: the step may have died, or been overtaken, before it did anything.
    pub fn undo<F, I, R, O>(mut self, queue: &str, handler: F) -> Self
    where
        F: Fn(I, Context) -> R + Send + Sync + 'static,
        I: DeserializeOwned + Send + 'static,
        R: Future<Output = Result<O, Failure>> + Send + 'static,
        O: IntoOutcome + Send + 'static,
    {
        let handlers = self.queues.entry(queue.to_owned()).or_default();
        handlers.undo = Some(Handler::new(handler));
        self
    }

    /// How many messages are worked on at once; 16 unless told. As many of each queue are fetched ahead.
    pub fn concurrency(mut self, concurrency: u16) -> Self {
        self.concurrency = concurrency.max(1);
        self
    }

    /// Tells the coordinator every `interval` that a message is being worked on; never unless told. Best a third of the Task's
    /// `HeartbeatSeconds`.
    pub fn heartbeat_every(mut self, interval: Duration) -> Self {
        self.heartbeat_every = Some(interval);
        self
    }

    /// Where the effects of the handlers are; [`Effects::Anywhere`] unless told.
    pub fn effects(mut self, effects: Effects) -> Self {
        self.effects = effects;
        self
    }

    /// The prefix of the coordinator's own names; `sagamore` unless told. The worker's queues dead-letter to an exchange under it.
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.names = Names::new(prefix);
        self
    }

    /// How long a worker that is told to end waits for the handlers that run; 30 s unless told. What has not ended by then is
    /// dropped, and its message delivered again.
    pub fn drain_max(mut self, drain_max: Duration) -> Self {
        self.drain_max = drain_max;
        self
    }

    /// The memory, for a service that keeps tables of its own beside it.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The queues it will consume.
    pub fn queues(&self) -> impl Iterator<Item = &str> {
        self.queues.keys().map(String::as_str)
    }

    /// Runs until the process is told to end, by SIGTERM or ctrl-c, and has finished what it had begun.
    ///
    /// # Errors
    /// See [`Worker::start`].
    pub async fn run(self) -> Result<(), Error> {
        let running = self.start().await?;
        end_signal().await.map_err(Error::Signal)?;
        tracing::info!("ending");
        running.stop().await;
        Ok(())
    }

    /// Starts consuming, and returns once every queue is declared and consumed. Waits for the broker as long as it takes.
    ///
    /// # Errors
    /// The broker refuses the connection or a queue, which no waiting would change.
    pub async fn start(self) -> Result<Running, Error> {
        let (stop, stopped) = watch::channel(false);
        let service = Arc::new(Service {
            name: self.name,
            memory: self.memory,
            effects: self.effects,
            queues: self.queues,
        });
        let connecting = Connecting {
            url: self.amqp_url,
            service,
            concurrency: self.concurrency,
            heartbeat_every: self.heartbeat_every,
            drain_max: self.drain_max,
            dead_letter_exchange: self.names.dead(),
        };
        let session = connecting.open_first().await?;
        let task = tokio::spawn(session::run(connecting, session, stopped));
        Ok(Running { stop, task })
    }
}

/// A worker that consumes. Dropped, it ends by itself as [`Running::stop`] would have it, but nobody waits for it.
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// Stops consuming, lets the handlers that run end, replies, acknowledges, and closes the connection.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // A panic in there is a defect, and has been printed.
        let _ = self.task.await;
    }
}

async fn open_memory(url: &str) -> Result<Memory, Error> {
    let scheme = url.split(':').next().unwrap_or_default();
    match scheme {
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => Ok(wait_for_postgres(url).await?),
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(Memory::sqlite(url).await?),
        other => Err(Error::UnknownDatabase(other.to_owned())),
    }
}

/// Waits for a database that is not there yet, as one started at the same time is.
#[cfg(feature = "postgres")]
async fn wait_for_postgres(url: &str) -> Result<Memory, MemoryError> {
    let backoff = ExponentialBackoffBuilder::new()
        .with_initial_interval(Duration::from_millis(100))
        .with_max_interval(Duration::from_secs(5))
        .with_max_elapsed_time(Some(DATABASE_WAIT_MAX))
        .build();
    let open = || async {
        let opened = Memory::postgres(url, CONNECTIONS_MAX).await;
        opened.map_err(|error| match error.is_unavailable() {
            true => backoff::Error::transient(error),
            false => backoff::Error::permanent(error),
        })
    };
    let warn = |error: MemoryError, delay: Duration| {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, ?delay, "the database does not answer; trying again");
    };
    backoff::future::retry_notify(backoff, open, warn).await
}

#[cfg(unix)]
async fn end_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        done = tokio::signal::ctrl_c() => done,
    }
}

#[cfg(not(unix))]
async fn end_signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

const CONCURRENCY_DEFAULT: u16 = 16;
const DRAIN_MAX_DEFAULT: Duration = Duration::from_secs(30);
/// Each message that is worked on holds one connection.
#[cfg(feature = "postgres")]
const CONNECTIONS_MAX: u32 = 20;
#[cfg(feature = "postgres")]
const DATABASE_WAIT_MAX: Duration = Duration::from_secs(60);
