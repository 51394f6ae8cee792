//! From a queue to an input, or to the parked messages.

use std::sync::Arc;

use futures_util::StreamExt;
use lapin::BasicProperties;
use lapin::options::{BasicConsumeOptions, BasicRejectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use sagamore::advance::{Answer, Error};
use sagamore::store::Route;
use sagamore_interpreter::{Ignored, Input, Reply, Sequence};
use sagamore_messages::TokenKey;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::world::{Client, EXECUTION, SECRET, Setup, World, eventually, header, soon, taken};

fn success(task: u64, result: serde_json::Value) -> Input {
    Input::Reply {
        task: Sequence(task),
        bytes: Some(result.to_string().len() as u32),
        reply: Reply::Success(Arc::new(result)),
    }
}

#[tokio::test]
async fn replies_are_submitted_in_the_order_of_their_delivery() {
    let setup = Setup::default();
    let early = Client::new().await;
    early
        .declare(&setup.names.replies(), FieldTable::default())
        .await;
    for task in 0..300 {
        let body = task.to_string();
        let token = TokenKey::new(SECRET).seal(EXECUTION.0, task);
        let properties = BasicProperties::default().with_correlation_id(token.as_str().into());
        early
            .publish(&setup.names.replies(), properties, body.as_bytes())
            .await;
    }
    let mut world = World::new(setup).await;
    for task in 0..300 {
        assert_eq!(world.input().await, (EXECUTION, success(task, json!(task))));
    }
    world.end().await;
}

#[tokio::test]
async fn a_body_that_is_not_json_is_parked_and_fails_its_task() {
    let mut world = World::new(Setup::default()).await;
    world.reply(3, b"not json").await;
    let (execution, input) = world.input().await;
    let Input::Reply {
        task: Sequence(3),
        reply: Reply::Unusable { error, cause },
        bytes: Some(8),
    } = input
    else {
        panic!("{input:?}");
    };
    assert_eq!(
        (execution, error.as_str()),
        (EXECUTION, "Sagamore.InvalidReply")
    );
    assert!(
        cause.starts_with("the reply's body is not JSON: "),
        "{cause}"
    );
    let (reason, parked) = world.parked().await;
    assert_eq!(
        (reason, parked.data.as_slice()),
        (cause, b"not json".as_slice())
    );
    assert_eq!(
        header(&parked, "sagamore-parked-from"),
        Some(world.names.replies())
    );
    world.end().await;
}

#[tokio::test]
async fn a_body_of_fifty_megabytes_is_parked_whole() {
    let mut world = World::new(Setup::default()).await;
    let body = vec![b' '; 50 * 1_024 * 1_024];
    world.reply(3, &body).await;
    let (_, input) = world.input().await;
    let Input::Reply {
        reply: Reply::Unusable { error, .. },
        ..
    } = input
    else {
        panic!("{input:?}");
    };
    assert_eq!(error, "States.DataLimitExceeded");
    let (_, parked) = world.parked().await;
    assert_eq!(parked.data.len(), body.len());
    world.end().await;
}

#[tokio::test]
async fn what_names_no_task_is_only_parked() {
    let mut world = World::new(Setup::default()).await;
    let replies = world.names.replies();
    let forged = TokenKey::new(b"another secret").seal(EXECUTION.0, 3);
    let forged = BasicProperties::default().with_correlation_id(forged.as_str().into());
    world.client.publish(&replies, forged, b"1").await;
    let (reason, parked) = world.parked().await;
    assert_eq!(reason, "its correlation_id is no token of this coordinator");
    assert!(parked.properties.correlation_id().is_some());
    world
        .client
        .publish(&replies, BasicProperties::default(), b"1")
        .await;
    let (reason, _) = world.parked().await;
    assert_eq!(
        reason,
        "it has no correlation_id, which would be the task's token"
    );
    assert!(world.inputs.try_recv().is_err());
    world.end().await;
}

#[tokio::test]
async fn an_unknown_type_is_parked_and_fails_its_task() {
    let mut world = World::new(Setup::default()).await;
    let token = world.key.seal(EXECUTION.0, 3);
    let properties = BasicProperties::default()
        .with_correlation_id(token.as_str().into())
        .with_type("sucess".into());
    world
        .client
        .publish(&world.names.replies(), properties, b"1")
        .await;
    let (reason, _) = world.parked().await;
    assert!(
        reason.starts_with("the reply's type is \"sucess\""),
        "{reason}"
    );
    assert!(matches!(
        world.input().await.1,
        Input::Reply {
            reply: Reply::Unusable { .. },
            ..
        }
    ));
    world.end().await;
}

#[tokio::test]
async fn each_outcome_has_its_place() {
    let answers = |input: &Input| match input {
        Input::Reply {
            task: Sequence(1), ..
        } => Err(Error::UnknownExecution),
        Input::Reply {
            task: Sequence(2), ..
        } => Ok(Answer {
            taken: Err(Ignored::UnknownTask),
            ..taken()?
        }),
        Input::Reply {
            task: Sequence(3), ..
        } => Err(Error::SetAside("it is broken".to_owned())),
        Input::Reply {
            task: Sequence(4), ..
        } => Ok(Answer {
            taken: Err(Ignored::TaskClosed),
            ..taken()?
        }),
        _ => taken(),
    };
    let world = World::new(Setup {
        answers: Arc::new(answers),
        ..Setup::default()
    })
    .await;
    let mut reasons = Vec::new();
    for task in 1..=3 {
        world.reply(task, b"1").await;
        reasons.push(world.parked().await.0);
    }
    let expected = [
        "its token names no execution",
        "its token names no task",
        "its execution was set aside: it is broken",
    ];
    assert_eq!(reasons, expected);
    world.reply(4, b"1").await;
    eventually("it is ignored", || world.handle.counts().ignored.get() == 1).await;
    world.end().await;
}

#[tokio::test]
async fn headers_and_properties_that_would_harm_are_parked_all_the_same() {
    let world = World::new(Setup::default()).await;
    let mut headers = FieldTable::default();
    let large = LongString::from("h".repeat(100 * 1_024));
    headers.insert("large".into(), AMQPValue::LongString(large));
    let harmful = BasicProperties::default()
        .with_headers(headers)
        .with_expiration("3600000".into());
    world
        .client
        .publish(&world.names.replies(), harmful, b"1")
        .await;
    let (_, parked) = world.parked().await;
    assert_eq!(parked.properties.expiration(), &None);
    assert_eq!(
        header(&parked, "sagamore-parked-without").as_deref(),
        Some("headers: too large")
    );
    world.end().await;
}

#[tokio::test]
async fn bad_messages_do_not_keep_good_ones_back() {
    let mut world = World::new(Setup {
        prefetch: 4,
        ..Setup::default()
    })
    .await;
    for number in 0..50 {
        let replies = world.names.replies();
        world
            .client
            .publish(&replies, BasicProperties::default(), b"bad")
            .await;
        world.reply(number, b"1").await;
    }
    for number in 0..50 {
        assert_eq!(world.input().await.1, success(number, json!(1)));
    }
    eventually("all are parked", || {
        world.handle.counts().parked.get() == 50
    })
    .await;
    world.end().await;
}

#[tokio::test]
async fn a_rejected_task_message_fails_its_task() {
    let mut world = World::new(Setup::default()).await;
    let mut arguments = FieldTable::default();
    let dead = LongString::from(world.names.dead());
    arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString(dead));
    let queue = world.queue("work", arguments).await;
    world.send(Route::Queue(queue.clone()), 3).await;
    let consuming = world.client.channel.basic_consume(
        queue.into(),
        "".into(),
        BasicConsumeOptions::default(),
        FieldTable::default(),
    );
    let mut deliveries = consuming.await.unwrap();
    let delivery = soon("the task message comes", deliveries.next())
        .await
        .unwrap()
        .unwrap();
    delivery
        .reject(BasicRejectOptions::default())
        .await
        .unwrap();
    let dead = Input::DeadLettered {
        task: Sequence(3),
        reason: "rejected".to_owned(),
    };
    assert_eq!(world.input().await, (EXECUTION, dead));
    world.end().await;
}

