//! Step Functions' API, over HTTP and as commands.

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use serde_json::{Value, json};

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_same_start_again_is_the_same_execution() -> Result<()> {
    let world = World::start().await?;
    let machine = world.create_machine().await?;
    assert_eq!(world.create_machine().await?, machine);

    let request = json!({ "stateMachineArn": machine, "name": "ada", "input": "{\"amount\": 5}" });
    let started = world.must("StartExecution", &request).await?;
    assert_eq!(world.must("StartExecution", &request).await?, started);
    let other = json!({ "stateMachineArn": machine, "name": "ada", "input": "{\"amount\": 6}" });
    let refused = world.call("StartExecution", &other).await?;
    assert_eq!(refused.status, 400);
    assert!(
        refused
            .head
            .contains("content-type: application/x-amz-json-1.0"),
        "{}",
        refused.head
    );
    assert!(
        refused.head.contains("x-amzn-requestid: "),
        "{}",
        refused.head
    );
    assert_eq!(
        refused.json()?,
        json!({
            "__type": "ExecutionAlreadyExists",
            "message": "Execution Already Exists: 'arn:aws:states:us-east-1:000000000000:execution:loan:ada'",
        })
    );

    let execution = json!({ "executionArn": started["executionArn"] });
    let described = world.must("DescribeExecution", &execution).await?;
    assert_eq!(described["status"], "RUNNING");
    assert_eq!(
        described["compensation"],
        json!({ "status": "NONE", "pending": 0, "incidents": 0 })
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_comes_in_pages_and_a_history_in_both_orders() -> Result<()> {
    let world = World::start().await?;
    let machine = world.create_machine().await?;
    for number in 0..5 {
        let request = json!({ "stateMachineArn": machine, "name": format!("n{number}") });
        world.must("StartExecution", &request).await?;
    }
    let mut names = Vec::new();
    let mut request = json!({ "stateMachineArn": machine, "maxResults": 2 });
    loop {
        let page = world.must("ListExecutions", &request).await?;
        let listed = page["executions"].as_array().context("no list")?;
        names.extend(listed.iter().map(|item| item["name"].clone()));
        let Some(token) = page.get("nextToken") else {
            break;
        };
        request["nextToken"] = token.clone();
    }
    assert_eq!(names, ["n4", "n3", "n2", "n1", "n0"]);

    let execution = "arn:aws:states:us-east-1:000000000000:execution:loan:n0";
    let forwards = ids(
        &world,
        json!({ "executionArn": execution, "maxResults": 2 }),
    )
    .await?;
    let backwards = json!({ "executionArn": execution, "maxResults": 2, "reverseOrder": true });
    let mut backwards = ids(&world, backwards).await?;
    backwards.reverse();
    assert_eq!(forwards, backwards);
    assert_eq!(forwards.first(), Some(&1));
    ensure!(
        forwards.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "{forwards:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_delivered_again_gets_the_first_answer() -> Result<()> {
    let world = World::start().await?;
    world.create_machine().await?;
    let connection = Connection::connect(&world.amqp_url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let exclusive = QueueDeclareOptions {
        exclusive: true,
        ..QueueDeclareOptions::default()
    };
    let queue = channel
        .queue_declare("".into(), exclusive, FieldTable::default())
        .await?;
    let answers = BasicConsumeOptions {
        no_ack: true,
        ..BasicConsumeOptions::default()
    };
    let mut answers = channel
        .basic_consume(
            queue.name().clone(),
            "".into(),
            answers,
            FieldTable::default(),
        )
        .await?;

    let mut told = Vec::new();
    for _ in 0..2 {
        let properties = BasicProperties::default()
            .with_type("StartExecution".into())
            .with_message_id("order-17".into())
            .with_reply_to(queue.name().clone());
        let commands = format!("{}.commands", world.prefix);
        let body = json!({ "stateMachineArn": "loan" }).to_string();
        let publish = BasicPublishOptions::default();
        channel
            .basic_publish(
                "".into(),
                commands.into(),
                publish,
                body.as_bytes(),
                properties,
            )
            .await?
            .await?;
        let delivery = answers.next().await.context("the channel was closed")??;
        told.push(serde_json::from_slice::<Value>(&delivery.data)?);
    }
    assert_eq!(
        told[0]["executionArn"],
        "arn:aws:states:us-east-1:000000000000:execution:loan:order-17"
    );
    assert_eq!(told[0], told[1]);
    Ok(())
}

/// The ids of all events of a history, page by page.
#[tokio::test(flavor = "multi_thread")]
async fn a_machine_tells_its_variables_and_an_express_one_what_it_may_not_have() -> Result<()> {
    let world = World::start().await?;
    let definition = json!({ "StartAt": "Set", "States": {
        "Set": { "Type": "Pass", "Assign": { "amount.$": "$.amount" }, "Next": "Ask" },
        "Ask": { "Type": "Task", "Resource": "queue:ask", "Parameters": { "amount.$": "$amount" },
            "Compensate": { "Resource": "queue:undo" }, "End": true } } });
    let mut request = json!({ "name": "loan", "definition": definition.to_string(),
        "roleArn": "arn:aws:iam::123456789012:role/any" });
    let created = world.must("CreateStateMachine", &request).await?;
    let machine = json!({ "stateMachineArn": created["stateMachineArn"] });
    let described = world.must("DescribeStateMachine", &machine).await?;
    assert_eq!(
        described["variableReferences"],
        json!({ "Ask": ["amount"] })
    );

    request["type"] = json!("EXPRESS");
    let refused = world.call("CreateStateMachine", &request).await?.json()?;
    assert_eq!(refused["__type"], "InvalidDefinition");
    let message = refused["message"].as_str().unwrap_or_default();
    assert!(
        message.contains(
            "Express state machine does not support 'Compensate' at /States/Ask/Compensate"
        ),
        "{message}"
    );
    let validated = world
        .must("ValidateStateMachineDefinition", &request)
        .await?;
    assert_eq!(validated["result"], "FAIL");
    Ok(())
}

async fn ids(world: &World, mut request: Value) -> Result<Vec<u64>> {
    let mut ids = Vec::new();
    loop {
        let page = world.must("GetExecutionHistory", &request).await?;
        let events = page["events"].as_array().context("no events")?;
        ids.extend(events.iter().filter_map(|event| event["id"].as_u64()));
        let Some(token) = page.get("nextToken") else {
            return Ok(ids);
        };
        request["nextToken"] = token.clone();
    }
}
