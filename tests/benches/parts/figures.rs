//! Times, and what is said of them.

use std::fmt;
use std::time::Duration;

/// Some times.
#[derive(Debug, Default)]
pub struct Figures(Vec<Duration>);

impl Figures {
    /// Notes one more.
    pub fn note(&mut self, took: Duration) {
        self.0.push(took);
    }

    /// The one in the middle.
    pub fn median(&self) -> Duration {
        self.at(0.5)
    }

    /// The one below which this share lies.
    fn at(&self, share: f64) -> Duration {
        let mut times = self.0.clone();
        times.sort_unstable();
        let index = (times.len() as f64 * share) as usize;
        times
            .get(index.min(times.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |share| self.at(share).as_secs_f64() * 1_000.0;
        write!(
            formatter,
            "median {:.1} ms, 95 % under {:.1} ms, 99 % under {:.1} ms",
            milliseconds(0.5),
            milliseconds(0.95),
            milliseconds(0.99)
        )
    }
}
