//! `sagamore serve`: everything put together, and taken apart again in the right order.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use backoff::ExponentialBackoffBuilder;
use sagamore_dev_broker::Broker;
use sagamore_interpreter::limits::PAYLOAD_BYTES_MAX;
use sagamore_messages::{Names, TokenKey};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::advance::{Advance, Express, Identity, Outbox, Publication, Request};
use crate::alarm::Alarm;
use crate::api;
use crate::bus::{self, Bus, CommandError};
use crate::commands::Commands;
use crate::files::Files;
use crate::lease::Lease;
use crate::post::Post;
use crate::settings::Settings;
use crate::store::{CoordinatorId, Error as StoreError, PostgresStore, SqliteStore, Store};
use crate::timers::Timers;

/// Lanes that commit concurrently.
const LANES: NonZeroUsize = NonZeroUsize::new(4).expect("four is not zero");

/// Connections to the database beside one per lane: timers, lease, reads of the API.
const CONNECTIONS_BESIDE: u32 = 8;

/// How long the work at hand may take when the coordinator stops.
const DRAIN_MAX: Duration = Duration::from_secs(25);

/// How much of that EXPRESS executions may take, for nobody takes them over.
const EXPRESS_DRAIN_MAX: Duration = Duration::from_secs(10);

/// Runs a coordinator until `stop`.
///
/// # Errors
/// What keeps it from starting: an address that is taken, a database that refuses the migrations, a bad setting.
pub async fn serve(settings: Settings, stop: CancellationToken) -> anyhow::Result<()> {
    let listener = TcpListener::bind(settings.http).await;
    let listener = listener
        .with_context(|| format!("failed to listen on {} (SAGAMORE_HTTP)", settings.http))?;
    let Some(started) = stop.run_until_cancelled(connect(&settings)).await else {
        return Ok(());
    };
    Coordinator::new(settings, started?, listener.local_addr()?)
        .run(listener, stop)
        .await
}

/// Connects to the database, for as long as it takes: it may start after the coordinator.
async fn connect(settings: &Settings) -> anyhow::Result<PostgresStore> {
    let waiting = ExponentialBackoffBuilder::new()
        .with_initial_interval(Duration::from_millis(100))
        .with_max_interval(Duration::from_secs(3))
        .with_max_elapsed_time(None)
        .build();
    let connections = u32::try_from(LANES.get()).unwrap_or(u32::MAX) + CONNECTIONS_BESIDE;
    let connect = || async {
        PostgresStore::connect(settings.database_url.as_str(), connections)
            .await
            .map_err(|error| match error {
                StoreError::Unavailable(_) => backoff::Error::transient(error),
                StoreError::Refused(_) | StoreError::Corrupt { .. } => {
                    backoff::Error::permanent(error)
                }
            })
    };
    let notify = |error: StoreError, _| {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "waiting for the database (DATABASE_URL)"
        );
    };
    backoff::future::retry_notify(waiting, connect, notify)
        .await
        .context("failed to open the database (DATABASE_URL)")
}

/// Runs a coordinator with nothing installed: on a SQLite file, and on a broker of its own that forgets what it had when it ends.
///
/// # Errors
/// What keeps it from starting: an address that is taken, a file that another process has open.
pub async fn serve_embedded(embedded: Embedded, stop: CancellationToken) -> anyhow::Result<()> {
    let Embedded {
        settings,
        store,
        broker,
        listener,
    } = embedded;
    // What the broker had when it ended is gone.
    let recalled = store.recall().await;
    recalled.context("failed to take the open task messages for not sent")?;
    let address = listener.local_addr()?;
    let broker_stop = CancellationToken::new();
    let brokering = tokio::spawn(broker.run(broker_stop.clone()));
    let served = Coordinator::new(settings, store.clone(), address)
        .run(listener, stop)
        .await;
    broker_stop.cancel();
    let _ = brokering.await;
    store.close().await;
    served
}

/// What [`serve_embedded`] runs on, ready to be told about before it runs.
pub struct Embedded {
    settings: Settings,
    store: SqliteStore,
    broker: Broker,
    listener: TcpListener,
}

