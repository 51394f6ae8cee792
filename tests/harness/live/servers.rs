//! The servers themselves, where `cargo verify` started them: stopped, killed, started again under load.

use std::env;
use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::process::Command;

use super::within;

/// A server that may be restarted.
pub struct Server {
    name: &'static str,
    script: OsString,
}

impl Server {
    /// RabbitMQ, unless it is not ours to restart.
    pub fn rabbitmq() -> Option<Self> {
        Self::of("RabbitMQ", "SAGAMORE_VERIFY_RABBITMQ_RESTART")
    }

    /// Postgres, unless it is not ours to restart.
    pub fn postgres() -> Option<Self> {
        Self::of("Postgres", "SAGAMORE_VERIFY_POSTGRES_RESTART")
    }

    fn of(name: &'static str, variable: &str) -> Option<Self> {
        let script = env::var_os(variable).filter(|script| !script.is_empty())?;
        Some(Self { name, script })
    }

    /// Does `start`, `stop`, `kill` or `restart`, and returns when it is done.
    ///
    /// # Errors
    /// It does not work.
    pub async fn control(&self, order: &str) -> Result<()> {
        let mut command = Command::new(&self.script);
        command.arg(order).kill_on_drop(true);
        let what = format!("{} to {order}", self.name);
        let status = within(&what, CONTROL_MAX, command.status()).await??;
        ensure!(status.success(), "{what}: {status}");
        Ok(())
    }
}

const CONTROL_MAX: Duration = Duration::from_secs(150);
