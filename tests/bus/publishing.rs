//! From the outbox to a queue, or to the knowledge that there is none.

use std::time::Duration;

use lapin::ExchangeKind;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions};
use lapin::types::FieldTable;
use sagamore::advance::{Publication, What};
use sagamore::store::{Addressee, Route};
use sagamore_interpreter::{Input, Sequence};
use sagamore_messages::{Kind, Properties, TaskMessage};

use crate::world::{EXECUTION, Setup, World};

#[tokio::test]
async fn a_confirmed_message_is_done() {
    let mut world = World::new(Setup::default()).await;
    let queue = world.queue("work", FieldTable::default()).await;
    let (number, message_id) = world.send(Route::Queue(queue.clone()), 3).await;
    world.done(number).await;
    let delivery = world.client.take(&queue).await;
    let sent = &delivery.properties;
    let text =
        |text: &Option<lapin::types::ShortString>| text.as_ref().map(|text| text.to_string());
    let properties = Properties {
        kind: text(sent.kind()),
        message_id: text(sent.message_id()),
        correlation_id: text(sent.correlation_id()),
        reply_to: text(sent.reply_to()),
        headers: [(
            "sagamore-idempotency-key".to_owned(),
            sagamore_messages::Header::Text("k".to_owned()),
        )]
        .into(),
        ..Properties::default()
    };
    let message = TaskMessage::parse(&properties, &delivery.data).unwrap();
    assert_eq!(message.message_id, message_id);
    assert_eq!(message.kind, Kind::Task);
    assert_eq!(message.token, world.key.seal(EXECUTION.0, 3));
    assert_eq!(message.reply_to, world.names.replies());
    assert_eq!(message.body, r#"{"task":3}"#);
    let expiration: u64 = text(sent.expiration()).unwrap().parse().unwrap();
    assert!(
        (3_500_000..=3_600_000).contains(&expiration),
        "{expiration}"
    );
    world.end().await;
}

#[tokio::test]
async fn a_message_without_a_queue_fails_its_task_at_once_when_there_is_no_grace() {
    let mut world = World::new(Setup::default()).await;
    let (number, _) = world.send(Route::Queue("nowhere".to_owned()), 3).await;
    let unroutable = Input::Unroutable {
        task: Sequence(3),
        only_publish: true,
    };
    assert_eq!(world.input().await, (EXECUTION, unroutable));
    world.done(number).await;
    world.end().await;
}

#[tokio::test]
async fn a_queue_that_appears_within_the_grace_gets_its_messages() {
    let grace = Duration::from_secs(20);
    let mut world = World::new(Setup {
        grace,
        ..Setup::default()
    })
    .await;
    let queue = format!("{}.late", world.names.prefix());
    let mut number = 0;
    for task in 0..20 {
        (number, _) = world.send(Route::Queue(queue.clone()), task).await;
    }
    crate::world::eventually("all came back", || {
        world.handle.counts().returned.get() == 20
    })
    .await;
    world.queue("late", FieldTable::default()).await;
    world.done(number).await;
    assert_eq!(world.client.take_many(&queue, 20).await.len(), 20);
    world.end().await;
}

#[tokio::test]
async fn a_queue_that_stays_away_for_the_grace_fails_the_task_which_surely_did_nothing() {
    let grace = Duration::from_millis(300);
    let mut world = World::new(Setup {
        grace,
        ..Setup::default()
    })
    .await;
    let (number, _) = world.send(Route::Queue("nowhere".to_owned()), 3).await;
    let unroutable = Input::Unroutable {
        task: Sequence(3),
        only_publish: true,
    };
    assert_eq!(world.input().await, (EXECUTION, unroutable));
    world.done(number).await;
    world.end().await;
}

#[tokio::test]
async fn a_message_nobody_waits_for_is_not_published_again() {
    let grace = Duration::from_secs(20);
    let mut world = World::new(Setup {
        grace,
        open: false,
        ..Setup::default()
    })
    .await;
    let queue = format!("{}.late", world.names.prefix());
    let (number, _) = world.send(Route::Queue(queue.clone()), 3).await;
    crate::world::eventually("it came back", || world.handle.counts().returned.get() == 1).await;
    world.queue("late", FieldTable::default()).await;
    world.done(number).await;
    assert_eq!(world.client.count(&queue).await, 0);
    world.end().await;
}

#[tokio::test]
async fn a_missing_exchange_fails_its_own_task_and_no_other() {
    let mut world = World::new(Setup::default()).await;
    let queue = world.queue("work", FieldTable::default()).await;
    let missing = Route::Exchange {
        exchange: "no-such".to_owned(),
        routing_key: "k".to_owned(),
    };
    let mut number = 0;
    for task in 0..30 {
        let route = if task % 3 == 0 {
            missing.clone()
        } else {
            Route::Queue(queue.clone())
        };
        (number, _) = world.send(route, task).await;
    }
    world.done(number).await;
    let mut failed = Vec::new();
    for _ in 0..10 {
        match world.input().await {
            (
                EXECUTION,
                Input::Unroutable {
                    task,
                    only_publish: true,
                },
            ) => failed.push(task.0),
            other => panic!("{other:?}"),
        }
    }
    failed.sort_unstable();
    assert_eq!(failed, [0, 3, 6, 9, 12, 15, 18, 21, 24, 27]);
    assert_eq!(world.client.take_many(&queue, 20).await.len(), 20);
    world.end().await;
}

#[tokio::test]
async fn a_task_on_an_exchange_succeeds_once_the_broker_confirms() {
    let mut world = World::new(Setup::default()).await;
    let exchange = world.names.events();
    let route = Route::Exchange {
        exchange,
        routing_key: "nobody.listens".to_owned(),
    };
    let (number, message_id) = world.send(route, 3).await;
    let published = Input::Published {
        task: Sequence(3),
        message_id,
    };
    assert_eq!(world.input().await, (EXECUTION, published));
    world.done(number).await;
    world.end().await;
}

#[tokio::test]
async fn a_message_that_the_broker_refuses_fails_its_task_and_no_other() {
    let mut world = World::new(Setup::default()).await;
    let queue = world.queue("work", FieldTable::default()).await;
    // Nobody may publish to an internal exchange: the broker closes the channel each time.
    let internal = format!("{}.internal", world.names.prefix());
    let options = ExchangeDeclareOptions {
        internal: true,
        auto_delete: true,
        ..ExchangeDeclareOptions::default()
    };
    let channel = &world.client.channel;
    let declaring = channel.exchange_declare(
        internal.clone().into(),
        ExchangeKind::Fanout,
        options,
        FieldTable::default(),
    );
    declaring.await.unwrap();
    let bound = channel.queue_bind(
        queue.clone().into(),
        internal.clone().into(),
        "".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound.await.unwrap();
    let refused = Route::Exchange {
        exchange: internal,
        routing_key: "k".to_owned(),
    };
    world.send(refused, 1).await;
    let (number, _) = world.send(Route::Queue(queue.clone()), 2).await;
    let unroutable = Input::Unroutable {
        task: Sequence(1),
        only_publish: true,
    };
    assert_eq!(world.input().await, (EXECUTION, unroutable));
    world.done(number).await;
    assert_eq!(world.handle.counts().refused.get(), 2);
    world.client.take(&queue).await;
    world.end().await;
}

#[tokio::test]
async fn a_message_whose_answer_is_overdue_is_not_published() {
    let mut world = World::new(Setup::default()).await;
    let queue = world.queue("work", FieldTable::default()).await;
    let number = world.outbox.number();
    let mut publication = world.publication(number, Route::Queue(queue.clone()), 3);
    if let What::Task { due, .. } = &mut publication.what {
        *due = Some(jiff::Timestamp::UNIX_EPOCH);
    }
    world.outbox.send(publication).await;
    world.done(number).await;
    assert_eq!(world.client.count(&queue).await, 0);
    world.end().await;
}

#[tokio::test]
async fn an_event_reaches_who_listens() {
    let mut world = World::new(Setup::default()).await;
    let queue = world.queue("listener", FieldTable::default()).await;
    let bound = world.client.channel.queue_bind(
        queue.clone().into(),
        world.names.events().into(),
        "execution.#".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound.await.unwrap();
    let number = world.outbox.number();
    let what = What::Event {
        to: Addressee::Listeners("execution.loan.FAILED".to_owned()),
        body: "{}".to_owned(),
    };
    world.outbox.send(Publication { number, what }).await;
    world.done(number).await;
    let delivery = world.client.take(&queue).await;
    assert_eq!(delivery.routing_key.as_str(), "execution.loan.FAILED");
    let content_type = delivery.properties.content_type().as_ref().unwrap();
    assert_eq!(content_type.as_str(), "application/cloudevents+json");
    world.end().await;
}
