//! The five services of the loan, as processes.

use std::env;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use sagamore_loan::{applications, credit, funds, notifications, risk};

use super::{Broker, Process, World, binary, until};

/// The services. Their queues have fixed names, so at one time only one test of a target directory has them.
pub struct Services {
    processes: Vec<Process>,
    /// Locked as long as the queues are ours.
    _lock: File,
}

impl Services {
    /// Starts them on fresh queues and waits until each queue is consumed.
    ///
    /// # Errors
    /// One does not start.
    pub async fn start(world: &World) -> Result<Self> {
        let lock = tokio::task::spawn_blocking(lock).await??;
        for queue in QUEUES {
            world.broker.delete(queue).await?;
        }
        let environment = world.environment()?;
        let start = |name| Process::start(name, binary(name)?, &environment, &world.directory);
        let names = [
            applications::NAME,
            credit::NAME,
            risk::NAME,
            funds::NAME,
            notifications::NAME,
        ];
        let processes = names.into_iter().map(start).collect::<Result<_>>()?;
        let mut services = Self {
            processes,
            _lock: lock,
        };
        for queue in QUEUES {
            let what = format!("a service on {queue}");
            until(&what, START_MAX, async || {
                services.are_alive()?;
                let counts = world.broker.counts(queue).await?;
                Ok(counts.filter(|(_, consumers)| *consumers > 0).map(drop))
            })
            .await?;
        }
        Ok(services)
    }

    /// Complains when one has ended.
    ///
    /// # Errors
    /// One has.
    pub fn are_alive(&mut self) -> Result<()> {
        self.processes.iter_mut().try_for_each(Process::is_alive)
    }

    /// Ends them and deletes their queues.
    ///
    /// # Errors
    /// The broker can't be reached.
    pub async fn stop(self) -> Result<()> {
        for process in self.processes {
            process.kill().await?;
        }
        // The world's own connection is gone when the broker was restarted meanwhile.
        let broker = Broker::connect().await?;
        for queue in QUEUES {
            broker.delete(queue).await?;
        }
        Ok(())
    }
}

fn lock() -> Result<File> {
    let test = env::current_exe()?;
    let directory = test.parent().and_then(Path::parent);
    let path = directory
        .context("a test lies in a directory")?
        .join("loan-queues.lock");
    let file = File::create(path)?;
    file.lock()?;
    Ok(file)
}

/// All queues of the loan.
const QUEUES: [&str; 12] = [
    "applications.open",
    "applications.close",
    "credit.check",
    "credit.release",
    "income.verify",
    "risk.assess",
    "funds.reserve",
    "funds.release",
    "loans.register",
    "loans.cancel",
    "funds.transfer",
    "applicants.notify",
];
const START_MAX: Duration = Duration::from_secs(60);
