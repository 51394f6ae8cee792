//! The development broker under a client in another language. What needs nothing installed stands in its own package.

use std::env;

use anyhow::{Context as _, Result, ensure};
use sagamore_dev_broker::{Broker, Settings};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn pika_holds_a_session() -> Result<()> {
    let python = env::var("PIKA_PYTHON").context("PIKA_PYTHON is not set: run `cargo verify`")?;
    let broker = Broker::bind("127.0.0.1:0".parse()?, Settings::default()).await?;
    let (url, stop) = (broker.url(), CancellationToken::new());
    let running = tokio::spawn(broker.run(stop.clone()));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/dev_broker/pika_session.py");
    let session = Command::new(python)
        .arg(script)
        .env("AMQP_URL", url)
        .output()
        .await?;
    let errors = String::from_utf8_lossy(&session.stderr);
    ensure!(session.status.success(), "{errors}");
    stop.cancel();
    Ok(running.await?)
}
