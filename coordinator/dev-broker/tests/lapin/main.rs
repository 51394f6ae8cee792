//! The broker as a client of RabbitMQ sees it.
#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

mod world;

use std::collections::BTreeSet;

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicNackOptions, BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Confirmation, Connection, ConnectionProperties, ExchangeKind};
use sagamore_dev_broker::Settings;

use world::{World, confirming, connect, consume, long, next, soon, table, text};

const ACK: Confirmation = Confirmation::Ack(None);

#[tokio::test]
async fn a_message_is_confirmed_consumed_and_acknowledged() {
    let world = World::new().await;
    world.queue("q", &[]).await;
    let properties = BasicProperties::default().with_message_id("m".into());
    let large = "x".repeat(1_000_000);
    assert_eq!(world.publish_with("", "q", "a", properties).await, ACK);
    assert_eq!(world.publish("", "q", &large).await, ACK);
    let mut consumer = consume(&world.channel, "q", 0).await;
    let first = next(&mut consumer).await;
    let id = first.properties.message_id().as_ref().unwrap();
    assert_eq!((text(&first).as_str(), id.as_str()), ("a", "m"));
    assert!(!first.redelivered);
    let second = next(&mut consumer).await;
    assert_eq!(text(&second), large);
    let multiple = BasicAckOptions { multiple: true };
    second.ack(multiple).await.unwrap();
    soon(world.channel.close(200, "".into())).await.unwrap();
    let channel = confirming(&world.connection).await;
    let options = QueueDeclareOptions::default().passive();
    let look = channel.queue_declare("q".into(), options, FieldTable::default());
    assert_eq!(soon(look).await.unwrap().message_count(), 0);
}

#[tokio::test]
async fn a_mandatory_message_without_a_queue_is_returned_before_its_confirm() {
    let world = World::new().await;
    let Confirmation::Ack(Some(returned)) = world.publish("", "nowhere", "a").await else {
        panic!("not returned");
    };
    assert_eq!(
        (returned.reply_code, text(&returned.delivery)),
        (312, "a".to_owned())
    );
}

#[tokio::test]
async fn what_a_closed_channel_had_comes_again_in_its_place() {
    let world = World::new().await;
    world.queue("q", &[]).await;
    for body in ["a", "b", "c"] {
        world.publish("", "q", body).await;
    }
    let channel = confirming(&world.connection).await;
    let mut consumer = consume(&channel, "q", 2).await;
    next(&mut consumer).await;
    next(&mut consumer).await;
    soon(channel.close(200, "".into())).await.unwrap();
    let mut again = consume(&world.channel, "q", 0).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let delivery = next(&mut again).await;
        seen.push((text(&delivery), delivery.redelivered));
    }
    let expected = [("a", true), ("b", true), ("c", false)];
    assert_eq!(seen, expected.map(|(body, again)| (body.to_owned(), again)));
}

#[tokio::test]
async fn a_prefetch_limits_what_is_not_acknowledged() {
    let world = World::new().await;
    world.queue("q", &[]).await;
    for body in ["a", "b", "c"] {
        world.publish("", "q", body).await;
    }
    let channel = confirming(&world.connection).await;
    let mut consumer = consume(&channel, "q", 2).await;
    let first = next(&mut consumer).await;
    let second = next(&mut consumer).await;
    assert_eq!(world.bodies("q").await, ["c"]);
    world.publish("", "q", "d").await;
    // Back in its place, so before the other.
    let requeue = BasicNackOptions {
        requeue: true,
        ..BasicNackOptions::default()
    };
    second.nack(requeue).await.unwrap();
    assert_eq!(text(&next(&mut consumer).await), "b");
    first.ack(BasicAckOptions::default()).await.unwrap();
    assert_eq!(text(&next(&mut consumer).await), "d");
}

