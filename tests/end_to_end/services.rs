//! What Step Functions calls its own services for goes to queues and exchanges of their names.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions};
use lapin::types::FieldTable;
use lapin::{ExchangeKind, message::BasicGetMessage};
use sagamore_tests::live::{Coordinator, World, in_world};
use serde_json::{Value, json};

#[tokio::test]
async fn a_function_is_a_worker_behind_the_queue_of_its_name() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let queue = world.queue("score").await?;
        let arn = format!("arn:aws:lambda:us-east-1:123456789012:function:{queue}");
        let execution = start(&coordinator, &json!({ "Resource": arn })).await?;
        let asked = world.broker.take(&queue).await?;
        assert_eq!(asked.delivery.data, br#"{"n":1}"#);
        world.broker.reply(&asked, None, b"2").await?;
        let ended = coordinator.client.ended(&execution, END_MAX).await?;
        assert_eq!(ended["output"], "2", "{ended}");
        let events = coordinator.client.history(&execution).await?;
        let types: Vec<&str> = events[2..5]
            .iter()
            .filter_map(|it| it["type"].as_str())
            .collect();
        let expected = [
            "LambdaFunctionScheduled",
            "LambdaFunctionStarted",
            "LambdaFunctionSucceeded",
        ];
        assert_eq!(types, expected);
        assert_eq!(
            events[2]["lambdaFunctionScheduledEventDetails"],
            json!({ "input": "{\"n\":1}", "inputDetails": { "truncated": false }, "resource": arn })
        );
        coordinator.stop().await
    })
    .await
}

#[tokio::test]
async fn a_message_to_a_queue_is_answered_by_the_holder_of_its_token() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let client = &coordinator.client;
        let queue = world.queue("orders").await?;
        let send = json!({
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {
                "QueueUrl": format!("https://sqs.us-east-1.amazonaws.com/123456789012/{queue}"),
                "MessageBody": { "token.$": "$$.Task.Token" },
            },
        });
        let execution = start(&coordinator, &send).await?;
        let body = json_of(&world.broker.take(&queue).await?)?;
        let success = json!({ "taskToken": body["token"], "output": "{\"done\":true}" });
        client.call("SendTaskSuccess", &success).await?;
        let ended = client.ended(&execution, END_MAX).await?;
        assert_eq!(ended["output"], "{\"done\":true}", "{ended}");
        coordinator.stop().await
    })
    .await
}

#[tokio::test]
async fn a_text_for_a_queue_stays_a_text() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let queue = world.queue("orders").await?;
        let send = json!({
            "Resource": "arn:aws:states:::sqs:sendMessage",
            "Parameters": { "QueueUrl": queue, "MessageBody": "hello" },
        });
        let execution = start(&coordinator, &send).await?;
        let ended = coordinator.client.ended(&execution, END_MAX).await?;
        let output: Value = serde_json::from_str(ended["output"].as_str().context("an output")?)?;
        // Of `hello`, as `md5sum` has it.
        assert_eq!(
            output["MD5OfMessageBody"],
            "5d41402abc4b2a76b9719d911017c592"
        );
        let message = world.broker.take(&queue).await?;
        assert_eq!(message.delivery.data, b"hello");
        let content_type = message.delivery.properties.content_type().as_ref();
        assert_eq!(
            content_type.map(lapin::types::ShortString::as_str),
            Some("text/plain")
        );
        coordinator.stop().await
    })
    .await
}

#[tokio::test]
async fn a_topic_and_the_event_bus_are_exchanges() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let topic = format!("{}.news", world.names.prefix());
        let (kind, options) = (ExchangeKind::Topic, ExchangeDeclareOptions::default());
        let channel = world.broker.connection.create_channel().await?;
        channel
            .exchange_declare(topic.as_str().into(), kind, options, FieldTable::default())
            .await?;
        let (news, events) = (world.queue("news").await?, world.queue("events").await?);
        bind(world, &news, &topic, "loan.*").await?;
        bind(world, &events, &world.names.events(), "event.loans.#").await?;

        let publish = json!({
            "Resource": "arn:aws:states:::sns:publish",
            "Parameters": {
                "TopicArn": format!("arn:aws:sns:us-east-1:123456789012:{topic}"),
                "Subject": "loan.approved",
                "Message": { "id": 1 },
            },
        });
        let published = start(&coordinator, &publish).await?;
        let put = json!({
            "Resource": "arn:aws:states:::events:putEvents",
            "Parameters": { "Entries": [
                { "Source": "loans", "DetailType": "approved", "Detail": { "id": 2 } },
                { "Source": "loans", "DetailType": "paid", "Detail": "{\"id\": 3}" },
            ] },
        });
        let put = start(&coordinator, &put).await?;
        for execution in [&published, &put] {
            let ended = coordinator.client.ended(execution, END_MAX).await?;
            assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
        }
        assert_eq!(
            json_of(&world.broker.take(&news).await?)?,
            json!({ "id": 1 })
        );
        let mut told = Vec::new();
        for _ in 0..2 {
            let event = json_of(&world.broker.take(&events).await?)?;
            assert_eq!(event["specversion"], "1.0", "{event}");
            assert_eq!(event["executionarn"], put.as_str(), "{event}");
            told.push((event["type"].to_string(), event["data"]["id"].clone()));
        }
        told.sort_by_key(|(kind, _)| kind.clone());
        let expected = [
            ("\"approved\"".to_owned(), json!(2)),
            ("\"paid\"".to_owned(), json!(3)),
        ];
        assert_eq!(told, expected);
        world.broker.delete_exchange(&topic).await?;
        coordinator.stop().await
    })
    .await
}

async fn bind(world: &World, queue: &str, exchange: &str, key: &str) -> Result<()> {
    let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
    let channel = world.broker.connection.create_channel().await?;
    Ok(channel
        .queue_bind(
            queue.into(),
            exchange.into(),
            key.into(),
            options,
            arguments,
        )
        .await?)
}

/// Starts an execution of a machine with this one Task, on `{"n": 1}`.
async fn start(coordinator: &Coordinator, members: &Value) -> Result<String> {
    let mut state = json!({ "Type": "Task", "End": true });
    let members = members.as_object().context("members are an object")?;
    let object = state.as_object_mut().context("a state is an object")?;
    object.extend(members.clone());
    let machine = json!({ "StartAt": "Ask", "States": { "Ask": state } });
    let name = format!("machine{}", machine.to_string().len());
    let machine = coordinator.client.create(&name, &machine).await?;
    coordinator.client.start(&machine, &json!({ "n": 1 })).await
}

fn json_of(message: &BasicGetMessage) -> Result<Value> {
    Ok(serde_json::from_slice(&message.delivery.data)?)
}

const END_MAX: Duration = Duration::from_secs(30);
