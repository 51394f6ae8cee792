//! Bad input over AMQP: each ends as the message contract says, is parked where it says so, and the others go on.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lapin::message::BasicGetMessage;
use lapin::types::AMQPValue;
use sagamore_messages::TokenKey;
use sagamore_tests::live::{Client, Coordinator, World, in_world, properties, until};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::machines::{task, undoable};

#[tokio::test]
async fn a_reply_that_is_not_json_fails_its_task_and_is_parked() -> Result<()> {
    with_asked(async |asked| {
        asked
            .world
            .broker
            .reply(&asked.task, None, b"{\"half\":")
            .await?;
        let parked = asked.parked().await?;
        assert_eq!(parked.delivery.data, b"{\"half\":");
        ensure!(
            reason(&parked)?.contains("not JSON"),
            "{}",
            reason(&parked)?
        );
        asked.fails_undone("Sagamore.InvalidReply").await
    })
    .await
}

#[tokio::test]
async fn a_reply_that_is_too_large_fails_its_task_and_is_parked() -> Result<()> {
    with_asked(async |asked| {
        let body = format!("\"{}\"", "x".repeat(LARGE_BYTES));
        asked
            .world
            .broker
            .reply(&asked.task, None, body.as_bytes())
            .await?;
        let parked = asked.parked().await?;
        assert_eq!(parked.delivery.data.len(), body.len());
        asked.fails_undone("States.DataLimitExceeded").await
    })
    .await
}

#[tokio::test]
async fn a_reply_with_a_forged_token_is_only_parked() -> Result<()> {
    with_asked(async |asked| {
        let forged = TokenKey::new(b"another key").seal(Uuid::now_v7(), 3);
        let reply = properties().with_correlation_id(forged.as_str().into());
        let replies = asked.world.names.replies();
        asked.world.broker.publish(&replies, reply, b"{}").await?;
        let parked = asked.parked().await?;
        ensure!(
            reason(&parked)?.contains("no token"),
            "{}",
            reason(&parked)?
        );
        asked.succeeds(b"{\"told\":\"by its own service\"}").await
    })
    .await
}

#[tokio::test]
async fn a_reply_to_an_unknown_task_is_only_parked() -> Result<()> {
    with_asked(async |asked| {
        let secret = "SELECT value FROM settings WHERE name = 'token_secret'";
        let secret: Vec<u8> = sqlx::query_scalar(secret)
            .fetch_one(&asked.world.database.pool)
            .await?;
        let key = TokenKey::new(&secret);
        let token = asked
            .task
            .delivery
            .properties
            .correlation_id()
            .clone()
            .context("a token")?;
        let token = sagamore_messages::Token::new(token.to_string());
        let (execution, task) = key.open(token.as_str()).context("our own token opens")?;
        // A task the execution never had, then an execution that never was.
        for (execution, task) in [(execution, task + 1_000), (Uuid::now_v7(), task)] {
            let token = key.seal(execution, task);
            let reply = properties().with_correlation_id(token.as_str().into());
            asked
                .world
                .broker
                .publish(&asked.world.names.replies(), reply, b"{}")
                .await?;
            let parked = asked.parked().await?;
            ensure!(
                reason(&parked)?.contains("names no"),
                "{}",
                reason(&parked)?
            );
        }
        asked.succeeds(b"7").await
    })
    .await
}

#[tokio::test]
async fn a_nul_character_travels_like_any_other() -> Result<()> {
    with_asked(async |asked| {
        asked
            .succeeds(b"{\"nul\":\"a\\u0000b\",\"a\\u0000b\":\"\"}")
            .await
    })
    .await
}

#[tokio::test]
async fn a_command_without_a_message_id_is_refused_and_parked() -> Result<()> {
    with_asked(async |asked| {
        let world = asked.world;
        let answers = world.queue("answers").await?;
        let command = properties()
            .with_type("StartExecution".into())
            .with_reply_to(answers.as_str().into());
        world
            .broker
            .publish(
                &world.names.commands(),
                command,
                b"{\"stateMachineArn\":\"asking\"}",
            )
            .await?;
        let parked = asked.parked().await?;
        ensure!(
            reason(&parked)?.contains("message_id"),
            "{}",
            reason(&parked)?
        );
        let answer = world.broker.take(&answers).await?;
        assert_eq!(
            answer
                .delivery
                .properties
                .kind()
                .as_ref()
                .map(|kind| kind.as_str()),
            Some("failure")
        );
        let answer: Value = serde_json::from_slice(&answer.delivery.data)?;
        assert_eq!(answer["error"], "Sagamore.InvalidCommand");
        asked.succeeds(b"null").await
    })
    .await
}

