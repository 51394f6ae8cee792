//! What the bus has counted since it started.

use std::sync::atomic::{AtomicU64, Ordering};

/// One number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The numbers of one bus.
#[derive(Debug, Default)]
pub struct Counts {
    /// Messages that the broker confirmed.
    pub confirmed: Count,
    /// Publishes that reached no queue, republications included.
    pub returned: Count,
    /// Publishes that the broker refused by closing their channel.
    pub refused: Count,
    /// Messages that were parked.
    pub parked: Count,
    /// Deliveries that changed nothing: late or duplicate.
    pub ignored: Count,
}