#[tokio::test]
async fn what_expires_is_dead_lettered_with_its_history() {
    let world = World::new().await;
    world.exchange("dead", ExchangeKind::Fanout).await;
    world.queue("graves", &[]).await;
    world.bind("graves", "dead", "", &[]).await;
    let ttl = ("x-message-ttl", AMQPValue::LongInt(60_000));
    world
        .queue("q", &[ttl, ("x-dead-letter-exchange", long("dead"))])
        .await;
    let mut consumer = consume(&world.channel, "graves", 0).await;
    let properties = BasicProperties::default()
        .with_expiration("10".into())
        .with_correlation_id("c".into());
    world.publish_with("", "q", "a", properties).await;
    let dead = next(&mut consumer).await;
    assert_eq!(
        (dead.exchange.as_str(), dead.routing_key.as_str()),
        ("dead", "q")
    );
    assert_eq!(dead.properties.expiration(), &None);
    assert_eq!(
        dead.properties.correlation_id().as_ref().unwrap().as_str(),
        "c"
    );
    let headers = dead.properties.headers().as_ref().unwrap().inner();
    assert_eq!(headers.get("x-first-death-queue"), Some(&long("q")));
    let Some(AMQPValue::FieldArray(deaths)) = headers.get("x-death") else {
        panic!("{headers:?}");
    };
    let [AMQPValue::FieldTable(death)] = deaths.as_slice() else {
        panic!("{deaths:?}");
    };
    let mut death = death.inner().clone();
    assert!(matches!(
        death.remove("time"),
        Some(AMQPValue::Timestamp(_))
    ));
    let expected = table(&[
        ("count", AMQPValue::LongLongInt(1)),
        ("exchange", long("")),
        ("original-expiration", long("10")),
        ("queue", long("q")),
        ("reason", long("expired")),
        (
            "routing-keys",
            AMQPValue::FieldArray(vec![long("q")].into()),
        ),
    ]);
    assert_eq!(FieldTable::from(death), expected);
}

#[tokio::test]
async fn a_full_queue_drops_its_first_or_refuses_the_next() {
    let world = World::new().await;
    let length = ("x-max-length", AMQPValue::LongInt(2));
    world.queue("drops", std::slice::from_ref(&length)).await;
    world
        .queue("refuses", &[length, ("x-overflow", long("reject-publish"))])
        .await;
    for body in ["a", "b"] {
        assert_eq!(world.publish("", "drops", body).await, ACK);
        assert_eq!(world.publish("", "refuses", body).await, ACK);
    }
    assert_eq!(world.publish("", "drops", "c").await, ACK);
    assert_eq!(
        world.publish("", "refuses", "c").await,
        Confirmation::Nack(None)
    );
    assert_eq!(world.bodies("drops").await, ["b", "c"]);
    assert_eq!(world.bodies("refuses").await, ["a", "b"]);
}

#[tokio::test]
async fn exchanges_send_a_message_where_it_fits_once() {
    let world = World::new().await;
    for queue in ["one", "two"] {
        world.queue(queue, &[]).await;
    }
    world.bind("one", "amq.topic", "a.*", &[]).await;
    world.bind("one", "amq.topic", "a.#", &[]).await;
    world.bind("two", "amq.topic", "#.b", &[]).await;
    let wanted = [("x-match", long("any")), ("kind", long("k"))];
    world.bind("two", "amq.headers", "", &wanted).await;
    world.publish("amq.topic", "a.b", "both").await;
    world.publish("amq.topic", "a.c", "first").await;
    let headers = table(&[("kind", long("k"))]);
    let properties = BasicProperties::default().with_headers(headers);
    world
        .publish_with("amq.headers", "", "second", properties)
        .await;
    assert_eq!(world.bodies("one").await, ["both", "first"]);
    assert_eq!(world.bodies("two").await, ["both", "second"]);
}

#[tokio::test]
async fn a_soft_error_closes_only_its_channel() {
    let world = World::new().await;
    world.queue("q", &[]).await;
    let ttl = table(&[("x-message-ttl", AMQPValue::LongInt(1))]);
    let durable = QueueDeclareOptions::durable();
    for (name, options, arguments, text) in [
        (
            "none",
            durable.passive(),
            table(&[]),
            "NOT_FOUND - no queue 'none' in vhost '/'",
        ),
        (
            "q",
            durable,
            ttl,
            "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received \
             the value '1' of type 'signedint' but current is none",
        ),
        (
            "amq.q",
            durable,
            table(&[]),
            "ACCESS_REFUSED - queue name 'amq.q' contains reserved prefix 'amq.*'",
        ),
    ] {
        let channel = confirming(&world.connection).await;
        let declared = soon(channel.queue_declare(name.into(), options, arguments)).await;
        let error = declared.unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
        assert!(!channel.status().connected());
    }
    assert_eq!(world.publish("", "q", "a").await, ACK);
}

