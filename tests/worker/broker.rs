//! The worker and its broker: what is acknowledged when, and what becomes of a lost connection.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use lapin::ExchangeKind;
use lapin::options::{
    BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{FieldTable, ShortString};
use sagamore_worker::{Effects, Memory, Outcome, Worker};
use tokio::sync::Notify;

use crate::bench::{Bench, database_url, enter, told};
use crate::proxy::Proxy;

/// A step that begins when it is let.
struct Gate {
    begun: Arc<Notify>,
    go: Arc<Notify>,
}

impl Gate {
    /// A worker whose step tells that it has begun, and goes on when it may.
    fn worker(bench: &Bench, worker: Worker) -> (Self, Worker) {
        let gate = Self {
            begun: Arc::default(),
            go: Arc::default(),
        };
        let (name, begun, go) = (bench.name.clone(), gate.begun.clone(), gate.go.clone());
        let worker =
            worker
                .effects(Effects::InTransaction)
                .on(&bench.steps(), move |(): (), context| {
                    let (name, begun, go) = (name.clone(), begun.clone(), go.clone());
                    async move {
                        begun.notify_one();
                        go.notified().await;
                        enter(name, context, 1).await
                    }
                });
        (gate, worker)
    }
}

#[tokio::test]
async fn shutdown_finishes_what_runs_and_leaves_the_rest() -> Result<()> {
    let mut bench = Bench::new().await?;
    let (gate, worker) = Gate::worker(&bench, bench.worker().await?.concurrency(1));
    let running = worker.start().await?;
    bench.send(&bench.step("runs", 1)).await?;
    gate.begun.notified().await;
    bench.send(&bench.step("waits", 1)).await?;
    let ((), reply) = tokio::join!(running.stop(), async {
        gate.go.notify_one();
        bench.reply().await
    });
    let (token, reply) = reply?;
    assert_eq!(
        (token.as_str(), told(&reply).as_str()),
        ("token of runs/1", "success 1")
    );
    assert_eq!(bench.take(&bench.steps()).await?.data, b"null");
    assert_eq!(bench.waiting(&bench.steps()).await?, 0);
    assert_eq!(
        (bench.effects("runs").await?, bench.effects("waits").await?),
        (1, 0)
    );
    Ok(())
}

#[tokio::test]
async fn a_lost_connection_is_opened_anew() -> Result<()> {
    let mut bench = Bench::new().await?;
    let proxy = Proxy::new().await?;
    let memory = Memory::postgres(&database_url()?, 5).await?;
    let (gate, worker) = Gate::worker(&bench, Worker::new(&bench.name, &proxy.url, memory));
    let running = worker.start().await?;
    for round in 0..5 {
        let key = round.to_string();
        bench.send(&bench.step(&key, 1)).await?;
        gate.begun.notified().await;
        proxy.cut();
        // The handler goes on; its message comes again over the next connection, waits for it, and gets its answer.
        gate.go.notify_one();
        assert_eq!(told(&bench.reply().await?.1), "success 1");
        assert_eq!(bench.effects(&key).await?, 1);
    }
    running.stop().await;
    assert_eq!(bench.waiting(&bench.steps()).await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_deleted_queue_is_declared_anew() -> Result<()> {
    let mut bench = Bench::new().await?;
    let running = bench
        .bookkeeper(Effects::InTransaction)
        .await?
        .start()
        .await?;
    let queue = bench.steps();
    bench
        .channel
        .queue_delete(queue.as_str().into(), QueueDeleteOptions::default())
        .await?;
    while bench.send(&bench.step("k", 1)).await.is_err() {}
    assert_eq!(told(&bench.reply().await?.1), "success 1");
    running.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_queue_that_an_operator_made_is_used_as_it_is() -> Result<()> {
    let mut bench = Bench::new().await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), 1_000.into());
    let durable = QueueDeclareOptions::durable();
    bench
        .channel
        .queue_declare(bench.steps().as_str().into(), durable, arguments)
        .await?;
    let running = bench
        .bookkeeper(Effects::InTransaction)
        .await?
        .start()
        .await?;
    assert_eq!(told(&bench.ask(&bench.step("k", 1)).await?), "success 1");
    running.stop().await;
    Ok(())
}

#[tokio::test]
async fn an_expired_message_is_dropped() -> Result<()> {
    let mut bench = Bench::new().await?;
    let running = bench
        .bookkeeper(Effects::InTransaction)
        .await?
        .start()
        .await?;
    let mut late = bench.step("late", 1);
    late.deadline = Some("2001-01-01T00:00:00.000Z".to_owned());
    bench.send(&late).await?;
    assert_eq!(told(&bench.ask(&bench.step("k", 1)).await?), "success 1");
    running.stop().await;
    assert_eq!(
        (
            bench.effects("late").await?,
            bench.waiting(&bench.steps()).await?
        ),
        (0, 0)
    );
    Ok(())
}

#[tokio::test]
async fn what_is_no_task_message_is_dead_lettered() -> Result<()> {
    let bench = Bench::new().await?;
    let dead = format!("{}.dead", bench.name);
    let temporary = ExchangeDeclareOptions {
        auto_delete: true,
        ..ExchangeDeclareOptions::default()
    };
    let exchange: ShortString = dead.as_str().into();
    let channel = &bench.channel;
    let kind = ExchangeKind::Fanout;
    channel
        .exchange_declare(exchange.clone(), kind, temporary, FieldTable::default())
        .await?;
    let exclusive = QueueDeclareOptions {
        exclusive: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(exchange.clone(), exclusive, FieldTable::default())
        .await?;
    let (queue, key) = (exchange.clone(), ShortString::default());
    let options = QueueBindOptions::default();
    channel
        .queue_bind(queue, exchange, key, options, FieldTable::default())
        .await?;

    let running = bench
        .bookkeeper(Effects::InTransaction)
        .await?
        .prefix(&bench.name)
        .start()
        .await?;
    let (exchange, key) = (ShortString::default(), bench.steps().into());
    let options = BasicPublishOptions::default();
    let publish = channel.basic_publish(exchange, key, options, b"hello", Default::default());
    publish.await?.await?;
    assert_eq!(bench.take(&dead).await?.data, b"hello");
    running.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_heart_beats_while_a_handler_runs() -> Result<()> {
    let mut bench = Bench::new().await?;
    let worker = bench
        .worker()
        .await?
        .heartbeat_every(Duration::from_millis(5));
    let (gate, worker) = Gate::worker(&bench, worker);
    let running = worker.start().await?;
    bench.send(&bench.step("k", 1)).await?;
    for _ in 0..3 {
        let (token, reply) = bench.reply().await?;
        assert_eq!(
            (token.as_str(), told(&reply).as_str()),
            ("token of k/1", "heartbeat")
        );
    }
    gate.go.notify_one();
    while told(&bench.reply().await?.1) != "success 1" {}
    running.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_panic_is_answered_and_the_worker_lives() -> Result<()> {
    let mut bench = Bench::new().await?;
    let worker = bench
        .worker()
        .await?
        .on(&bench.steps(), |number: u32, _| async move {
            assert!(number != 0, "zero");
            Ok(number)
        });
    let running = worker.start().await?;
    let message = |body: &str| {
        let mut message = bench.step(body, 1);
        message.body = body.to_owned();
        message
    };
    let messages = [message("0"), message("\"text\""), message("1")];
    let mut said = Vec::new();
    for message in &messages {
        said.push(told(&bench.ask(message).await?));
    }
    let expected = [
        "failure Worker.Panicked unknown",
        "failure Worker.InvalidInput none",
        "success 1",
    ];
    assert_eq!(said, expected);
    running.stop().await;
    Ok(())
}

#[tokio::test]
async fn what_is_answered_later_is_acknowledged() -> Result<()> {
    let mut bench = Bench::new().await?;
    let kept = Arc::new(tokio::sync::Mutex::new(None));
    let keeper = kept.clone();
    let worker = bench
        .worker()
        .await?
        .on(&bench.steps(), move |now: bool, context| {
            let keeper = keeper.clone();
            async move {
                if now {
                    return Ok(Outcome::Done("now"));
                }
                *keeper.lock().await = Some(context.token().clone());
                Ok(Outcome::Later)
            }
        });
    let running = worker.start().await?;
    let (mut later, mut now) = (bench.step("later", 1), bench.step("now", 1));
    (later.body, now.body) = ("false".to_owned(), "true".to_owned());
    bench.send(&later).await?;
    assert_eq!(told(&bench.ask(&now).await?), "success \"now\"");
    running.stop().await;
    assert_eq!(bench.waiting(&bench.steps()).await?, 0);
    assert_eq!(kept.lock().await.take(), Some(later.token));
    Ok(())
}
