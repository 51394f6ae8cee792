//! Whole coordinators on a model of the store and of the broker: whatever crashes where, every saga ends as its history says.
//!
//! What runs is the coordinator's own code, its lanes, outbox and lease, one step at a time. Between any two steps a coordinator may be
//! killed or lose its broker, the store may fail or commit without saying so, messages may come late, twice, in another order or not at all,
//! and time passes. One seed makes all of it: `SEED=8812 cargo test -p sagamore-tests --test simulation` plays one again, and
//! `SEEDS=5000` plays many.

mod broker;
mod machines;
mod node;
mod publishing;
mod scenes;
mod service;
mod settle;
mod world;

use anyhow::{Context as _, Result};

use crate::world::World;

/// How many seeds a run plays.
const SEEDS: u64 = 200;

#[test]
fn sagas_survive_whatever_happens_to_their_coordinators() -> Result<()> {
    let number = |name| {
        let text = std::env::var(name).ok();
        let number = text.map(|text| text.parse::<u64>()).transpose();
        number.with_context(|| format!("{name} is no number"))
    };
    if let Some(seed) = number("SEED")? {
        return World::new(seed)?.play();
    }
    for seed in 0..number("SEEDS")?.unwrap_or(SEEDS) {
        let played = World::new(seed).and_then(World::play);
        played.with_context(|| {
            format!("run again: SEED={seed} cargo test -p sagamore-tests --test simulation")
        })?;
    }
    Ok(())
}
