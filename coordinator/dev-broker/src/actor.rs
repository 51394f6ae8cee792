//! The one task that owns the core, with the clock that the core lacks.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::core::{ConnectionId, Core, Event, Outgoing};
use crate::limits::OUTGOING_BYTES_MAX;
use crate::refusal::{CONNECTION_FORCED, Refusal};

/// What a connection tells the core; with the way back when it begins.
pub type Told = (ConnectionId, Event, Option<Outbox>);

/// The way to a connection. It has no bound of its own: of what can wait the core sends no more than fits, and who asks
/// for the rest is held back by its `Backlog`.
pub struct Outbox(pub mpsc::UnboundedSender<Outgoing>, pub Arc<Backlog>);

/// How many bytes wait to be written to a connection.
#[derive(Default)]
pub struct Backlog {
    bytes: AtomicUsize,
    less: Notify,
}

impl Backlog {
    pub fn subtract(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.less.notify_one();
    }

    /// Returns once there is room.
    pub async fn room(&self) {
        while self.bytes.load(Ordering::Relaxed) >= OUTGOING_BYTES_MAX {
            self.less.notified().await;
        }
    }
}

/// Runs a core until nobody is left who could tell it something.
pub async fn run(mut core: Core, mut inbox: mpsc::Receiver<Told>, stop: CancellationToken) {
    let started = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let start = Instant::now();
    // Since 1970, and never going back.
    let now = || started + start.elapsed();
    let (mut outboxes, mut told, mut stopping) = (HashMap::new(), Vec::new(), false);
    loop {
        let due = core.due().unwrap_or(Duration::MAX);
        tokio::select! {
            biased;
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                let text = "broker forced connection closure with reason 'shutdown'".to_owned();
                let refusal = Refusal { code: CONNECTION_FORCED, text };
                for id in outboxes.keys() {
                    core.take(*id, Event::Fault(refusal.clone()), now());
                }
            }
            () = tokio::time::sleep(due.saturating_sub(now())) => core.tick(now()),
            count = inbox.recv_many(&mut told, BATCH) => if count == 0 { return },
        }
        for (id, event, outbox) in told.drain(..) {
            outboxes.extend(outbox.map(|outbox| (id, outbox)));
            if matches!(event, Event::Gone) {
                outboxes.remove(&id);
            }
            core.take(id, event, now());
        }
        for (id, outgoing) in core.output() {
            if let Some(Outbox(sender, backlog)) = outboxes.get(&id) {
                backlog.bytes.fetch_add(outgoing.bytes(), Ordering::Relaxed);
                // A connection that ended meanwhile says so itself.
                let _ = sender.send(outgoing);
            }
        }
    }
}

/// What is taken from connections at once, before what it led to is sent.
const BATCH: usize = 64;
