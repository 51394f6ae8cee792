//! Executions of EXPRESS machines: in memory, over in seconds, with nothing left of them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use sagamore_tests::live::{Client, Coordinator, in_world, until};
use serde_json::{Value, json};

use crate::machines::task;

#[tokio::test]
async fn a_client_waits_for_the_end_of_a_saga_that_asks_a_service() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let client = &coordinator.client;
        let queue = world.queue("score").await?;
        let score = json!({
            "Type": "Task",
            "Resource": format!("queue:{queue}"),
            "Retry": [{ "ErrorEquals": ["Busy"], "IntervalSeconds": 1 }],
            "Next": "Wait",
        });
        let wait = json!({ "Type": "Wait", "Seconds": 1, "Next": "Done" });
        let done = json!({ "Type": "Pass", "Parameters": { "score.$": "$.score", "id.$": "$$.Execution.Id" }, "End": true });
        let machine = json!({ "StartAt": "Score", "States": { "Score": score, "Wait": wait, "Done": done } });
        let machine = create(client, "score", &machine).await?;
        let (answer, ()) = tokio::try_join!(
            start_sync(client, &machine, json!({ "who": "ada" })),
            async {
                let first = world.broker.take(&queue).await?;
                let busy = br#"{"error": "Busy"}"#;
                world.broker.reply(&first, Some("failure"), busy).await?;
                let second = world.broker.take(&queue).await?;
                world.broker.reply(&second, None, br#"{"score": 7}"#).await
            }
        )?;
        assert_eq!(answer["status"], "SUCCEEDED", "{answer}");
        let output: Value = serde_json::from_str(answer["output"].as_str().unwrap_or_default())?;
        assert_eq!(output["score"], 7);
        assert_eq!(output["id"], answer["executionArn"]);
        let arn = answer["executionArn"].as_str().unwrap_or_default();
        assert!(arn.contains(":express:score:"), "{arn}");
        // Nothing of it is kept.
        for operation in ["DescribeExecution", "GetExecutionHistory", "StopExecution"] {
            let refused = client.try_call(operation, &json!({ "executionArn": arn })).await?;
            assert_eq!(refused.json()?["__type"], "InvalidArn", "{operation}");
        }
        let listed = json!({ "stateMachineArn": machine });
        let refused = client.try_call("ListExecutions", &listed).await?;
        assert_eq!(refused.json()?["__type"], "StateMachineTypeNotSupported");
        coordinator.stop().await
    })
    .await
}

#[tokio::test]
async fn what_fails_and_what_takes_too_long_is_told() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let client = &coordinator.client;
        let fail = json!({ "Type": "Fail", "Error": "No", "Cause": "not today" });
        let fail = create(
            client,
            "fail",
            &json!({ "StartAt": "F", "States": { "F": fail } }),
        )
        .await?;
        let answer = start_sync(client, &fail, json!({})).await?;
        assert_eq!(
            (&answer["status"], &answer["error"], &answer["cause"]),
            (&json!("FAILED"), &json!("No"), &json!("not today"))
        );
        let slow = json!({ "Type": "Wait", "Seconds": 60, "End": true });
        let slow = json!({ "TimeoutSeconds": 1, "StartAt": "W", "States": { "W": slow } });
        let slow = create(client, "slow", &slow).await?;
        let began = Instant::now();
        let answer = start_sync(client, &slow, json!({})).await?;
        assert_eq!(answer["status"], "TIMED_OUT", "{answer}");
        assert!(began.elapsed() >= Duration::from_secs(1));
        let pass = json!({ "Type": "Pass", "End": true });
        let standard = json!({ "StartAt": "P", "States": { "P": pass } });
        let standard = client.create("standard", &standard).await?;
        let request = json!({ "stateMachineArn": standard });
        let refused = client.try_call("StartSyncExecution", &request).await?;
        assert_eq!(refused.json()?["__type"], "StateMachineTypeNotSupported");
        coordinator.stop().await
    })
    .await
}

