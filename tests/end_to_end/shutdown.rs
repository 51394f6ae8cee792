//! SIGTERM: what is under way is committed, and the process is gone within seconds.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sagamore_tests::live::{Coordinator, audit, in_world, properties, tell};
use serde_json::json;

use crate::machines::task;

#[tokio::test]
async fn a_coordinator_that_is_told_to_end_finishes_its_work() -> Result<()> {
    in_world(async |world| {
        let mut coordinator = Coordinator::start(world, &[]).await?;
        let client = coordinator.client.clone();
        let queue = world.queue("ask").await?;
        client.create("asking", &task(&queue, json!({}))).await?;
        let commands = world.names.commands();
        for number in 0..EXECUTIONS {
            let id = format!("e{number}");
            let command = properties()
                .with_type("StartExecution".into())
                .with_message_id(id.as_str().into());
            world
                .broker
                .publish(&commands, command, b"{\"stateMachineArn\":\"asking\"}")
                .await?;
        }
        // In the middle of it: some are started, some are not.
        world.broker.take(&queue).await?;
        let told = Instant::now();
        coordinator.process.terminate().await?;
        let status = coordinator.process.ended(STOP_MAX).await?;
        tell(format!("ended after {:?}", told.elapsed()));
        ensure!(status.success(), "it said {status}");

        // What it took is committed, and what it committed is sent: nothing is lost, nothing is left to take over.
        let database = &world.database.pool;
        let started: i64 = sqlx::query_scalar("SELECT count(*) FROM executions")
            .fetch_one(database)
            .await?;
        let sent = world
            .broker
            .counts(&queue)
            .await?
            .map_or(0, |(messages, _)| messages)
            + 1;
        let left = world
            .broker
            .counts(&commands)
            .await?
            .map_or(0, |(messages, _)| messages);
        tell(format!("{started} started, {sent} sent, {left} left"));
        assert_eq!(i64::from(sent), started);
        assert_eq!(i64::from(EXECUTIONS), started + i64::from(left));
        let unsent: i64 = sqlx::query_scalar(UNSENT).fetch_one(database).await?;
        assert_eq!(unsent, 0, "would be sent a second time");
        audit(&world.database.url, database).await?;

        // Another goes on where it stopped.
        let mut next = Coordinator::start(world, &[]).await?;
        next.process.is_alive()?;
        sagamore_tests::live::until("all to be started", STOP_MAX, async || {
            let sent = world
                .broker
                .counts(&queue)
                .await?
                .map_or(0, |(messages, _)| messages);
            Ok((sent + 1 == EXECUTIONS).then_some(()))
        })
        .await?;
        next.stop().await
    })
    .await
}

/// Messages that whoever takes over would take for not sent.
const UNSENT: &str = "SELECT count(*) FROM waits w JOIN coordinators c ON c.id = w.owner
    WHERE w.republish AND w.number > c.sent_through";
/// Enough that a coordinator is not through with them when the first task is out.
const EXECUTIONS: u32 = 400;
const STOP_MAX: Duration = Duration::from_secs(15);