#[tokio::test]
async fn a_task_that_nobody_consumes_is_unroutable() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[("SAGAMORE_UNROUTABLE_GRACE", "0")]).await?;
        let client = &coordinator.client;
        let (nowhere, undo) = (
            format!("{}.nowhere", world.names.prefix()),
            world.queue("undo").await?,
        );
        let machine = client.create("nowhere", &undoable(&nowhere, &undo)).await?;
        let caught = task(
            &nowhere,
            json!({
                "Catch": [{ "ErrorEquals": ["Sagamore.Unroutable"], "Next": "Caught" }]
            }),
        );
        let mut caught = caught;
        caught["States"]["Caught"] = json!({ "Type": "Succeed" });
        let catching = client.create("catching", &caught).await?;
        let execution = client.start(&machine, &json!({})).await?;
        let ended = client.ended(&execution, END_MAX).await?;
        assert_eq!(
            (&ended["status"], &ended["error"]),
            (&json!("FAILED"), &json!("Sagamore.Unroutable"))
        );
        // It never left, so there is nothing to undo.
        assert_eq!(ended["compensation"]["status"], "NONE");
        let execution = client.start(&catching, &json!({})).await?;
        let ended = client.ended(&execution, END_MAX).await?;
        assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
        coordinator.stop().await
    })
    .await
}

/// An execution whose service, this test, was asked and has not answered.
struct Asked<'a> {
    world: &'a World,
    client: &'a Client,
    execution: String,
    machine: String,
    queue: String,
    undo: String,
    task: BasicGetMessage,
}

/// Runs a test with an execution that waits for its service.
async fn with_asked(test: impl AsyncFnOnce(&Asked) -> Result<()>) -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let client = &coordinator.client;
        let (queue, undo) = (world.queue("ask").await?, world.queue("undo").await?);
        let machine = client.create("asking", &undoable(&queue, &undo)).await?;
        let execution = client.start(&machine, &json!({ "question": 6 })).await?;
        let task = world.broker.take(&queue).await?;
        let asked = Asked {
            world,
            client,
            execution,
            machine,
            queue,
            undo,
            task,
        };
        test(&asked).await?;
        asked.another_goes_on().await?;
        let left = world.broker.counts(&world.names.parked()).await?;
        assert_eq!(
            left.map(|(messages, _)| messages),
            Some(0),
            "more was parked than should be"
        );
        coordinator.stop().await
    })
    .await
}

impl Asked<'_> {
    /// The next message that was parked.
    async fn parked(&self) -> Result<BasicGetMessage> {
        self.world.broker.take(&self.world.names.parked()).await
    }

    /// The execution succeeds with a reply of its service.
    async fn succeeds(&self, reply: &[u8]) -> Result<()> {
        self.world.broker.reply(&self.task, None, reply).await?;
        let ended = self.client.ended(&self.execution, END_MAX).await?;
        assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
        let output: Value = serde_json::from_str(ended["output"].as_str().unwrap_or_default())?;
        assert_eq!(output, serde_json::from_slice::<Value>(reply)?);
        Ok(())
    }

    /// The execution fails, and as nobody knows whether the step was done, it is undone.
    async fn fails_undone(&self, error: &str) -> Result<()> {
        let undo = self.world.broker.take(&self.undo).await?;
        let kind = undo.delivery.properties.kind().clone();
        assert_eq!(
            kind.as_ref().map(|kind| kind.as_str()),
            Some("compensation")
        );
        let entry: Value = serde_json::from_slice(&undo.delivery.data)?;
        assert_eq!(
            (&entry["Outcome"], &entry["Error"]),
            (&json!("Unknown"), &json!(error)),
            "{entry}"
        );
        self.world.broker.reply(&undo, None, b"{}").await?;
        let ended = self.client.ended(&self.execution, END_MAX).await?;
        let compensation = &ended["compensation"]["status"];
        let said = (&ended["status"], &ended["error"], compensation);
        assert_eq!(
            said,
            (&json!("FAILED"), &json!(error), &json!("COMPENSATED"))
        );
        Ok(())
    }

    /// Another execution is not held up by what became of this one.
    async fn another_goes_on(&self) -> Result<()> {
        let execution = self.client.start(&self.machine, &json!({})).await?;
        let task = self.world.broker.take(&self.queue).await?;
        self.world
            .broker
            .reply(&task, Some("success"), b"\"yes\"")
            .await?;
        let ended = self.client.ended(&execution, END_MAX).await?;
        assert_eq!(ended["output"], "\"yes\"");
        let what = "the replies to be acknowledged";
        until(what, END_MAX, async || {
            let replies = self
                .world
                .broker
                .counts(&self.world.names.replies())
                .await?;
            Ok(replies.filter(|(messages, _)| *messages == 0).map(drop))
        })
        .await
    }
}

/// Why a message was parked.
fn reason(parked: &BasicGetMessage) -> Result<String> {
    let headers = parked.delivery.properties.headers().as_ref();
    let reason = headers.and_then(|headers| headers.inner().get("sagamore-reason"));
    match reason {
        Some(AMQPValue::LongString(reason)) => Ok(reason.to_string()),
        other => anyhow::bail!("a parked message has a reason, not {other:?}"),
    }
}

const LARGE_BYTES: usize = 50 * 1024 * 1024;
const END_MAX: Duration = Duration::from_secs(30);
