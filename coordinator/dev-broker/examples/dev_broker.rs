//! Runs a broker in the foreground: `cargo run -p sagamore-dev-broker --example dev_broker [address]`.

use std::io;

use sagamore_dev_broker::{Broker, Settings};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:5672").parse();
    let address = address.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let broker = Broker::bind(address, Settings::default()).await?;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        stopping.cancel();
    });
    broker.run(stop).await;
    Ok(())
}
