//! Sagamore with nothing installed: `sagamore dev` and `cargo demo`, killed and started again.

use std::time::Duration;

use anyhow::{Result, ensure};
use sagamore_tests::live::{Broker, Client, Process, World, binary, free_port, in_world, until};
use serde_json::{Value, json};

use crate::machines::task;

/// The broker is in memory, so the message died with it; the file was not.
#[tokio::test]
async fn a_task_message_comes_again_after_everything_was_killed() -> Result<()> {
    in_world(async |world| {
        let (http, amqp) = (free_port()?, free_port()?);
        let client = Client {
            address: format!("127.0.0.1:{http}"),
        };
        let dev = dev(world, http, amqp).await?;
        let broker = loopback(amqp).await?;
        broker.declare("work").await?;
        let machine = client.create("one", &task("work", json!({}))).await?;
        let execution = client.start(&machine, &json!({ "number": 7 })).await?;
        let first = broker.take("work").await?;
        dev.kill().await?;

        let dev = self::dev(world, http, amqp).await?;
        let broker = loopback(amqp).await?;
        // As its service would.
        broker.declare("work").await?;
        let again = broker.take("work").await?;
        assert_eq!(again.delivery.data, first.delivery.data);
        let token = first.delivery.properties.correlation_id();
        assert_eq!(again.delivery.properties.correlation_id(), token);
        let answer = json!({ "done": 7 });
        broker
            .reply(&again, None, answer.to_string().as_bytes())
            .await?;
        let ended = client.ended(&execution, END_MAX).await?;
        assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
        let output: Value = serde_json::from_str(ended["output"].as_str().unwrap())?;
        assert_eq!(output, answer);
        dev.kill().await
    })
    .await
}

/// Each time a little further on; what `--exit` compares is where every applicant ends.
#[tokio::test]
async fn a_demo_that_was_killed_goes_on_with_what_it_had_begun() -> Result<()> {
    in_world(async |world| {
        for ends in [0, 1, 4] {
            let http = free_port()?;
            let client = Client {
                address: format!("127.0.0.1:{http}"),
            };
            let mut demo = demo(world, http, &[])?;
            until("applicants to get on", END_MAX, async || {
                demo.is_alive()?;
                Ok((ended(&client).await >= Some(ends)).then_some(()))
            })
            .await?;
            demo.kill().await?;
        }
        let mut demo = demo(world, free_port()?, &["--exit"])?;
        let status = demo.ended(EXIT_MAX).await?;
        let said = demo.said()?;
        ensure!(status.success(), "{status}\n{said}");
        ensure!(said.contains("A run before"), "{said}");
        Ok(())
    })
    .await
}

/// How many executions have ended, or `None` as long as there is no execution.
async fn ended(client: &Client) -> Option<usize> {
    let machines = client.call("ListStateMachines", &json!({})).await.ok()?;
    let mut all = Vec::new();
    for machine in machines["stateMachines"].as_array()? {
        let input = json!({ "stateMachineArn": machine["stateMachineArn"] });
        let listed = client.call("ListExecutions", &input).await.ok()?;
        all.extend(listed["executions"].as_array()?.clone());
    }
    let ended = all.iter().filter(|listed| listed["status"] != "RUNNING");
    (!all.is_empty()).then(|| ended.count())
}

async fn dev(world: &World, http: u16, amqp: u16) -> Result<Process> {
    let mut command = binary("sagamore")?;
    command.args(["dev", "--http", &format!("127.0.0.1:{http}")]);
    command.args(["--amqp", &format!("127.0.0.1:{amqp}"), "--data"]);
    command.arg(world.directory.join("dev"));
    let mut dev = Process::start("dev", command, &[], &world.directory)?;
    let client = Client {
        address: format!("127.0.0.1:{http}"),
    };
    until("sagamore dev to be ready", START_MAX, async || {
        dev.is_alive()?;
        let ready = client.get("/ready").await;
        Ok(ready.ok().filter(|answer| answer.status == 200).map(drop))
    })
    .await?;
    Ok(dev)
}

async fn loopback(port: u16) -> Result<Broker> {
    Broker::connect_to(&format!("amqp://guest:guest@127.0.0.1:{port}")).await
}

fn demo(world: &World, http: u16, arguments: &[&str]) -> Result<Process> {
    let mut command = binary("sagamore-demo")?;
    command.args(["--http", &format!("127.0.0.1:{http}"), "--data"]);
    command.arg(world.directory.join("demo")).args(arguments);
    Process::start("demo", command, &[], &world.directory)
}

const START_MAX: Duration = Duration::from_secs(60);
const END_MAX: Duration = Duration::from_secs(60);
const EXIT_MAX: Duration = Duration::from_secs(150);
