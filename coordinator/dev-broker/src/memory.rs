//! The account of what messages take, wherever they are: being received, in queues, unacknowledged, being sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The account; clones are the same account.
#[derive(Clone, Default)]
pub struct Memory {
    pub used: Arc<AtomicUsize>,
    /// In bytes.
    pub max: usize,
}

/// A part of the memory, in bytes, given back when dropped.
pub struct Hold(Arc<AtomicUsize>, usize);

impl Memory {
    /// Takes a part, or `None` where so much is not left.
    pub fn take(&self, bytes: usize) -> Option<Hold> {
        let hold = self.charge(bytes);
        (self.used.load(Ordering::Relaxed) <= self.max).then_some(hold)
    }

    /// Takes a part whether it is left or not: the next `take` pays for it.
    pub fn charge(&self, bytes: usize) -> Hold {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Hold(Arc::clone(&self.used), bytes)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}
