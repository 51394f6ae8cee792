//! The rule behind the message contract: a plain request/reply worker takes part in a saga.

use std::env;
use std::time::Duration;

use anyhow::{Context as _, Result};
use sagamore_tests::live::{Coordinator, Process, in_world};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::machines::task;

#[tokio::test]
async fn a_plain_worker_takes_part_in_a_saga() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let client = &coordinator.client;
        let queue = world.queue("double").await?;
        let machine = client.create("doubling", &task(&queue, json!({}))).await?;
        let execution = client.start(&machine, &json!({ "number": 21 })).await?;

        let python =
            env::var("PIKA_PYTHON").context("PIKA_PYTHON is not set: run `cargo verify`")?;
        let mut command = Command::new(python);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/end_to_end/plain_worker.py");
        command.args(["-u", script, &queue]);
        let worker = Process::start(
            "plain-worker",
            command,
            &world.environment()?,
            &world.directory,
        )?;
        let ended = client.ended(&execution, END_MAX).await?;
        assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
        let output: Value = serde_json::from_str(ended["output"].as_str().unwrap())?;
        assert_eq!(output, json!({ "double": 42 }));
        worker.kill().await?;
        coordinator.stop().await
    })
    .await
}

const END_MAX: Duration = Duration::from_secs(30);
