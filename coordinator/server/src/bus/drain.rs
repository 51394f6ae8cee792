//! When the gate may open: once the replies that were queued when it closed are committed.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;

use super::session::Error;
use super::topology::short;
use crate::gate::Gate;

/// Which deliveries of one session are settled: acked, or known to stay.
#[derive(Debug, Default)]
pub(super) struct Settling(Mutex<Deliveries>);

#[derive(Debug, Default)]
struct Deliveries {
    received: u64,
    open: BTreeSet<u64>,
}

impl Settling {
    /// Notes a delivery; the number is for [`Settling::settled`].
    pub(super) fn received(&self) -> u64 {
        let mut deliveries = self.deliveries();
        deliveries.received += 1;
        let number = deliveries.received;
        deliveries.open.insert(number);
        number
    }

    /// The delivery is committed and acked, or parked.
    pub(super) fn settled(&self, number: u64) {
        self.deliveries().open.remove(&number);
    }

    fn count(&self) -> u64 {
        self.deliveries().received
    }

    /// All deliveries up to this one are settled.
    fn through(&self) -> u64 {
        let deliveries = self.deliveries();
        let first = deliveries.open.first();
        first.map_or(deliveries.received, |first| first - 1)
    }

    fn deliveries(&self) -> std::sync::MutexGuard<'_, Deliveries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the gate each time the replies have been caught up with, for as long as the session lasts.
///
/// `queued` is how many replies waited when the session began, before it consumed any.
pub(super) async fn watch(
    gate: &Gate,
    channel: &Channel,
    queue: &str,
    queued: u64,
    settling: &Settling,
) -> Result<Infallible, Error> {
    let mut queued = Some(queued);
    loop {
        gate.wait_closed().await;
        let caught_up = caught_up(channel, queue, queued.take(), settling);
        match tokio::time::timeout(CLOSED_MAX, caught_up).await {
            Ok(caught_up) => caught_up?,
            Err(_) => tracing::warn!(
                queue,
                "the queued replies take long; timers go on before all of them are taken"
            ),
        }
        gate.open();
    }
}

/// Other coordinators take their share of the queue, so the first `queued` need not all come here. Then an empty queue
/// ends the wait: seen twice, since what was on its way at the first look has arrived by the second.
async fn caught_up(
    channel: &Channel,
    queue: &str,
    queued: Option<u64>,
    settling: &Settling,
) -> Result<(), Error> {
    let mut target = queued;
    let mut was_empty = false;
    while target.is_none_or(|target| settling.through() < target) {
        let look = QueueDeclareOptions::default().passive();
        let look = channel.queue_declare(short(queue.to_owned()), look, FieldTable::default());
        let is_empty = look.await?.message_count() == 0;
        if is_empty && was_empty {
            let received = settling.count();
            target = Some(target.map_or(received, |target| target.min(received)));
        }
        was_empty = is_empty;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// How long the gate stays closed at most once there is a connection.
const CLOSED_MAX: Duration = Duration::from_secs(30);
/// How often a closed gate is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_delivery_holds_back_those_behind_it() {
        let settling = Settling::default();
        let numbers: Vec<u64> = (0..3).map(|_| settling.received()).collect();
        settling.settled(numbers[1]);
        assert_eq!(settling.through(), 0);
        settling.settled(numbers[0]);
        assert_eq!(settling.through(), 2);
        settling.settled(numbers[2]);
        assert_eq!(settling.through(), settling.count());
    }
}
