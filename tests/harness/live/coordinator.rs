//! `sagamore serve` as a process.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Client, Process, World, binary, until};

/// A coordinator that runs.
pub struct Coordinator {
    /// Its process.
    pub process: Process,
    /// A client of it.
    pub client: Client,
}

impl Coordinator {
    /// Starts one, with these settings beside the world's, and waits until it is ready.
    ///
    /// # Errors
    /// It ends, or is not ready in time.
    pub async fn start(world: &World, settings: &[(&'static str, &str)]) -> Result<Self> {
        let mut coordinator = Self::launch(world, settings, free_port()?)?;
        coordinator.ready().await?;
        Ok(coordinator)
    }

    /// Starts one at a port, and does not wait for it.
    ///
    /// # Errors
    /// It can't be started.
    pub fn launch(world: &World, settings: &[(&'static str, &str)], port: u16) -> Result<Self> {
        let address = format!("127.0.0.1:{port}");
        let mut environment = world.environment()?;
        environment.push(("SAGAMORE_HTTP", address.clone()));
        environment.extend(
            settings
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        let mut command = binary("sagamore")?;
        command.arg("serve");
        let name = format!("coordinator-{port}");
        let process = Process::start(&name, command, &environment, &world.directory)?;
        let client = Client { address };
        Ok(Self { process, client })
    }

    /// Waits until it is ready: the store answers, the bus is connected.
    ///
    /// # Errors
    /// It ends, or is not ready in time.
    pub async fn ready(&mut self) -> Result<()> {
        let Self { process, client } = self;
        until("a coordinator to be ready", READY_MAX, async || {
            process.is_alive()?;
            let answer = client.get("/ready").await;
            Ok(answer.ok().filter(|answer| answer.status == 200).map(drop))
        })
        .await
    }

    /// Tells it to end and waits until it has, well.
    ///
    /// # Errors
    /// It takes too long, or ends with a fault.
    pub async fn stop(mut self) -> Result<()> {
        self.process.terminate().await?;
        let status = self.process.ended(STOP_MAX).await?;
        anyhow::ensure!(
            status.success(),
            "a coordinator that was told to end said {status}"
        );
        Ok(())
    }
}

/// A port of the loopback interface that nobody listens on.
///
/// Below those that outgoing connections are given, so that none of these takes it while a coordinator is restarted.
///
/// # Errors
/// All are taken.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % u32::from(PORTS))?;
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let mut ports = (0..PORTS).map(|_| {
        let next = NEXT.fetch_add(1, Ordering::Relaxed) % PORTS;
        PORT_MIN + (begin + next) % PORTS
    });
    ports.find(is_free).context("every port is taken")
}

const PORT_MIN: u16 = 10_000;
const PORTS: u16 = 10_000;
/// How long a start may take, two tests and a compiler beside it.
const READY_MAX: Duration = Duration::from_secs(60);
/// How long a coordinator may take to end.
const STOP_MAX: Duration = Duration::from_secs(20);
