//! The timers: waits whose time has come become inputs, none early, none lost, in order of their time.
//!
//! Each coordinator fires the timers of what it wrote or took over. The store's clock says what is due; this process's
//! clock only says how long to sleep. They fire when the gate is open: after an outage replies go first.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use sagamore_interpreter::{ExecutionId, Input, Sequence};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::advance::{Advance, Error, Request};
use crate::alarm::Alarm;
use crate::gate::Gate;
use crate::store::{CoordinatorId, DueWait, Store};

/// How far the timers look ahead; they look again after that time at the latest.
const HORIZON: Duration = Duration::from_secs(1);

/// Waits that are looked at together.
const WAITS_MAX: u32 = 1_000;

/// Timers that did not look for this long were held up, by the process or the store: replies may be waiting.
const STALL: Duration = Duration::from_secs(5);

/// What the timers need.
pub struct Timers<S: Store> {
    /// Where waits are.
    pub store: S,
    /// Whose waits.
    pub coordinator: CoordinatorId,
    /// Where they go.
    pub advance: Advance,
    /// Opens once replies are caught up with.
    pub gate: Gate,
    /// Rings when something is due sooner.
    pub alarm: Alarm,
}

/// A wait that was fired and is not answered yet.
type Key = (ExecutionId, Sequence);

impl<S: Store> Timers<S> {
    /// Fires timers until told to stop; then waits for those that were fired.
    pub async fn run(self, stop: CancellationToken) {
        let mut fired = FuturesUnordered::new();
        let mut pending = HashSet::new();
        let mut last_look = Instant::now();
        while let Some(looked) = stop.run_until_cancelled(self.look(&mut last_look)).await {
            for wait in looked.due {
                let key = (wait.execution, wait.wait);
                if pending.insert(key) {
                    fired.push(self.fire(key));
                }
            }
            let pause = tokio::time::sleep(looked.pause);
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = self.alarm.rings() => break,
                    () = &mut pause => break,
                    Some(done) = fired.next(), if !fired.is_empty() => {
                        pending.remove(&done);
                        // Those behind them were not seen yet.
                        if looked.is_full && pending.is_empty() {
                            break;
                        }
                    }
                }
            }
        }
        while fired.next().await.is_some() {}
    }

    /// Looks what is due, once the gate is open, and how long to sleep until the next is.
    async fn look(&self, last_look: &mut Instant) -> Looked {
        if last_look.elapsed() > STALL {
            tracing::warn!("timers were held up; replies go first");
            self.gate.close();
        }
        self.gate.wait_open().await;
        self.alarm.look();
        let found = self.store.due(self.coordinator, HORIZON, WAITS_MAX).await;
        let (now, mut due) = match found {
            Ok((now, due)) => (now, due),
            Err(error) => {
                tracing::debug!(%error, "timers wait for the store");
                return Looked {
                    due: Vec::new(),
                    pause: HORIZON,
                    is_full: false,
                };
            }
        };
        *last_look = Instant::now();
        let is_full = due.len() >= WAITS_MAX as usize;
        let next = due
            .iter()
            .find(|wait| wait.due > now)
            .map(|wait| wait.due.duration_since(now));
        let pause = next
            .and_then(|pause| Duration::try_from(pause).ok())
            .map_or(HORIZON, |pause| pause.min(HORIZON));
        due.retain(|wait| wait.due <= now);
        self.alarm
            .looks_again_at(now.checked_add(pause).unwrap_or(now));
        Looked {
            due,
            pause,
            is_full,
        }
    }

    async fn fire(&self, (execution, wait): Key) -> Key {
        match self
            .advance
            .submit(Request::new(execution, Input::Due { wait }))
            .await
        {
            Ok(_) | Err(Error::Stopping) => {}
            Err(error) => tracing::error!(%execution, %wait, %error, "a timer can't be taken"),
        }
        (execution, wait)
    }
}

/// What a look found.
struct Looked {
    /// What is due now.
    due: Vec<DueWait>,
    /// How long to sleep.
    pause: Duration,
    /// Whether there may be more that is due.
    is_full: bool,
}
