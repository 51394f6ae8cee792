//! How long a saga of five steps takes on an idle machine, and what 64 at a time reach.
//!
//! `cargo verify --run cargo bench -p sagamore-tests --bench latency`. The coordinator is this process's own, Postgres and RabbitMQ are real and
//! write to disk, the service is a plain RabbitMQ worker that sends back what it gets. A saga's time runs from its StartExecution over HTTP to
//! the event of its end. Beside it stands the same work without a coordinator: five requests to the same service, one after the other.

mod caller;
#[path = "../parts/mod.rs"]
mod parts;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use anyhow::Result;
use sagamore::settings::Settings;
use sagamore_tests::live::{Broker, Client, World, free_port, in_world, until};
use tokio_util::sync::CancellationToken;

use crate::caller::Caller;
use crate::parts::echo::Echo;
use crate::parts::ends::Ends;
use crate::parts::figures::Figures;
use crate::parts::sagas::{Sagas, chain};

/// Steps of a saga.
const STEPS: usize = 5;
/// Sagas that run alone, and requests beside them.
const ALONE: usize = 300;
/// Sagas at a time, and of how many.
const IN_FLIGHT: usize = 64;
const TOGETHER: usize = 3_000;
const WARM_UP: usize = 50;
const START_MAX: Duration = Duration::from_secs(30);

fn main() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(in_world(measure))
}

async fn measure(world: &World) -> Result<()> {
    let queues: Vec<String> = (0..STEPS)
        .map(|step| format!("{}.step{step}", world.names.prefix()))
        .collect();
    let url = Broker::url()?;
    let echo = Echo::start(&url, &queues).await?;
    let (client, stop) = coordinator(world).await?;
    let machine = client.create("five", &chain(&queues)).await?;
    let sagas = Arc::new(Sagas {
        client,
        machine,
        ends: Ends::listen(&url, &world.names).await?,
        started: AtomicUsize::new(0),
    });
    let mut caller = Caller::connect(&url).await?;

    for _ in 0..WARM_UP {
        caller.call_all(&queues).await?;
        sagas.run().await?;
    }
    // In turns, so that what else the machine does meets both alike.
    let (mut calls, mut alone) = (Figures::default(), Figures::default());
    for _ in 0..ALONE {
        let begun = Instant::now();
        caller.call_all(&queues).await?;
        calls.note(begun.elapsed());
        alone.note(sagas.run().await?);
    }
    println!("{STEPS} requests and replies, no coordinator   {calls}");
    println!("a saga of {STEPS} steps, one at a time         {alone}");
    println!(
        "{:>45}{:.2} times as long, by the medians",
        "",
        alone.median().as_secs_f64() / calls.median().as_secs_f64()
    );
    let (together, wall) = sagas.run_together(TOGETHER, IN_FLIGHT).await?;
    let per_second = TOGETHER as f64 / wall.as_secs_f64();
    println!("a saga of {STEPS} steps, {IN_FLIGHT} at a time          {together}");
    println!(
        "{:>45}{per_second:.0} sagas, {:.0} steps a second; {:.1} times what one at a time reaches",
        "",
        per_second * STEPS as f64,
        per_second * alone.median().as_secs_f64()
    );
    stop.cancel();
    echo.stop(&url, &queues).await
}

/// Starts a coordinator in this process, and waits until it is ready.
async fn coordinator(world: &World) -> Result<(Client, CancellationToken)> {
    let address = format!("127.0.0.1:{}", free_port()?);
    let mut environment = world.environment()?;
    environment.push(("SAGAMORE_HTTP", address.clone()));
    let environment = environment
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    let settings = Settings::read(None, environment.collect())?;
    let stop = CancellationToken::new();
    tokio::spawn(sagamore::serve(settings, stop.clone()));
    let client = Client { address };
    until("a coordinator to be ready", START_MAX, async || {
        let answer = client.get("/ready").await;
        Ok(answer.ok().filter(|answer| answer.status == 200).map(drop))
    })
    .await?;
    Ok((client, stop))
}
