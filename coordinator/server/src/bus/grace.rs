//! Grace for task messages that no queue takes: services may start after the coordinator, and queues that are not
//! durable vanish with a broker's restart.
//!
//! Whether the queue is there now is asked, not tried: so a message is published again only when that makes sense, and
//! one whose queue never appears was published once, and surely did not run.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use super::lines::Lines;
use super::session::Pauses;
use crate::store::Route;

/// Waits for queues and exchanges to appear.
pub(super) struct Grace {
    lines: Lines,
    lasts: Duration,
    places: Semaphore,
    absent: Mutex<HashMap<Place, Instant>>,
}

/// A queue or exchange, by its kind and name.
type Place = (&'static str, String);

/// How a wait ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// It may be there now.
    There,
    /// It is not, and the grace is over.
    Over,
}

impl Grace {
    pub(super) fn new(lines: Lines, lasts: Duration) -> Grace {
        Grace {
            lines,
            lasts,
            places: Semaphore::new(WAITING_MAX),
            absent: Mutex::default(),
        }
    }

    /// Waits for the queue or exchange of a route, for what is left of a grace that began at `since`.
    pub(super) async fn wait(&self, route: &Route, since: Instant) -> Waited {
        let until = since + self.lasts;
        // Past this many the next ones get no grace: what waits is held in memory.
        let Ok(_place) = self.places.try_acquire() else {
            return Waited::Over;
        };
        let mut pauses = Pauses::new(Duration::from_millis(100), Duration::from_secs(2));
        while Instant::now() < until {
            tokio::time::sleep_until(until.min(Instant::now() + pauses.next())).await;
            if self.appeared(route).await {
                return Waited::There;
            }
        }
        Waited::Over
    }

    /// One look serves all that wait for the same route at that time.
    async fn appeared(&self, route: &Route) -> bool {
        let place: Place = match route {
            Route::Queue(queue) => ("queue", queue.clone()),
            Route::Exchange { exchange, .. } => ("exchange", exchange.clone()),
            Route::Review(_) | Route::Execution(_) | Route::Files(_) => return true,
        };
        let mut absent = self.absent.lock().await;
        if absent
            .get(&place)
            .is_some_and(|at| at.elapsed() < LOOK_EVERY)
        {
            return false;
        }
        let exists = match place {
            ("queue", ref queue) => self.lines.queue_exists(queue).await,
            (_, ref exchange) => self.lines.exchange_exists(exchange).await,
        };
        if exists == Some(false) {
            absent.retain(|_, at| at.elapsed() < LOOK_EVERY);
            absent.insert(place, Instant::now());
            return false;
        }
        // When it can't be told, publishing tells.
        true
    }
}

/// Messages that wait for a queue to appear.
const WAITING_MAX: usize = 10_000;
/// How long one look holds.
const LOOK_EVERY: Duration = Duration::from_millis(200);
