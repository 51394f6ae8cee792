//! The one task that owns the core, with the clock that the core lacks.

use std::collections::HashMap;
use std::future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use amq_protocol::types::ShortString;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::content::Request;
use crate::core::{ConnectionId, Core, Outgoing};
use crate::limits::OUTGOING_BYTES_MAX;
use crate::memory::Memory;
use crate::refusal::{Code, Refusal};

/// What connections tell the core.
#[derive(Debug)]
pub(crate) enum Command {
    Connect {
        user: ShortString,
        cancel_notify: bool,
        outbox: Outbox,
    },
    Request(Request),
    Fault(Refusal),
    Written(usize),
    Gone,
}

/// The way to a connection. It has no bound of its own: the core sends only what its clients asked for, and asks no
/// client further than `Backlog` allows.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) sender: mpsc::UnboundedSender<Outgoing>,
    pub(crate) backlog: Arc<Backlog>,
}

/// How many bytes wait to be written to a connection.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    bytes: AtomicUsize,
    less: Notify,
}

impl Backlog {
    /// So many bytes are written.
    pub(crate) fn subtract(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.less.notify_one();
    }

    /// Returns once there is room.
    pub(crate) async fn room(&self) {
        while self.bytes.load(Ordering::Relaxed) >= OUTGOING_BYTES_MAX {
            self.less.notified().await;
        }
    }
}

/// Runs a core until nobody is left who could ask it for something.
pub(crate) async fn run(
    memory: Memory,
    mut inbox: mpsc::Receiver<(ConnectionId, Command)>,
    stop: CancellationToken,
) {
    let clock = Clock::new();
    let mut core = Core::new(memory, clock.now());
    let mut outboxes = HashMap::new();
    let mut commands = Vec::new();
    let mut stopping = false;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                let refusal = Code::ConnectionForced
                    .because("broker forced connection closure with reason 'shutdown'");
                for id in core.connections() {
                    core.fault(id, &refusal, clock.now());
                }
            }
            () = clock.reaches(core.due()) => core.tick(clock.now()),
            count = inbox.recv_many(&mut commands, BATCH) => {
                if count == 0 {
                    return;
                }
                for (id, command) in commands.drain(..) {
                    apply(&mut core, &mut outboxes, id, command, clock.now());
                }
            }
        }
        for (id, outgoing) in core.output() {
            if let Some(Outbox { sender, backlog }) = outboxes.get(&id) {
                backlog.bytes.fetch_add(outgoing.bytes(), Ordering::Relaxed);
                // A connection that ended meanwhile says so itself.
                let _ = sender.send(outgoing);
            }
        }
    }
}

fn apply(
    core: &mut Core,
    outboxes: &mut HashMap<ConnectionId, Outbox>,
    id: ConnectionId,
    command: Command,
    now: Duration,
) {
    match command {
        Command::Connect {
            user,
            cancel_notify,
            outbox,
        } => {
            outboxes.insert(id, outbox);
            core.connect(id, user, cancel_notify);
        }
        Command::Request(request) => core.request(id, request, now),
        Command::Fault(refusal) => core.fault(id, &refusal, now),
        Command::Written(bytes) => core.written(id, bytes, now),
        Command::Gone => {
            outboxes.remove(&id);
            core.disconnect(id, now);
        }
    }
}

/// A clock that shows the time of day and never goes back.
struct Clock {
    start: Instant,
    /// Since 1970.
    started: Duration,
}

impl Clock {
    fn new() -> Self {
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            start: Instant::now(),
            started: started.unwrap_or_default(),
        }
    }

    fn now(&self) -> Duration {
        self.started + self.start.elapsed()
    }

    async fn reaches(&self, time: Option<Duration>) {
        let at = time.and_then(|time| self.start.checked_add(time.saturating_sub(self.started)));
        match at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => future::pending().await,
        }
    }
}

/// Requests that are taken at once, before what they led to is sent.
const BATCH: usize = 64;