#[tokio::test]
async fn junk_among_the_dead_letters_is_parked() {
    let mut world = World::new(Setup::default()).await;
    world
        .client
        .publish(&world.names.dead(), BasicProperties::default(), b"?")
        .await;
    assert_eq!(
        header(&world.parked().await.1, "sagamore-parked-from"),
        Some(world.names.dead())
    );
    let token = world.key.seal(EXECUTION.0, 3);
    let alive = BasicProperties::default().with_correlation_id(token.as_str().into());
    world.client.publish(&world.names.dead(), alive, b"?").await;
    assert_eq!(
        world.parked().await.0,
        "it has no x-death, so no queue gave it up"
    );
    assert!(world.inputs.try_recv().is_err());
    world.end().await;
}

/// Sends a command and returns the `type` and body of the answer.
async fn ask(world: &mut World, properties: BasicProperties) -> (String, serde_json::Value) {
    let answers = world.queue("answers", FieldTable::default()).await;
    let properties = properties
        .with_reply_to(answers.as_str().into())
        .with_correlation_id("mine".into());
    world
        .client
        .publish(&world.names.commands(), properties, b"{}")
        .await;
    let answer = world.client.take(&answers).await;
    assert_eq!(
        answer
            .properties
            .correlation_id()
            .as_ref()
            .unwrap()
            .as_str(),
        "mine"
    );
    let kind = answer.properties.kind().as_ref().unwrap().to_string();
    (kind, serde_json::from_slice(&answer.data).unwrap())
}

