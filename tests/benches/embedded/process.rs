//! `sagamore dev` in a process of its own, and what the system says of that.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use sagamore_tests::live::{Client, binary, free_port, until};

/// The process.
pub struct Embedded {
    pub client: Client,
    pub amqp_url: String,
    /// When it was started, and how long it took to be ready.
    pub begun: Instant,
    pub ready_after: Duration,
    /// The memory that it had then.
    pub idle_bytes: u64,
    child: Child,
    data: PathBuf,
}

impl Embedded {
    pub async fn start() -> Result<Embedded> {
        let (http, amqp) = (free_port()?, free_port()?);
        let data = std::env::temp_dir().join(format!("sagamore-bench-{}", std::process::id()));
        let mut command = binary("sagamore")?.into_std();
        command.args(["dev", "--http", &format!("127.0.0.1:{http}")]);
        command.args(["--amqp", &format!("127.0.0.1:{amqp}"), "--data"]);
        command.arg(&data).stdout(Stdio::null());
        let begun = Instant::now();
        let child = command.spawn().context("failed to start sagamore")?;
        let client = Client {
            address: format!("127.0.0.1:{http}"),
        };
        until("the coordinator to be ready", START_MAX, async || {
            let answer = client.get("/ready").await;
            Ok(answer.ok().filter(|answer| answer.status == 200).map(drop))
        })
        .await?;
        let ready_after = begun.elapsed();
        let status = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
        Ok(Embedded {
            client,
            amqp_url: format!("amqp://guest:guest@127.0.0.1:{amqp}/%2f"),
            begun,
            ready_after,
            idle_bytes: figure(&status, "VmRSS:")? * 1_024,
            child,
            data,
        })
    }

    /// The bytes that it has written to disks so far.
    pub fn written_bytes(&self) -> Result<u64> {
        let io = fs::read_to_string(format!("/proc/{}/io", self.child.id()))?;
        figure(&io, "write_bytes:")
    }

    pub async fn stop(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(fs::remove_dir_all(&self.data)?)
    }
}

/// The number behind a name in a file of `/proc`.
fn figure(text: &str, name: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    let number = number.with_context(|| format!("there is no {name}"))?;
    Ok(number.parse()?)
}

const START_MAX: Duration = Duration::from_secs(30);
