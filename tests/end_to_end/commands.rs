//! Commands over AMQP: answered where the client wants it, and twice the same.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lapin::message::BasicGetMessage;
use sagamore_tests::live::{Coordinator, World, in_world, properties};
use serde_json::{Value, json};

use crate::machines::undoable;

#[tokio::test]
async fn a_saga_is_started_and_stopped_by_messages() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let client = &coordinator.client;
        let (queue, undo) = (world.queue("ask").await?, world.queue("undo").await?);
        client.create("asking", &undoable(&queue, &undo)).await?;
        let asker = Asker {
            world,
            answers: world.queue("answers").await?,
        };

        let (execution, task) = asker.starts(&queue).await?;
        asker.stops(&execution).await?;
        // Whoever was asked may have done it: it answers, and is undone.
        world.broker.reply(&task, None, b"\"done\"").await?;
        let undo = world.broker.take(&undo).await?;
        let entry: Value = serde_json::from_slice(&undo.delivery.data)?;
        assert_eq!(
            (&entry["Outcome"], &entry["Result"]),
            (&json!("Committed"), &json!("done"))
        );
        world.broker.reply(&undo, None, b"{}").await?;
        let ended = client.ended(&execution, END_MAX).await?;
        let said = (
            &ended["status"],
            &ended["error"],
            &ended["compensation"]["status"],
        );
        assert_eq!(
            said,
            (
                &json!("ABORTED"),
                &json!("Customer.Left"),
                &json!("COMPENSATED")
            )
        );
        coordinator.stop().await
    })
    .await
}

/// A client that speaks AMQP.
struct Asker<'a> {
    world: &'a World,
    answers: String,
}

impl Asker<'_> {
    /// Starts a saga; returns its execution, and the first task message.
    async fn starts(&self, queue: &str) -> Result<(String, BasicGetMessage)> {
        let start = json!({ "stateMachineArn": "asking", "input": "{\"a\":1}" });
        let (kind, started) = self.ask("StartExecution", "order-17", &start).await?;
        assert_eq!(kind, "success", "{started}");
        let execution = started["executionArn"]
            .as_str()
            .context("an ARN")?
            .to_owned();
        // A start without a name takes it from its message.
        assert!(execution.ends_with(":asking:order-17"), "{execution}");
        let task = self.world.broker.take(queue).await?;
        assert_eq!(task.delivery.data, b"{\"a\":1}");

        // The same message again gets the first answer, whatever it asks by now.
        let other = json!({ "stateMachineArn": "asking", "input": "{\"a\":2}" });
        for again in [&start, &other] {
            assert_eq!(
                self.ask("StartExecution", "order-17", again).await?,
                (kind.clone(), started.clone())
            );
        }
        assert!(
            self.world.broker.take_now(queue).await?.is_none(),
            "no second task for the same message"
        );
        // Another message that takes the same name is refused.
        let taken =
            json!({ "stateMachineArn": "asking", "name": "order-17", "input": "{\"a\":2}" });
        let (kind, refused) = self.ask("StartExecution", "order-18", &taken).await?;
        assert_eq!(
            (kind.as_str(), &refused["error"]),
            ("failure", &json!("ExecutionAlreadyExists"))
        );
        assert_eq!(
            self.ask("StartExecution", "order-18", &taken).await?,
            (kind, refused)
        );
        Ok((execution, task))
    }

    /// Stops it, twice by the same message.
    async fn stops(&self, execution: &str) -> Result<()> {
        let stop =
            json!({ "executionArn": execution, "error": "Customer.Left", "cause": "by phone" });
        let (kind, stopped) = self.ask("StopExecution", "stop-17", &stop).await?;
        assert_eq!(kind, "success", "{stopped}");
        assert_eq!(
            self.ask("StopExecution", "stop-17", &stop).await?,
            (kind, stopped)
        );
        Ok(())
    }

    /// Sends a command and returns the answer's type and body.
    async fn ask(&self, kind: &str, message_id: &str, body: &Value) -> Result<(String, Value)> {
        let broker = &self.world.broker;
        let command = properties()
            .with_type(kind.into())
            .with_message_id(message_id.into())
            .with_correlation_id("mine".into())
            .with_reply_to(self.answers.as_str().into());
        let commands = self.world.names.commands();
        broker
            .publish(&commands, command, body.to_string().as_bytes())
            .await?;
        let answer = broker.take(&self.answers).await?.delivery;
        let correlation = answer.properties.correlation_id().clone();
        assert_eq!(correlation.as_ref().map(|id| id.as_str()), Some("mine"));
        let kind = answer
            .properties
            .kind()
            .clone()
            .context("an answer has a type")?;
        Ok((kind.to_string(), serde_json::from_slice(&answer.data)?))
    }
}

const END_MAX: Duration = Duration::from_secs(30);