#[tokio::test]
async fn an_exclusive_queue_is_locked_and_goes_with_its_connection() {
    let world = World::new().await;
    let other = connect(&world.url).await;
    let channel = confirming(&other).await;
    let exclusive = QueueDeclareOptions {
        exclusive: true,
        ..QueueDeclareOptions::default()
    };
    let nothing = FieldTable::default();
    let declaring = channel.queue_declare("own".into(), exclusive, nothing.clone());
    soon(declaring).await.unwrap();
    let look = QueueDeclareOptions::default().passive();
    let looking = confirming(&world.connection).await;
    let locked = soon(looking.queue_declare("own".into(), look, nothing.clone())).await;
    assert!(locked.unwrap_err().to_string().contains("RESOURCE_LOCKED"));
    soon(other.close(200, "".into())).await.unwrap();
    let looking = confirming(&world.connection).await;
    let gone = soon(looking.queue_declare("own".into(), look, nothing)).await;
    assert!(gone.unwrap_err().to_string().contains("NOT_FOUND"));
}

#[tokio::test]
async fn the_consumers_of_a_deleted_queue_are_told() {
    let world = World::new().await;
    world.queue("q", &[]).await;
    let mut consumer = consume(&world.channel, "q", 0).await;
    let options = QueueDeleteOptions::default();
    soon(world.channel.queue_delete("q".into(), options))
        .await
        .unwrap();
    assert!(soon(consumer.next()).await.is_none());
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let world = World::new().await;
    let url = world.url.replace("guest:guest", "guest:wrong");
    let connecting = Connection::connect(&url, ConnectionProperties::default());
    let error = soon(connecting).await.unwrap_err().to_string();
    assert!(error.contains("ACCESS_REFUSED"), "{error}");
}

#[tokio::test]
async fn a_full_memory_refuses_messages_and_takes_them_again() {
    let memory_bytes_max = 100_000;
    let settings = Settings {
        memory_bytes_max,
        ..Settings::default()
    };
    let world = World::with(settings).await;
    world.queue("q", &[]).await;
    let body = "x".repeat(60_000);
    assert_eq!(world.publish("", "q", &body).await, ACK);
    assert_eq!(
        world.publish("", "q", &body).await,
        Confirmation::Nack(None)
    );
    assert_eq!(world.bodies("q").await.len(), 1);
    assert_eq!(world.publish("", "q", &body).await, ACK);
}

#[tokio::test]
async fn a_broker_that_stops_tells_its_clients() {
    let world = World::new().await;
    drop(world.stop);
    soon(world.running).await.unwrap();
    let published = world.connection.create_channel().await;
    assert!(published.is_err());
}

/// Every message is published once, given back once by a channel that closes, and then rejected or acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_messages_are_neither_lost_nor_invented() {
    let world = World::new().await;
    let dead = ("x-dead-letter-exchange", long("amq.fanout"));
    world.queue("q", &[dead]).await;
    world.queue("graves", &[]).await;
    world.bind("graves", "amq.fanout", "", &[]).await;
    let mut confirms = Vec::new();
    for number in 0..MESSAGES {
        let (body, options) = (number.to_string(), BasicPublishOptions::default());
        let properties = BasicProperties::default();
        let publishing = world.channel.basic_publish(
            "".into(),
            "q".into(),
            options,
            body.as_bytes(),
            properties,
        );
        confirms.push(publishing.await.unwrap());
    }
    for confirm in confirms {
        assert_eq!(soon(confirm).await.unwrap(), ACK);
    }
    let channel = confirming(&world.connection).await;
    let mut consumer = consume(&channel, "q", 0).await;
    for _ in 0..MESSAGES {
        assert!(!next(&mut consumer).await.redelivered);
    }
    soon(channel.close(200, "".into())).await.unwrap();
    let channel = confirming(&world.connection).await;
    let mut consumer = consume(&channel, "q", 100).await;
    for number in 0..MESSAGES {
        let delivery = next(&mut consumer).await;
        assert_eq!(
            (text(&delivery), delivery.redelivered),
            (number.to_string(), true)
        );
        match number % 2 {
            0 => delivery.ack(BasicAckOptions::default()).await.unwrap(),
            _ => delivery.nack(BasicNackOptions::default()).await.unwrap(),
        };
    }
    let mut graves = consume(&world.channel, "graves", 0).await;
    let mut dead = BTreeSet::new();
    for _ in 0..MESSAGES / 2 {
        assert!(dead.insert(text(&next(&mut graves).await).parse::<u64>().unwrap()));
    }
    assert!(
        dead.into_iter()
            .eq((0..MESSAGES).filter(|number| number % 2 == 1))
    );
    soon(channel.close(200, "".into())).await.unwrap();
    assert!(world.get("q").await.is_none() && world.get("graves").await.is_none());
}

const MESSAGES: u64 = 10_000;