impl Embedded {
    /// Opens the file, and listens on both addresses.
    ///
    /// # Errors
    /// The file or an address can't be had; the error names it and says what to do.
    pub async fn open(
        data: &Path,
        http: SocketAddr,
        amqp: SocketAddr,
        environment: Vec<(String, String)>,
    ) -> anyhow::Result<Embedded> {
        let listener = TcpListener::bind(http).await;
        let listener = listener
            .with_context(|| format!("failed to listen on {http}; --http gives another address"))?;
        let broker = Broker::bind(amqp, sagamore_dev_broker::Settings::default()).await;
        let broker = broker.with_context(|| {
            format!("failed to listen for AMQP on {amqp}; --amqp gives another address")
        })?;
        let created = std::fs::create_dir_all(data);
        created.with_context(|| format!("failed to make the directory {}", data.display()))?;
        let file = data.join(FILE);
        let store = SqliteStore::open(&file).await;
        let store = store.with_context(|| {
            format!(
                "failed to open {}; --data gives another directory",
                file.display()
            )
        })?;
        let settings = Settings::embedded(environment, &file, &broker.url())?;
        Ok(Embedded {
            settings,
            store,
            broker,
            listener,
        })
    }

    /// Where the API listens.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn http(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What a client of the broker connects to.
    pub fn amqp_url(&self) -> String {
        self.broker.url()
    }
}

/// The file in the data directory that holds the executions.
const FILE: &str = "sagamore.db";

/// A coordinator that is about to run.
struct Coordinator<S: Store> {
    settings: Settings,
    store: S,
    public_url: String,
    coordinator: CoordinatorId,
}

impl<S: Store> Coordinator<S> {
    fn new(settings: Settings, store: S, address: SocketAddr) -> Coordinator<S> {
        settings.limits.set();
        let public_url = settings
            .public_url
            .clone()
            .unwrap_or_else(|| format!("http://{address}"));
        Coordinator {
            settings,
            store,
            public_url,
            coordinator: CoordinatorId(Uuid::now_v7()),
        }
    }

    async fn run(self, listener: TcpListener, stop: CancellationToken) -> anyhow::Result<()> {
        let token_secret = self.store.token_secret().await;
        let token_key =
            TokenKey::new(&token_secret.context("failed to read the key of task tokens")?);
        let coordinator = self.coordinator;
        let parts = self.assemble(token_key)?;
        // Before the first turn is written, so that somebody takes it over whatever happens then.
        let registered = parts.lease.register().await;
        registered.context("failed to register with the database")?;
        tracing::info!(http = %listener.local_addr()?, %coordinator, "sagamore serves");
        parts.serve(listener, stop).await
    }

    /// Makes all parts and gives each what it needs of the others; none of them does anything yet.
    fn assemble(self, token_key: TokenKey) -> anyhow::Result<Parts<S>> {
        let Coordinator {
            settings,
            store,
            public_url,
            coordinator,
        } = self;
        let (outbox, ends) = Outbox::new();
        let alarm = Alarm::default();
        let names = Names::new(&settings.prefix);
        let own_replies = names.replies_to(&coordinator.to_string());
        let identity = |replies| Identity {
            coordinator,
            replies,
            token_key: token_key.clone(),
            public_url: public_url.clone(),
            alarm: alarm.clone(),
        };
        let lanes = TaskTracker::new();
        let express = Express::new(Arc::new(identity(own_replies.clone())), outbox.clone());
        let identity = Arc::new(identity(names.replies()));
        let advance = Advance::start(&store, &identity, &outbox, express.clone(), LANES, &lanes);
        let commands = Commands::new(
            store.clone(),
            advance.clone(),
            &settings.region,
            &settings.account,
        );
        let bus = Bus::new(
            bus_settings(&settings, own_replies),
            calls(&store, &advance, &commands, &token_key),
        )?;
        let handle = bus.handle();
        let gate = handle.gate().clone();
        let post = Post {
            commands: commands.clone(),
            coordinator,
            outbox: outbox.clone(),
            letters: ends.letters,
            files: Files::new(settings.files),
        };
        let api = api::Api::new(api::Parts {
            commands,
            key: token_key,
            public_url,
            is_bus_ready: Box::new(move || handle.is_connected()),
        });
        Ok(Parts {
            lease: Lease::new(store.clone(), coordinator, outbox.clone(), gate.clone()),
            timers: Timers {
                store,
                coordinator,
                advance,
                gate,
                alarm,
            },
            lanes,
            express,
            bus,
            outbox,
            publications: ends.publications,
            post,
            api,
        })
    }
}

