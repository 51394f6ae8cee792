//! Executions that start others: what they say to one another arrives, whatever happens to the coordinator in between.

use std::time::Duration;

use anyhow::{Context as _, Result};
use sagamore_tests::live::{Client, Coordinator, in_world, until};
use serde_json::{Value, json};

use crate::machines::{task, undoable};

#[tokio::test]
async fn a_map_of_children_gathers_their_outputs() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let client = &coordinator.client;
        let double = json!({ "Type": "Pass", "Parameters": { "doubled.$": "States.MathAdd($.n, $.n)" }, "End": true });
        client
            .create("double", &json!({ "StartAt": "Double", "States": { "Double": double } }))
            .await?;
        let each = json!({ "Type": "Task", "Resource": "saga:double", "End": true });
        let all = json!({ "Type": "Map", "ItemProcessor": { "StartAt": "Each", "States": { "Each": each } }, "End": true });
        let machine = json!({ "StartAt": "All", "States": { "All": all } });
        let machine = client.create("all", &machine).await?;
        let items: Vec<Value> = (0..1_500).map(|n| json!({ "n": n })).collect();
        let execution = client.start(&machine, &json!(items)).await?;
        let ended = client.ended(&execution, END_MAX).await?;
        assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
        let doubled: Vec<Value> = (0..1_500).map(|n| json!({ "doubled": n + n })).collect();
        assert_eq!(output(&ended)?, json!(doubled));
        coordinator.stop().await
    })
    .await
}

#[tokio::test]
async fn a_child_that_outlives_its_coordinator_answers_its_parent() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let queue = world.queue("ask").await?;
        let execution = nested(&coordinator.client, &task(&queue, json!({}))).await?;
        let asked = world.broker.take(&queue).await?;
        coordinator.process.kill().await?;
        world.broker.reply(&asked, None, br#"{"id": 7}"#).await?;
        let coordinator = Coordinator::start(world, &[]).await?;
        let ended = coordinator.client.ended(&execution, END_MAX).await?;
        assert_eq!(output(&ended)?, json!({ "id": 7 }));
        let types = types(&coordinator.client, &execution).await?;
        let expected = [
            "ExecutionStarted",
            "TaskStateEntered",
            "TaskScheduled",
            "TaskStarted",
            "TaskSubmitted",
            "TaskSucceeded",
            "TaskStateExited",
            "ExecutionSucceeded",
        ];
        assert_eq!(types, expected);
        coordinator.stop().await
    })
    .await
}

#[tokio::test]
async fn a_child_undoes_itself_when_its_parent_is_stopped() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let client = &coordinator.client;
        let (queue, undo, last) = (
            world.queue("do").await?,
            world.queue("undo").await?,
            world.queue("last").await?,
        );
        let mut child = undoable(&queue, &undo);
        child["States"]["Ask"]["Next"] = json!("Last");
        child["States"]["Ask"]
            .as_object_mut()
            .context("a state")?
            .remove("End");
        child["States"]["Last"] =
            json!({ "Type": "Task", "Resource": format!("queue:{last}"), "End": true });
        let execution = nested(client, &child).await?;
        let done = world.broker.take(&queue).await?;
        world.broker.reply(&done, None, b"{}").await?;
        world.broker.take(&last).await?;
        let stop = json!({ "executionArn": execution, "error": "Manual" });
        client.call("StopExecution", &stop).await?;
        let undone = world.broker.take(&undo).await?;
        world.broker.reply(&undone, None, b"{}").await?;
        let child = only_child(client).await?;
        let ended = client.ended(&child, END_MAX).await?;
        assert_eq!(ended["status"], "ABORTED", "{ended}");
        assert_eq!(ended["error"], "Sagamore.Cancelled", "{ended}");
        assert_eq!(ended["compensation"]["status"], "COMPENSATED", "{ended}");
        coordinator.stop().await
    })
    .await
}

#[tokio::test]
async fn an_execution_is_not_asked_to_undo_when_none_below_it_did_anything() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let client = &coordinator.client;
        let alone = json!({ "Type": "Succeed" });
        client
            .create(
                "grandchild",
                &json!({ "StartAt": "Alone", "States": { "Alone": alone } }),
            )
            .await?;
        let ask = json!({ "Type": "Task", "Resource": "saga:grandchild", "End": true });
        client
            .create(
                "child",
                &json!({ "StartAt": "Ask", "States": { "Ask": ask } }),
            )
            .await?;
        let ask = json!({ "Type": "Task", "Resource": "saga:child", "Next": "No" });
        let no = json!({ "Type": "Fail", "Error": "No" });
        let machine = json!({ "StartAt": "Ask", "States": { "Ask": ask, "No": no } });
        let machine = client.create("parent", &machine).await?;
        let execution = client.start(&machine, &json!({})).await?;
        let ended = client.ended(&execution, END_MAX).await?;
        assert_eq!(ended["error"], "No", "{ended}");
        assert_eq!(ended["compensation"]["status"], "NONE", "{ended}");
        let types = types(client, &execution).await?;
        let entered = types.iter().filter(|it| *it == "TaskStateEntered");
        assert_eq!(entered.count(), 1, "{types:?}");
        coordinator.stop().await
    })
    .await
}

