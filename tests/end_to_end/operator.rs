//! `sagamore incidents` and `sagamore rollback`: an undo that failed, decided on from a command line.

use std::process::Output;
use std::time::Duration;

use anyhow::{Result, ensure};
use sagamore_interpreter::limits::{PAYLOAD_BYTES_MAX, VALUE_DEPTH_MAX};
use sagamore_tests::live::{Client, Coordinator, World, binary, in_world, until, within};
use serde_json::{Value, json};

#[tokio::test]
async fn an_operator_decides_from_the_command_line() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let client = &coordinator.client;
        let (step, undo) = (world.queue("step").await?, world.queue("undo").await?);
        let machine = client.create("operated", &saga(&step, &undo)).await?;
        assert_eq!(
            told(client, &["incidents"]).await?,
            "No incident is open.\n"
        );

        // Stopped by the command, its undo fails, and is sent with other arguments.
        let first = suspended(world, client, &machine, (&step, &undo)).await?;
        let list = told(client, &["incidents", "list"]).await?;
        let id = list
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned();
        let lines: Vec<&str> = list.lines().map(str::trim).collect();
        ensure!(
            lines[0].contains("undo of Step failed  operated:"),
            "{list}"
        );
        assert_eq!(
            lines[1..],
            ["Undo.No: for a reason", "retry | skip | resolve | abandon"]
        );
        let metrics = client.get("/metrics").await?.body;
        ensure!(metrics.contains("sagamore_incidents_open 1\n"), "{metrics}");
        check_arguments(client).await?;
        let arguments = r#"{"by":"hand"}"#;
        let retried = told(
            client,
            &["incidents", "retry", &id, "--arguments", arguments],
        )
        .await?;
        assert_eq!(retried, format!("{id} retrying: undo of Step failed\n"));
        let again = world.broker.take(&undo).await?;
        assert_eq!(again.delivery.data, arguments.as_bytes());
        world.broker.reply(&again, None, b"{}").await?;
        assert_eq!(compensation(client, &first).await?, "COMPENSATED");
        check_ledger(client, &first).await?;

        // Each other act, and what the saga comes to.
        for (act, ends) in [
            ("skip", "INCOMPLETE"),
            ("resolve", "COMPENSATED"),
            ("abandon", "ABANDONED"),
        ] {
            let execution = suspended(world, client, &machine, (&step, &undo)).await?;
            let list = told(client, &["incidents"]).await?;
            let id = list.split_whitespace().next().unwrap_or_default();
            let refused = run(client, &["incidents", act, id]).await?;
            assert_eq!(
                String::from_utf8_lossy(&refused.stderr),
                format!("sagamore: 'reason' is required to {act}: it is kept in the history\n")
            );
            told(client, &["incidents", act, id, "--reason", "looked"]).await?;
            assert_eq!(compensation(client, &execution).await?, ends);
            let late = run(client, &["incidents", "retry", id]).await?;
            assert_eq!(
                String::from_utf8_lossy(&late.stderr),
                format!("sagamore: no incident {id} is open: sagamore incidents lists them\n")
            );
        }
        coordinator.stop().await
    })
    .await
}

/// What could not be stored or read again is not sent by an undo.
async fn check_arguments(client: &Client) -> Result<()> {
    let incidents = client.get("/sagamore/v1/incidents").await?.json()?;
    let first = &incidents["incidents"][0];
    let (execution, incident) = (first["execution"].as_str(), &first["incident"]);
    let execution = execution.unwrap_or_default();
    let retry = format!("/sagamore/v1/incidents/{execution}/{incident}/retry");
    let deep = (0..=VALUE_DEPTH_MAX).fold(json!(7), |inner, _| json!([inner]));
    let large = json!("x".repeat(PAYLOAD_BYTES_MAX.default));
    for arguments in [deep, large] {
        let body = json!({ "arguments": arguments });
        let refused = client.post(&retry, &body).await?;
        assert_eq!(refused.status, 400, "{}", refused.body);
        ensure!(refused.body.contains("'arguments'"), "{}", refused.body);
    }
    Ok(())
}

/// What is printed of the ledger of an execution whose one step was undone.
async fn check_ledger(client: &Client, execution: &str) -> Result<()> {
    let ledger = told(client, &["ledger", execution]).await?;
    let name = execution.rsplit(':').next().unwrap_or_default();
    let lines: Vec<&str> = ledger.lines().collect();
    let head = format!("operated:{name}  ABORTED, COMPENSATED");
    let line = "  Step  Compensated  committed, undone as number 1";
    assert_eq!(lines, [head.as_str(), line]);
    Ok(())
}

