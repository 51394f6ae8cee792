//! The alarm: wakes the timers when something due is committed before they would look again.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;

/// A handle on the alarm; clones are the same alarm.
#[derive(Debug, Clone, Default)]
pub struct Alarm(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    looks_at: Mutex<Option<Timestamp>>,
    rings: Notify,
}

impl Alarm {
    /// Something is due then.
    pub fn set(&self, due: Timestamp) {
        let looks_at = *self
            .0
            .looks_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if looks_at.is_none_or(|looks_at| due < looks_at) {
            self.0.rings.notify_one();
        }
    }

    /// The timers look now: what is committed from here on may or may not be seen, so everything rings.
    pub(crate) fn look(&self) {
        *self
            .0
            .looks_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The timers look again then by themselves.
    pub(crate) fn looks_again_at(&self, looks_at: Timestamp) {
        *self
            .0
            .looks_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(looks_at);
    }

    /// Returns once the alarm has rung.
    pub(crate) async fn rings(&self) {
        self.0.rings.notified().await;
    }
}