#[tokio::test]
async fn a_command_is_answered_where_it_asks_to() {
    let mut world = World::new(Setup::default()).await;
    let start = BasicProperties::default()
        .with_type("StartExecution".into())
        .with_message_id("m-1".into());
    let expected = ("success".to_owned(), json!({ "executionArn": "m-1" }));
    assert_eq!(ask(&mut world, start).await, expected);
    let stop = BasicProperties::default()
        .with_type("StopExecution".into())
        .with_message_id("m-2".into());
    let failure = json!({ "error": "ExecutionDoesNotExist", "cause": "no such execution" });
    assert_eq!(ask(&mut world, stop).await, ("failure".to_owned(), failure));
    world.end().await;
}

#[tokio::test]
async fn a_command_that_cannot_be_run_now_is_run_again() {
    let mut world = World::new(Setup {
        away_at_first: true,
        ..Setup::default()
    })
    .await;
    let start = BasicProperties::default()
        .with_type("StartExecution".into())
        .with_message_id("m-1".into());
    assert_eq!(ask(&mut world, start).await.0, "success");
    world.end().await;
}

#[tokio::test]
async fn a_command_without_a_message_id_is_parked_and_answered_with_a_failure() {
    let mut world = World::new(Setup::default()).await;
    let nameless = BasicProperties::default().with_type("StartExecution".into());
    let (kind, body) = ask(&mut world, nameless).await;
    let failure =
        json!({ "error": "Sagamore.InvalidCommand", "cause": "the command has no message_id" });
    assert_eq!((kind.as_str(), body), ("failure", failure));
    assert_eq!(world.parked().await.0, "the command has no message_id");
    world.end().await;
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_is_dropped() {
    let mut world = World::new(Setup::default()).await;
    let start = |message_id: &str| {
        BasicProperties::default()
            .with_type("StartExecution".into())
            .with_message_id(message_id.into())
    };
    let commands = world.names.commands();
    let unheard = start("m-1").with_reply_to("nowhere".into());
    world.client.publish(&commands, unheard, b"{}").await;
    assert_eq!(ask(&mut world, start("m-2")).await.0, "success");
    world.halt().await;
    assert_eq!(world.client.count(&commands).await, 0);
    assert_eq!(world.client.count(&world.names.parked()).await, 0);
    world.end().await;
}

#[tokio::test]
async fn the_gate_opens_once_the_queued_replies_are_committed() {
    let permits = Arc::new(Semaphore::new(0));
    let setup = Setup {
        permits: Some(Arc::clone(&permits)),
        ..Setup::default()
    };
    let queue = setup.names.replies();
    let early = Client::new().await;
    early.declare(&queue, FieldTable::default()).await;
    let token = TokenKey::new(SECRET).seal(EXECUTION.0, 1);
    for _ in 0..5 {
        let properties = BasicProperties::default().with_correlation_id(token.as_str().into());
        early.publish(&queue, properties, b"1").await;
    }
    let mut world = World::new(setup).await;
    for _ in 0..5 {
        world.input().await;
    }
    permits.add_permits(4);
    assert!(!world.handle.gate().is_open());
    permits.add_permits(1);
    soon("the gate opens", world.handle.gate().wait_open()).await;
    // Closed again by the timers, it opens again: nothing is queued any more.
    world.handle.gate().close();
    soon("the gate opens again", world.handle.gate().wait_open()).await;
    world.end().await;
}

#[tokio::test]
async fn what_could_not_be_taken_at_the_stop_stays_in_its_queue() {
    let answers = |_: &Input| Err(Error::Stopping);
    let mut world = World::new(Setup {
        answers: Arc::new(answers),
        ..Setup::default()
    })
    .await;
    world.reply(3, b"1").await;
    world.input().await;
    world.halt().await;
    assert_eq!(world.client.count(&world.names.replies()).await, 1);
    world.end().await;
}

#[tokio::test]
async fn queues_that_an_operator_made_are_used_as_they_are() {
    let setup = Setup::default();
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1_000));
    let client = Client::new().await;
    client.declare(&setup.names.replies(), arguments).await;
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let channel = &client.channel;
    channel
        .queue_declare(
            setup.names.commands().into(),
            options,
            FieldTable::default(),
        )
        .await
        .unwrap();
    let mut world = World::new(setup).await;
    world.reply(3, b"1").await;
    assert_eq!(world.input().await.1, success(3, json!(1)));
    world.end().await;
}
