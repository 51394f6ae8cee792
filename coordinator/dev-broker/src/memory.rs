//! The account of what messages take, wherever they are: being received, in queues, unacknowledged, being sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The account; clones are the same account.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    used: Arc<AtomicUsize>,
    max: usize,
}

/// A part of the memory, given back when dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    used: Arc<AtomicUsize>,
    bytes: usize,
}

impl Memory {
    /// An account of so many bytes.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            used: Arc::default(),
            max,
        }
    }

    /// Takes a part, or `None` where so much is not left.
    pub(crate) fn take(&self, bytes: usize) -> Option<Hold> {
        let hold = self.charge(bytes);
        (self.used() <= self.max).then_some(hold)
    }

    /// Takes a part whether it is left or not: the next `take` pays for it.
    pub(crate) fn charge(&self, bytes: usize) -> Hold {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Hold {
            used: Arc::clone(&self.used),
            bytes,
        }
    }

    /// How many bytes are taken.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
