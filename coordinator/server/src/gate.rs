//! The gate in front of the timers: closed while replies may wait unread that a timer would overtake.
//!
//! It is closed at the start, and again whenever the replies' connection is lost or the process has stalled. The bus
//! opens it once the replies that were queued at that moment are committed, so an outage does not time out what was
//! answered.

use tokio::sync::watch;

/// A handle on the gate; clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// A closed gate.
    pub fn new() -> Gate {
        Gate(watch::Sender::new(false))
    }

    /// Returns once the gate is open; at once when it is.
    pub async fn wait_open(&self) {
        self.wait(true).await;
    }

    /// Returns once the gate is closed; at once when it is.
    pub async fn wait_closed(&self) {
        self.wait(false).await;
    }

    /// Whether timers may fire.
    pub fn is_open(&self) -> bool {
        *self.0.borrow()
    }

    /// Lets the timers fire.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Holds the timers until the bus has caught up with the replies; for the timers too, after a stall.
    pub fn close(&self) {
        self.0.send_replace(false);
    }

    async fn wait(&self, open: bool) {
        let mut changes = self.0.subscribe();
        changes
            .wait_for(|now| *now == open)
            .await
            .expect("the gate itself holds the sender");
    }
}

impl Default for Gate {
    fn default() -> Self {
        Gate::new()
    }
}
