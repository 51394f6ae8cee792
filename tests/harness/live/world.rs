//! A world of one's own for each test.

use std::env;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, anyhow};
use futures_util::FutureExt;
use sagamore_messages::Names;
use uuid::Uuid;

use super::process::print_logs;
use super::{Broker, Database};

/// A database, a prefix on the broker and a directory that no other test has.
pub struct World {
    /// The database.
    pub database: Database,
    /// The broker, which is shared; the names are not.
    pub broker: Broker,
    /// The names of the coordinator's own queues.
    pub names: Names,
    /// Where the processes' logs are.
    pub directory: PathBuf,
    queues: Mutex<Vec<String>>,
}

/// Runs a test in a world of its own; clears it away after, and prints the logs when the test failed.
///
/// # Errors
/// The test's own, and what kept the world from being made.
pub async fn in_world(test: impl AsyncFnOnce(&World) -> Result<()>) -> Result<()> {
    let world = World::new().await?;
    let outcome = AssertUnwindSafe(test(&world)).catch_unwind().await;
    let outcome =
        outcome.unwrap_or_else(|_| Err(anyhow!("the test panicked; its message is above")));
    if outcome.is_err() {
        print_logs(&world.directory);
    }
    let cleared = world.clear(outcome.is_ok()).await;
    outcome.and(cleared)
}

impl World {
    async fn new() -> Result<Self> {
        let prefix = format!("test-{}", Uuid::now_v7().simple());
        let test = env::current_exe()?;
        let target = test
            .ancestors()
            .nth(3)
            .context("a test lies in a target directory")?;
        let directory = target.join("tmp").join(&prefix);
        fs::create_dir_all(&directory)?;
        Ok(Self {
            database: Database::create().await?,
            broker: Broker::connect().await?,
            names: Names::new(&prefix),
            directory,
            queues: Mutex::default(),
        })
    }

    /// What a process of this world is told.
    ///
    /// # Errors
    /// The broker has no address.
    pub fn environment(&self) -> Result<Vec<(&'static str, String)>> {
        Ok(vec![
            ("DATABASE_URL", self.database.url.clone()),
            ("AMQP_URL", Broker::url()?),
            ("SAGAMORE_PREFIX", self.names.prefix().to_owned()),
        ])
    }

    /// Makes a queue of this world, for a service or for answers, and returns its name.
    ///
    /// # Errors
    /// The broker can't be reached.
    pub async fn queue(&self, name: &str) -> Result<String> {
        let queue = format!("{}.{name}", self.names.prefix());
        self.broker.declare(&queue).await?;
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.push(queue.clone());
        Ok(queue)
    }

    async fn clear(self, well: bool) -> Result<()> {
        // The connection may have gone with a broker that was restarted.
        let broker = Broker::connect().await?;
        let names = &self.names;
        let own = [
            names.replies(),
            names.commands(),
            names.parked(),
            names.dead(),
        ];
        let others = self
            .queues
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        for queue in own.iter().chain(&others) {
            broker.delete(queue).await?;
        }
        for exchange in [names.dead(), names.events()] {
            broker.delete_exchange(&exchange).await?;
        }
        self.database.drop().await?;
        // The logs of a test that failed are worth keeping.
        if well {
            remove(&self.directory)?;
        }
        Ok(())
    }
}

/// Tells how a run went, also of a test that passes: what `print!` writes is shown of those that fail only.
pub fn tell(text: impl fmt::Display) {
    // Nobody reads it any more: no reason to fail.
    let _ = writeln!(io::stderr(), "{text}");
}

fn remove(directory: &Path) -> Result<()> {
    fs::remove_dir_all(directory)
        .with_context(|| format!("failed to remove {}", directory.display()))
}