#[tokio::test]
async fn a_distributed_map_runs_each_item_as_an_execution_and_undoes_what_they_did() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let client = &coordinator.client;
        let (queue, undo) = (world.queue("do").await?, world.queue("undo").await?);
        let mut processor = undoable(&queue, &undo);
        processor["ProcessorConfig"] =
            json!({ "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" });
        let all =
            json!({ "Type": "Map", "Label": "each", "ItemProcessor": processor, "Next": "No" });
        let no = json!({ "Type": "Fail", "Error": "No" });
        let machine = json!({ "StartAt": "All", "States": { "All": all, "No": no } });
        let machine = client.create("all", &machine).await?;
        let execution = client
            .start(&machine, &json!([{ "n": 1 }, { "n": 2 }, { "n": 3 }]))
            .await?;
        let mut asked = Vec::new();
        for _ in 0..3 {
            asked.push(world.broker.take(&queue).await?);
        }
        coordinator.process.kill().await?;
        for step in &asked {
            world.broker.reply(step, None, b"{}").await?;
        }
        let coordinator = Coordinator::start(world, &[]).await?;
        for _ in 0..3 {
            let undone = world.broker.take(&undo).await?;
            world.broker.reply(&undone, None, b"{}").await?;
        }
        let ended = coordinator.client.ended(&execution, END_MAX).await?;
        assert_eq!(ended["error"], "No", "{ended}");
        assert_eq!(ended["compensation"]["status"], "COMPENSATED", "{ended}");
        let types = types(&coordinator.client, &execution).await?;
        let expected = [
            "ExecutionStarted",
            "MapStateEntered",
            "MapStateStarted",
            "MapRunStarted",
            "MapRunSucceeded",
            "MapStateSucceeded",
            "MapStateExited",
            "FailStateEntered",
            "ExecutionFailed",
        ];
        assert_eq!(types, expected);
        coordinator.stop().await
    })
    .await
}

#[tokio::test]
async fn a_machine_that_is_not_there_fails_the_task() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let client = &coordinator.client;
        let ask = json!({ "Type": "Task", "Resource": "saga:nobody", "End": true });
        let machine = json!({ "StartAt": "Ask", "States": { "Ask": ask } });
        let machine = client.create("parent", &machine).await?;
        let execution = client.start(&machine, &json!({})).await?;
        let ended = client.ended(&execution, END_MAX).await?;
        assert_eq!(
            ended["error"],
            "StepFunctions.StateMachineDoesNotExistException"
        );
        let cause = ended["cause"].as_str().unwrap_or_default();
        assert!(cause.contains("stateMachine:nobody'"), "{cause}");
        coordinator.stop().await
    })
    .await
}

#[tokio::test]
async fn a_machine_that_waits_for_itself_ends() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let client = &coordinator.client;
        let ask = json!({ "Type": "Task", "Resource": "saga:mirror", "End": true });
        let machine = json!({ "StartAt": "Ask", "States": { "Ask": ask } });
        let machine = client.create("mirror", &machine).await?;
        let execution = client.start(&machine, &json!({})).await?;
        let ended = client.ended(&execution, END_MAX).await?;
        assert_eq!(ended["error"], "Sagamore.NestingLimitExceeded", "{ended}");
        coordinator.stop().await
    })
    .await
}

/// Starts an execution of a machine that waits for one of this machine.
async fn nested(client: &Client, child: &Value) -> Result<String> {
    client.create("child", child).await?;
    let ask = json!({ "Type": "Task", "Resource": "saga:child", "End": true });
    let machine = json!({ "StartAt": "Ask", "States": { "Ask": ask } });
    let machine = client.create("parent", &machine).await?;
    client.start(&machine, &json!({})).await
}

/// The one execution of the machine `child`.
async fn only_child(client: &Client) -> Result<String> {
    until("a child", END_MAX, async || {
        let machines = client.call("ListStateMachines", &json!({})).await?;
        let machines = machines["stateMachines"].as_array().cloned();
        let child = machines
            .into_iter()
            .flatten()
            .find(|it| it["name"] == "child");
        let child = child.context("the machine is there")?;
        let listed = json!({ "stateMachineArn": child["stateMachineArn"] });
        let listed = client.call("ListExecutions", &listed).await?;
        let arn = listed["executions"][0]["executionArn"].as_str();
        Ok(arn.map(str::to_owned))
    })
    .await
}

async fn types(client: &Client, execution: &str) -> Result<Vec<String>> {
    let events = client.history(execution).await?;
    let types = events.iter().filter_map(|event| event["type"].as_str());
    Ok(types.map(str::to_owned).collect())
}

fn output(ended: &Value) -> Result<Value> {
    let output = ended["output"].as_str();
    let output = output.with_context(|| format!("it has no output: {ended}"))?;
    Ok(serde_json::from_str(output)?)
}

const END_MAX: Duration = Duration::from_secs(60);
