//! Time: no timer is early, none is lost with its coordinator, and none overtakes an answer that was there before.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sagamore_tests::live::{Client, Coordinator, in_world};
use serde_json::json;

use crate::machines::{second, task};

#[tokio::test]
async fn a_wait_is_never_early() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let client = &coordinator.client;
        let machine = client.create("second", &second()).await?;
        let mut executions = Vec::new();
        for _ in 0..20 {
            executions.push(client.start(&machine, &json!({})).await?);
        }
        for execution in executions {
            let waited = waited(client, &execution).await?;
            ensure!((1.0..3.0).contains(&waited), "a second took {waited} s");
        }
        coordinator.stop().await
    })
    .await
}

#[tokio::test]
async fn a_wait_outlives_its_coordinator() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let machine = coordinator.client.create("second", &second()).await?;
        let execution = coordinator.client.start(&machine, &json!({})).await?;
        coordinator.process.kill().await?;
        let coordinator = Coordinator::start(world, &[]).await?;
        let waited = waited(&coordinator.client, &execution).await?;
        // Nobody is told of a kill: the lease of the killed one has to lapse first.
        ensure!((1.0..20.0).contains(&waited), "a second took {waited} s");
        coordinator.stop().await
    })
    .await
}

#[tokio::test]
async fn a_reply_that_was_there_before_is_taken_before_the_timeout() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let queue = world.queue("ask").await?;
        let machine = task(&queue, json!({ "TimeoutSeconds": 2 }));
        let machine = coordinator.client.create("impatient", &machine).await?;
        let mut executions = Vec::new();
        for _ in 0..20 {
            executions.push(coordinator.client.start(&machine, &json!({})).await?);
        }
        let mut tasks = Vec::new();
        for _ in &executions {
            tasks.push(world.broker.take(&queue).await?);
        }
        coordinator.stop().await?;
        // The time runs out by the store's clock, while nobody is there to see it.
        for task in &tasks {
            world.broker.reply(task, None, b"\"in time\"").await?;
        }
        let all_due =
            "SELECT bool_and(now() - to_timestamp(due / 1e6) > interval '0.5 s') FROM waits";
        sagamore_tests::live::until("all timeouts to pass", END_MAX, async || {
            let due: Option<bool> = sqlx::query_scalar(all_due)
                .fetch_one(&world.database.pool)
                .await?;
            Ok((due == Some(true)).then_some(()))
        })
        .await?;
        let coordinator = Coordinator::start(world, &[]).await?;
        for execution in executions {
            let ended = coordinator.client.ended(&execution, END_MAX).await?;
            assert_eq!(
                (&ended["status"], &ended["output"]),
                (&json!("SUCCEEDED"), &json!("\"in time\""))
            );
        }
        coordinator.stop().await
    })
    .await
}

/// How many seconds an execution of `second` was in its Wait, by its history.
async fn waited(client: &Client, execution: &str) -> Result<f64> {
    let ended = client.ended(execution, END_MAX).await?;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
    let history = client.history(execution).await?;
    let at = |kind: &str| {
        let event = history.iter().find(|event| event["type"] == kind);
        event
            .and_then(|event| event["timestamp"].as_f64())
            .with_context(|| format!("no {kind} in {history:?}"))
    };
    Ok(at("WaitStateExited")? - at("WaitStateEntered")?)
}

const END_MAX: Duration = Duration::from_secs(30);