/// The parts of a coordinator.
struct Parts<S: Store> {
    lanes: TaskTracker,
    express: Express,
    bus: Bus,
    outbox: Outbox,
    publications: mpsc::Receiver<Publication>,
    post: Post<S>,
    api: api::Api<S>,
    lease: Lease<S>,
    timers: Timers<S>,
}

impl<S: Store> Parts<S> {
    /// Runs all of them until `stop`, then stops them in the right order.
    async fn serve(self, listener: TcpListener, stop: CancellationToken) -> anyhow::Result<()> {
        let (bus_stop, lease_stop) = (CancellationToken::new(), CancellationToken::new());
        let timing = tokio::spawn(self.timers.run(stop.clone()));
        let leasing = tokio::spawn(self.lease.run(lease_stop.clone()));
        let posting = tokio::spawn(self.post.run(bus_stop.clone()));
        let bus = self
            .bus
            .run(self.publications, self.outbox, bus_stop.clone());
        let publishing = tokio::spawn(bus);
        let served = api::serve(listener, self.api, async move { stop.cancelled().await }).await;

        // From here on nothing new comes in: what was taken is committed and published, then the lease is given up.
        tracing::info!("stopping: what is under way is finished");
        let drained = tokio::time::timeout(DRAIN_MAX, async {
            self.express.drain(EXPRESS_DRAIN_MAX).await;
            bus_stop.cancel();
            self.lanes.close();
            let _ = timing.await;
            let _ = posting.await;
            let _ = publishing.await;
            self.lanes.wait().await;
        });
        if drained.await.is_err() {
            tracing::warn!("not all was finished; another coordinator takes over what is left");
        }
        lease_stop.cancel();
        let _ = leasing.await;
        served.context("the HTTP server failed")
    }
}

fn bus_settings(settings: &Settings, own_replies: String) -> bus::Settings {
    bus::Settings {
        amqp_url: settings.amqp_url.as_str().to_owned(),
        names: Names::new(&settings.prefix),
        own_replies,
        prefetch: settings.prefetch,
        payload_bytes_max: PAYLOAD_BYTES_MAX.bytes(),
        unroutable_grace: settings.unroutable_grace,
        heartbeat: HEARTBEAT,
    }
}

/// How often the broker and the coordinator show each other that they live.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What the bus calls.
fn calls<S: Store>(
    store: &S,
    advance: &Advance,
    commands: &Commands<S>,
    key: &TokenKey,
) -> bus::Calls {
    let (advance, store, commands) = (advance.clone(), store.clone(), commands.clone());
    let express = advance.express().clone();
    bus::Calls {
        submit: Arc::new(move |execution, input| {
            let advance = advance.clone();
            Box::pin(async move { advance.submit(Request::new(execution, input)).await })
        }),
        still_open: Arc::new(move |execution, wait| {
            let (store, express) = (store.clone(), express.clone());
            // When it can't be known, a duplicate is the lesser evil.
            Box::pin(async move {
                express.is_waiting(execution, wait)
                    || store
                        .still_open(&[(execution, wait)])
                        .await
                        .map_or(true, |open| !open.is_empty())
            })
        }),
        run_command: Arc::new(move |message_id, command| {
            let commands = commands.clone();
            Box::pin(async move {
                commands
                    .run(&message_id, command)
                    .await
                    .map_err(|error| match error.is_passing() {
                        true => CommandError::NotNow,
                        false => CommandError::Refused {
                            name: error.name.to_owned(),
                            message: error.message,
                        },
                    })
            })
        }),
        key: key.clone(),
    }
}