/// What became of replies that changed nothing.
#[tokio::test]
async fn replies_that_change_nothing_are_kept() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let client = &coordinator.client;
        let (step, late) = (world.queue("step").await?, world.queue("late").await?);
        let machine = json!({
            "StartAt": "Step",
            "States": {
                "Step": { "Type": "Task", "Resource": format!("queue:{step}"), "Next": "Late" },
                "Late": {
                    "Type": "Task",
                    "Resource": format!("queue:{late}"),
                    "TimeoutSeconds": 1,
                    "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Done" }],
                    "End": true,
                },
                "Done": { "Type": "Succeed" },
            },
        });
        let machine = client.create("replied", &machine).await?;
        let execution = client.start(&machine, &json!({})).await?;
        let asked = world.broker.take(&step).await?;
        world.broker.reply(&asked, None, b"{}").await?;
        world.broker.reply(&asked, None, b"{}").await?;
        let asked = world.broker.take(&late).await?;
        client.ended(&execution, END_MAX).await?;
        let failure = br#"{"error": "Too\u0000Late"}"#;
        world.broker.reply(&asked, Some("failure"), failure).await?;
        let path = format!("/sagamore/v1/executions/{execution}/replies");
        let replies = until("both replies in the log", END_MAX, async || {
            let replies = client.get(&path).await?.json()?["replies"].take();
            Ok((replies.as_array().map(Vec::len) == Some(2)).then_some(replies))
        })
        .await?;
        let shown = |which: usize, members: [&str; 4]| members.map(|it| replies[which][it].clone());
        let members = ["state", "kind", "class", "error"];
        assert_eq!(
            json!(shown(0, members)),
            json!(["Step", "success", "duplicate", null])
        );
        assert_eq!(
            json!(shown(1, members)),
            json!(["Late", "failure", "closed", "Too\u{fffd}Late"])
        );
        let because = replies[1]["because"].as_str().unwrap_or_default();
        ensure!(because.starts_with("it timed out at "), "{because}");
        let nobody = client.get("/sagamore/v1/executions/nobody/replies").await?;
        assert_eq!(nobody.status, 404);
        coordinator.stop().await
    })
    .await
}

/// A step whose undo is tried once; a stop leaves what was done, a rollback does not.
fn saga(step: &str, undo: &str) -> Value {
    json!({
        "StartAt": "Step",
        "CompensationPolicy": { "OnStop": "Abandon" },
        "States": {
            "Step": {
                "Type": "Task",
                "Resource": format!("queue:{step}"),
                "Compensate": { "Resource": format!("queue:{undo}"), "Retry": [] },
                "Next": "Pause",
            },
            "Pause": { "Type": "Wait", "Seconds": 3600, "End": true },
        },
    })
}

/// An execution that was rolled back by the command, whose undo failed.
async fn suspended(
    world: &World,
    client: &Client,
    machine: &str,
    (step, undo): (&str, &str),
) -> Result<String> {
    let execution = client.start(machine, &json!({})).await?;
    let asked = world.broker.take(step).await?;
    world.broker.reply(&asked, None, b"{}").await?;
    let name = execution.rsplit(':').next().unwrap_or_default();
    let named = format!("operated:{name}");
    until("the pause", END_MAX, async || {
        let described = client.describe(&execution).await?;
        let told = run(client, &["rollback", &named, "--error", "Enough"]).await?;
        let is_undone = told.status.success() && described["status"] == "RUNNING";
        Ok(is_undone.then_some(()))
    })
    .await?;
    let asked = world.broker.take(undo).await?;
    let failure = br#"{"error": "Undo.No", "cause": "for a reason"}"#;
    world.broker.reply(&asked, Some("failure"), failure).await?;
    until("the incident", END_MAX, async || {
        let list = told(client, &["incidents"]).await?;
        Ok(list.contains(&named).then_some(()))
    })
    .await?;
    Ok(execution)
}

async fn compensation(client: &Client, execution: &str) -> Result<String> {
    let ended = client.ended(execution, END_MAX).await?;
    ensure!(ended["status"] == "ABORTED", "{ended}");
    let status = ended["compensation"]["status"].as_str();
    Ok(status.unwrap_or_default().to_owned())
}

async fn told(client: &Client, arguments: &[&str]) -> Result<String> {
    let output = run(client, arguments).await?;
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

async fn run(client: &Client, arguments: &[&str]) -> Result<Output> {
    let mut command = binary("sagamore")?;
    command
        .args(arguments)
        .args(["--url", &format!("http://{}", client.address)]);
    Ok(within("the end of the command", END_MAX, command.output()).await??)
}

const END_MAX: Duration = Duration::from_secs(30);
