//! `sagamore watch`: an execution followed to its end, by a process that has no terminal.

use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use sagamore_tests::live::{Client, Coordinator, binary, in_world, within};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::machines::task;

#[tokio::test]
async fn an_execution_is_followed_to_its_end() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let client = &coordinator.client;
        let queue = world.queue("ask").await?;
        let machine = client.create("asking", &task(&queue, json!({}))).await?;
        let execution = client.start(&machine, &json!({})).await?;
        let mut watching = watch(client, &execution)?.spawn()?;
        let stdout = watching.stdout.take().context("what it prints")?;
        let mut printed = BufReader::new(stdout).lines();
        let first = within("its first line", END_MAX, printed.next_line()).await??;
        let name = execution.rsplit(':').next().unwrap_or_default();
        assert_eq!(first, Some(format!("asking:{name} RUNNING")));
        let asked = world.broker.take(&queue).await?;
        world.broker.reply(&asked, None, br#"{"id": 7}"#).await?;
        let mut lines = Vec::new();
        while let Some(line) = within("its next line", END_MAX, printed.next_line()).await?? {
            lines.push(line);
        }
        assert!(watching.wait().await?.success(), "{lines:?}");
        let end = ["  ✓ Ask".to_owned(), "output {\"id\":7}".to_owned()];
        assert!(lines.ends_with(&end), "{lines:?}");

        // One that is named by its machine and its name, and failed.
        let failing = client.start(&machine, &json!({})).await?;
        let asked = world.broker.take(&queue).await?;
        let failure = br#"{"error": "Boom", "cause": "for a reason"}"#;
        world.broker.reply(&asked, Some("failure"), failure).await?;
        client.ended(&failing, END_MAX).await?;
        let named = failing.rsplit(':').next().unwrap_or_default();
        let watching = watch(client, &format!("asking:{named}"))?.output();
        let told = within("the end of the watch", END_MAX, watching).await??;
        assert_eq!(told.status.code(), Some(1), "{told:?}");
        let expected = [
            format!("asking:{named} FAILED"),
            "  ✗ Ask  Boom".to_owned(),
            "Boom: for a reason".to_owned(),
        ];
        assert_eq!(lines_of(&told), expected);
        coordinator.stop().await
    })
    .await
}

#[tokio::test]
async fn what_cannot_be_watched_is_told() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let client = &coordinator.client;
        for (execution, expected) in [
            (
                "nothing",
                "\"nothing\" is neither the ARN of an execution nor MACHINE:NAME",
            ),
            (
                "nobody:first",
                "there is no machine \"nobody\"; its executions are named MACHINE:NAME",
            ),
            (
                "arn:aws:states:a:b:execution:c:d",
                "Execution Does Not Exist: 'arn:aws:states:a:b:execution:c:d'",
            ),
        ] {
            let told = watch(client, execution)?.output().await?;
            assert_eq!(told.status.code(), Some(1), "{told:?}");
            let error = String::from_utf8_lossy(&told.stderr).into_owned();
            assert_eq!(error, format!("sagamore: {expected}\n"));
        }
        coordinator.stop().await
    })
    .await
}

fn watch(client: &Client, execution: &str) -> Result<Command> {
    let mut command = binary("sagamore")?;
    let url = format!("http://{}", client.address);
    command.args(["watch", execution, "--url", &url]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

fn lines_of(told: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    text.lines().map(str::to_owned).collect()
}

const END_MAX: Duration = Duration::from_secs(30);
