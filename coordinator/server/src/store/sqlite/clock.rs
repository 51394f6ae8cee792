//! The store's clock: the system's, that never goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

use crate::store::convert::micros;

/// In microseconds since 1970. Clones are one clock.
///
/// A system's clock may be set back. What a turn opens, ends or finds due would then lie before what the turn before it did.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock(Arc<AtomicI64>);

impl Clock {
    /// Never before what anybody was told.
    pub(super) fn now(&self) -> i64 {
        self.at_least(micros(Timestamp::now()))
    }

    fn at_least(&self, now: i64) -> i64 {
        self.0.fetch_max(now, Ordering::Relaxed).max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_stands_still() {
        let clock = Clock::default();
        let told = [5, 3, 5, 7].map(|now| clock.clone().at_least(now));
        assert_eq!(told, [5, 5, 5, 7]);
    }
}
