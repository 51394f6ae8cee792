//! Waiting with a bound: each wait says what for, and how long at most.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::time::MissedTickBehavior;

/// Looks again and again until there is something to see.
///
/// # Errors
/// A look fails, or nothing is to be seen after `wait_max`.
pub async fn until<T>(
    what: &str,
    wait_max: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let begun = Instant::now();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let looked = within(what, wait_max, look()).await?;
        if let Some(seen) = looked.with_context(|| format!("while waiting: {what}"))? {
            return Ok(seen);
        }
        if begun.elapsed() > wait_max {
            bail!("waited {} s in vain: {what}", wait_max.as_secs_f32());
        }
    }
}

/// Waits for something to end.
///
/// # Errors
/// It takes longer than `wait_max`.
pub async fn within<T>(
    what: &str,
    wait_max: Duration,
    awaited: impl Future<Output = T>,
) -> Result<T> {
    let ended = tokio::time::timeout(wait_max, awaited).await;
    ended.with_context(|| format!("waited {} s in vain: {what}", wait_max.as_secs_f32()))
}

const LOOK_EVERY: Duration = Duration::from_millis(15);