#[tokio::test]
async fn what_is_answered_too_late_is_let_go() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let client = &coordinator.client;
        let queue = world.queue("late").await?;
        let mut machine = task(&queue, json!({}));
        machine["TimeoutSeconds"] = json!(1);
        let machine = create(client, "late", &machine).await?;
        let answer = start_sync(client, &machine, json!({})).await?;
        assert_eq!(answer["status"], "TIMED_OUT", "{answer}");
        let asked = world.broker.take(&queue).await?;
        let own = asked.delivery.properties.reply_to().clone();
        let own = own.context("a task has a reply_to")?;
        world.broker.reply(&asked, None, b"{}").await?;
        until("the answer to be taken", END_MAX, async || {
            let left = world.broker.counts(own.as_str()).await?;
            Ok((left == Some((0, 1))).then_some(()))
        })
        .await?;
        let parked = world.broker.counts(&world.names.parked()).await?;
        assert_eq!(parked.map(|(messages, _)| messages), Some(0));
        coordinator.stop().await
    })
    .await
}

#[tokio::test]
async fn a_standard_execution_starts_one_and_goes_on() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let client = &coordinator.client;
        let queue = world.queue("told").await?;
        let tell = create(client, "tell", &task(&queue, json!({}))).await?;
        let start = json!({
            "Type": "Task",
            "Resource": "arn:aws:states:::states:startExecution",
            "Parameters": { "StateMachineArn": tell, "Input": { "n": 1 } },
            "End": true,
        });
        let machine = json!({ "StartAt": "Start", "States": { "Start": start } });
        let machine = client.create("parent", &machine).await?;
        let execution = client.start(&machine, &json!({})).await?;
        let ended = client.ended(&execution, END_MAX).await?;
        assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
        let output = ended["output"].as_str().unwrap_or_default();
        assert!(output.contains(":express:tell:"), "{output}");
        let told = world.broker.take(&queue).await?;
        assert_eq!(told.delivery.data, br#"{"n":1}"#);
        world.broker.reply(&told, None, b"{}").await?;
        coordinator.stop().await
    })
    .await
}

#[tokio::test]
async fn one_is_lost_with_its_coordinator_and_its_late_answer_harms_nobody() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let queue = world.queue("slow").await?;
        let machine = task(&queue, json!({}));
        let machine = create(&coordinator.client, "ask", &machine).await?;
        coordinator.client.start(&machine, &json!({})).await?;
        let asked = world.broker.take(&queue).await?;
        coordinator.process.kill().await?;
        let coordinator = Coordinator::start(world, &[]).await?;
        world.broker.reply(&asked, None, b"{}").await?;
        let answer = tokio::try_join!(
            start_sync(&coordinator.client, &machine, json!({})),
            async {
                let asked = world.broker.take(&queue).await?;
                world.broker.reply(&asked, None, b"7").await
            }
        );
        assert_eq!(answer?.0["output"], "7");
        until("an empty queue", END_MAX, async || {
            Ok(world.broker.take_now(&queue).await?.is_none().then_some(()))
        })
        .await?;
        coordinator.stop().await
    })
    .await
}

async fn create(client: &Client, name: &str, definition: &Value) -> Result<String> {
    let request = json!({
        "name": name,
        "definition": definition.to_string(),
        "roleArn": "arn:aws:iam::000000000000:role/any",
        "type": "EXPRESS",
    });
    let created = client.call("CreateStateMachine", &request).await?;
    Ok(created["stateMachineArn"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

async fn start_sync(client: &Client, machine: &str, input: Value) -> Result<Value> {
    let request = json!({ "stateMachineArn": machine, "input": input.to_string() });
    let answer = client.call("StartSyncExecution", &request).await?;
    ensure!(
        answer["billingDetails"]["billedDurationInMilliseconds"].is_u64(),
        "{answer}"
    );
    Ok(answer)
}

const END_MAX: Duration = Duration::from_secs(30);
