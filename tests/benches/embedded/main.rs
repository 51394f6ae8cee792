//! What `sagamore dev` needs, and what it reaches, with nothing installed.
//!
//! `cargo build --release -p sagamore && cargo bench -p sagamore-tests --bench embedded`. It is the binary itself, in a process of its own, on a file
//! on this disk; the service is a plain RabbitMQ worker in this process. A Map's items need no service, so that its figures are the coordinator's alone.

#[path = "../parts/mod.rs"]
mod parts;
mod process;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sagamore_messages::Names;
use serde_json::{Value, json};

use crate::parts::echo::Echo;
use crate::parts::ends::Ends;
use crate::parts::figures::Figures;
use crate::parts::sagas::{Sagas, chain};
use crate::process::Embedded;

/// Steps of a saga.
const STEPS: usize = 5;
/// Sagas that run alone.
const ALONE: usize = 200;
/// Sagas at a time, and of how many.
const IN_FLIGHT: usize = 64;
const TOGETHER: usize = 3_200;
/// The sizes of the Map.
const ITEMS: [usize; 3] = [1_000, 3_000, 10_000];
const MAP_MAX: Duration = Duration::from_secs(300);

fn main() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<()> {
    let embedded = Embedded::start().await?;
    let url = embedded.amqp_url.clone();
    let queues: Vec<String> = (0..STEPS).map(|step| format!("step{step}")).collect();
    let echo = Echo::start(&url, &queues).await?;
    let sagas = Arc::new(Sagas {
        machine: embedded.client.create("five", &chain(&queues)).await?,
        client: sagamore_tests::live::Client {
            address: embedded.client.address.clone(),
        },
        ends: Ends::listen(&url, &Names::new("sagamore")).await?,
        started: AtomicUsize::new(0),
    });
    println!(
        "listening {:.0} ms after the process was started, with {:.1} MB of memory",
        milliseconds(embedded.ready_after),
        embedded.idle_bytes as f64 / 1e6
    );
    sagas.run().await?;
    println!(
        "the first saga of {STEPS} steps done {:.0} ms after, its service connected in between",
        milliseconds(embedded.begun.elapsed())
    );
    sagas.run_together(IN_FLIGHT * 4, IN_FLIGHT).await?;
    let mut alone = Figures::default();
    for _ in 0..ALONE {
        alone.note(sagas.run().await?);
    }
    println!("a saga of {STEPS} steps, one at a time   {alone}");
    let (figures, wall) = sagas.run_together(TOGETHER, IN_FLIGHT).await?;
    let per_second = TOGETHER as f64 / wall.as_secs_f64();
    println!("a saga of {STEPS} steps, {IN_FLIGHT} at a time   {figures}");
    println!(
        "{per_second:.0} sagas, {:.0} steps a second, {:.1} times what one at a time reaches",
        per_second * STEPS as f64,
        per_second * alone.median().as_secs_f64()
    );
    echo.stop(&url, &queues).await?;
    maps(&embedded).await?;
    undone_maps(&embedded).await?;
    embedded.stop().await
}

/// Runs the Map at each size: time and bytes, and both per item beside the smallest.
async fn maps(embedded: &Embedded) -> Result<()> {
    let each = json!({ "Type": "Pass", "Parameters": { "n.$": "States.MathAdd($.n, 1)" }, "Next": "Rest" });
    // A state that waits, so that every iteration is a turn of its own.
    let rest = json!({ "Type": "Wait", "Seconds": 0, "End": true });
    let all = json!({
        "Type": "Map", "MaxConcurrency": 40, "End": true,
        "ItemProcessor": { "StartAt": "Each", "States": { "Each": each, "Rest": rest } },
    });
    let machine = json!({ "StartAt": "All", "States": { "All": all } });
    let machine = embedded.client.create("map", &machine).await?;
    let mut smallest = None;
    for items in ITEMS {
        let input: Vec<Value> = (0..items).map(|n| json!({ "n": n })).collect();
        let written = embedded.written_bytes()?;
        let begun = Instant::now();
        let execution = embedded.client.start(&machine, &json!(input)).await?;
        let ended = embedded.client.ended(&execution, MAP_MAX).await?;
        ensure!(ended["status"] == "SUCCEEDED", "{ended}");
        let took = milliseconds(begun.elapsed()) / items as f64;
        let bytes = (embedded.written_bytes()? - written) as f64 / items as f64;
        let (first_took, first_bytes) = *smallest.get_or_insert((took, bytes));
        println!(
            "a Map of {items:>6} items, 40 at a time   {:>6.2} s, {took:.2} ms an item ({:.2} times), {bytes:.0} bytes written an item ({:.2} times)",
            took * items as f64 / 1_000.0,
            took / first_took,
            bytes / first_bytes
        );
    }
    Ok(())
}

/// Runs a Map whose items all have to be undone at each size: the time of it all per item, beside the smallest.
async fn undone_maps(embedded: &Embedded) -> Result<()> {
    let queues = ["each".to_owned(), "undo-each".to_owned()];
    let url = &embedded.amqp_url;
    let echo = Echo::start(url, &queues).await?;
    let each = json!({
        "Type": "Task", "Resource": "queue:each", "End": true,
        "Compensate": { "Resource": "queue:undo-each", "Parameters": { "n.$": "$.Input.n" } },
    });
    let all = json!({
        "Type": "Map", "MaxConcurrency": 40, "ResultPath": null, "Next": "No",
        "ItemProcessor": { "StartAt": "Each", "States": { "Each": each } },
    });
    let no = json!({ "Type": "Fail", "Error": "No" });
    let machine = json!({ "StartAt": "All", "States": { "All": all, "No": no } });
    let machine = embedded.client.create("undone", &machine).await?;
    let mut smallest = None;
    for items in ITEMS {
        let input: Vec<Value> = (0..items).map(|n| json!({ "n": n })).collect();
        let begun = Instant::now();
        let execution = embedded.client.start(&machine, &json!(input)).await?;
        let ended = embedded.client.ended(&execution, MAP_MAX).await?;
        ensure!(ended["compensation"]["status"] == "COMPENSATED", "{ended}");
        let took = milliseconds(begun.elapsed()) / items as f64;
        let first = *smallest.get_or_insert(took);
        println!(
            "a Map of {items:>6} items, all done and undone   {:>6.2} s, {took:.2} ms an item ({:.2} times)",
            took * items as f64 / 1_000.0,
            took / first
        );
    }
    echo.stop(url, &queues).await
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
