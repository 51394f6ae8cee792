//! How long a saga of five steps takes on an idle machine, and what 64 at a time reach.
//!
//! `cargo verify --run cargo bench -p sagamore-tests --bench latency`. The coordinator is this process's own, Postgres and RabbitMQ are real and
//! write to disk, the service is a plain RabbitMQ worker that sends back what it gets. A saga's time runs from its StartExecution over HTTP to
//! the event of its end. Beside it stands the same work without a coordinator: five requests to the same service, one after the other.

mod echo;
mod ends;
mod figures;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use sagamore::settings::Settings;
use sagamore_tests::live::{Client, World, free_port, in_world, until};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::echo::{Caller, Echo};
use crate::ends::Ends;
use crate::figures::Figures;

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
    let echo = Echo::start(&queues).await?;
    let (client, stop) = coordinator(world).await?;
    let machine = client.create("five", &definition(&queues)).await?;
    let bench = Arc::new(Bench {
        client,
        machine,
        ends: Ends::listen(&world.names).await?,
        started: AtomicUsize::new(0),
    });
    let mut caller = Caller::connect().await?;

    for _ in 0..WARM_UP {
        caller.call_all(&queues).await?;
        bench.saga().await?;
    }
    // In turns, so that what else the machine does meets both alike.
    let (mut calls, mut alone) = (Figures::default(), Figures::default());
    for _ in 0..ALONE {
        let begun = Instant::now();
        caller.call_all(&queues).await?;
        calls.note(begun.elapsed());
        alone.note(bench.saga().await?);
    }
    println!("{STEPS} requests and replies, no coordinator   {calls}");
    println!("a saga of {STEPS} steps, one at a time         {alone}");
    println!(
        "{:>45}{:.2} times as long, by the medians",
        "",
        alone.median_over(&calls)
    );
    let (together, wall) = bench.together().await?;
    let per_second = TOGETHER as f64 / wall.as_secs_f64();
    println!("a saga of {STEPS} steps, {IN_FLIGHT} at a time          {together}");
    println!(
        "{:>45}{per_second:.0} sagas, {:.0} steps a second; {:.1} times what one at a time reaches",
        "",
        per_second * STEPS as f64,
        per_second * alone.median().as_secs_f64()
    );
    stop.cancel();
    echo.stop(&queues).await
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

/// A chain of one step per queue.
fn definition(queues: &[String]) -> Value {
    let states = queues.iter().enumerate().map(|(step, queue)| {
        let mut state = json!({ "Type": "Task", "Resource": format!("queue:{queue}") });
        if step + 1 < queues.len() {
            state["Next"] = json!(format!("Step{}", step + 1));
        } else {
            state["End"] = json!(true);
        }
        (format!("Step{step}"), state)
    });
    let states: serde_json::Map<String, Value> = states.collect();
    json!({ "StartAt": "Step0", "States": states })
}

struct Bench {
    client: Client,
    machine: String,
    ends: Ends,
    started: AtomicUsize,
}

impl Bench {
    /// Runs a saga; how long it took.
    async fn saga(&self) -> Result<Duration> {
        let name = format!("saga-{}", self.started.fetch_add(1, Ordering::Relaxed));
        let end = self.ends.expect(&name);
        let input = json!({ "applicant": name, "amount": 20_000, "text": "x".repeat(200) });
        let start = json!({
            "stateMachineArn": self.machine,
            "name": name,
            "input": input.to_string(),
        });
        let begun = Instant::now();
        self.client.call("StartExecution", &start).await?;
        end.await.context("the events ended")?;
        Ok(begun.elapsed())
    }

    /// Runs many, some at a time; how long each took, and all.
    async fn together(self: &Arc<Self>) -> Result<(Figures, Duration)> {
        let mut running = JoinSet::new();
        let begun = Instant::now();
        for _ in 0..IN_FLIGHT {
            let bench = Arc::clone(self);
            running.spawn(async move {
                let mut took = Vec::new();
                for _ in 0..TOGETHER / IN_FLIGHT {
                    took.push(bench.saga().await?);
                }
                anyhow::Ok(took)
            });
        }
        let mut figures = Figures::default();
        while let Some(took) = running.join_next().await {
            took??.into_iter().for_each(|took| figures.note(took));
        }
        Ok((figures, begun.elapsed()))
    }
}
