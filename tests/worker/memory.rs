//! The memory of answers in Postgres: several messages, several workers, at once.

use std::sync::Arc;

use anyhow::Result;
use sagamore_messages::Reply;
use sagamore_worker::{Context, Effects, Failure};
use serde_json::json;
use tokio::sync::Notify;

use crate::bench::{Bench, enter, told};

#[tokio::test]
async fn duplicate_delivery_is_answered_the_same() -> Result<()> {
    let mut bench = Bench::new().await?;
    let running = bench
        .bookkeeper(Effects::InTransaction)
        .await?
        .start()
        .await?;
    for _ in 0..3 {
        assert_eq!(told(&bench.ask(&bench.step("k", 1)).await?), "success 1");
    }
    assert_eq!(bench.effects("k").await?, 1);
    running.stop().await;
    Ok(())
}

#[tokio::test]
async fn attempts_at_once_over_two_workers_run_once() -> Result<()> {
    for effects in [Effects::Anywhere, Effects::InTransaction] {
        let mut bench = Bench::new().await?;
        let workers = [
            bench.bookkeeper(effects).await?.start().await?,
            bench.bookkeeper(effects).await?.start().await?,
        ];
        for key in 0..10 {
            for attempt in 0..10 {
                bench.send(&bench.step(&key.to_string(), attempt)).await?;
            }
        }
        for _ in 0..100 {
            assert_eq!(told(&bench.reply().await?.1), "success 1");
        }
        for key in 0..10 {
            assert_eq!(bench.effects(&key.to_string()).await?, 1);
        }
        for worker in workers {
            worker.stop().await;
        }
    }
    Ok(())
}

/// Whichever comes first, the step or its undo: nothing of it is left, and the step runs never again.
#[tokio::test]
async fn a_step_and_its_undo_at_once_leave_nothing() -> Result<()> {
    for effects in [Effects::Anywhere, Effects::InTransaction] {
        let mut bench = Bench::new().await?;
        let workers = [
            bench.bookkeeper(effects).await?.start().await?,
            bench.bookkeeper(effects).await?.start().await?,
        ];
        for key in 0..60 {
            let (step, undo) = (
                bench.step(&key.to_string(), 1),
                bench.undo(&key.to_string(), 1),
            );
            let (first, second) = if key % 2 == 0 {
                (step, undo)
            } else {
                (undo, step)
            };
            tokio::try_join!(bench.send(&first), bench.send(&second))?;
        }
        for _ in 0..120 {
            let (token, reply) = bench.reply().await?;
            let expected = ["success 1", "success -1", NOTHING, REFUSED];
            assert!(
                expected.contains(&told(&reply).as_str()),
                "{token}: {reply:?}"
            );
        }
        for key in 0..60 {
            let late = bench.step(&key.to_string(), 2);
            assert_eq!(told(&bench.ask(&late).await?), REFUSED);
            assert_eq!(bench.effects(&key.to_string()).await?, 0);
        }
        for worker in workers {
            worker.stop().await;
        }
    }
    Ok(())
}

#[tokio::test]
async fn late_step_after_its_undo_is_refused() -> Result<()> {
    let mut bench = Bench::new().await?;
    let running = bench
        .bookkeeper(Effects::InTransaction)
        .await?
        .start()
        .await?;
    assert_eq!(told(&bench.ask(&bench.undo("k", 1)).await?), NOTHING);
    assert_eq!(told(&bench.ask(&bench.step("k", 1)).await?), REFUSED);
    assert_eq!(told(&bench.ask(&bench.undo("k", 2)).await?), NOTHING);
    assert_eq!(bench.effects("k").await?, 0);
    running.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_later_round_undoes_nothing_twice() -> Result<()> {
    let mut bench = Bench::new().await?;
    let running = bench
        .bookkeeper(Effects::InTransaction)
        .await?
        .start()
        .await?;
    assert_eq!(told(&bench.ask(&bench.step("k", 1)).await?), "success 1");
    assert_eq!(told(&bench.ask(&bench.undo("k", 1)).await?), "success -1");
    assert_eq!(told(&bench.ask(&bench.undo("k", 1)).await?), "success -1");
    assert_eq!(told(&bench.ask(&bench.undo("k", 2)).await?), NOTHING);
    assert_eq!(bench.effects("k").await?, 0);
    running.stop().await;
    Ok(())
}

/// The work of a failed attempt is gone; of one that failed with its effect committed it stays.
#[tokio::test]
async fn a_failure_takes_its_work_back_unless_it_says_otherwise() -> Result<()> {
    for (effects, effect, left) in [
        (Effects::InTransaction, "none", 0),
        (Effects::Anywhere, "none", 0),
        (Effects::InTransaction, "unknown", 0),
        (Effects::Anywhere, "committed", 1),
        (Effects::InTransaction, "committed", 1),
    ] {
        let mut bench = Bench::new().await?;
        let name = bench.name.clone();
        let worker = bench
            .worker()
            .await?
            .effects(effects)
            .on(&bench.steps(), move |(): (), context| {
                fail(name.clone(), context, effect)
            });
        let running = worker.start().await?;
        let reply = bench.ask(&bench.step("k", 1)).await?;
        assert_eq!(told(&reply), format!("failure Step.Failed {effect}"));
        assert_eq!(bench.effects("k").await?, left, "{effects:?} {effect}");
        running.stop().await;
    }
    Ok(())
}

async fn fail(service: String, context: Context, effect: &'static str) -> Result<(), Failure> {
    enter(service, context, 1).await?;
    let effect = sagamore_worker::Effect::parse(effect).expect("an effect");
    Err(Failure::new("Step.Failed", "as the test wants it").effect(effect))
}

/// A statement that failed spoils the transaction: the handler's `?` says so, and the next attempt runs.
#[tokio::test]
async fn a_failed_statement_is_a_failure_and_not_the_end() -> Result<()> {
    let mut bench = Bench::new().await?;
    let worker = bench
        .worker()
        .await?
        .on(&bench.steps(), |(): (), context: Context| async move {
            let mut postgres = context.postgres().await.expect("the memory is in Postgres");
            if context.attempt() == 1 {
                sqlx::query("SELECT 1 / 0").execute(&mut *postgres).await?;
            }
            Ok(context.attempt())
        });
    let running = worker.start().await?;
    assert_eq!(
        told(&bench.ask(&bench.step("k", 1)).await?),
        "failure Worker.Database unknown"
    );
    assert_eq!(told(&bench.ask(&bench.step("k", 2)).await?), "success 2");
    running.stop().await;
    Ok(())
}

/// A handler that hides a failed statement can't commit: it is not believed.
#[tokio::test]
async fn a_success_that_cannot_commit_is_a_failure() -> Result<()> {
    let mut bench = Bench::new().await?;
    let worker = bench
        .worker()
        .await?
        .on(&bench.steps(), |(): (), context: Context| async move {
            let mut postgres = context.postgres().await.expect("the memory is in Postgres");
            let _ = sqlx::query("SELECT 1 / 0").execute(&mut *postgres).await;
            Ok(())
        });
    let running = worker.start().await?;
    assert_eq!(
        told(&bench.ask(&bench.step("k", 1)).await?),
        "failure Worker.MemoryFailed unknown"
    );
    running.stop().await;
    Ok(())
}

#[tokio::test]
async fn an_undo_waits_for_the_running_step_of_another_worker() -> Result<()> {
    let mut bench = Bench::new().await?;
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (name, signals) = (bench.name.clone(), (begun.clone(), go.clone()));
    let slow = bench.worker().await?.effects(Effects::InTransaction);
    let slow = slow.on(&bench.steps(), move |(): (), context| {
        let (name, (begun, go)) = (name.clone(), signals.clone());
        async move {
            begun.notify_one();
            go.notified().await;
            enter(name, context, 1).await
        }
    });
    let slow = slow.start().await?;
    let (name, url) = (bench.name.clone(), named(&bench.name)?);
    let memory = sagamore_worker::Memory::postgres(&url, 5).await?;
    let other = sagamore_worker::Worker::new(&bench.name, &crate::bench::amqp_url()?, memory);
    let other = other.undo(&bench.undos(), move |(): (), context| {
        enter(name.clone(), context, -1)
    });
    let other = other.start().await?;

    bench.send(&bench.step("k", 1)).await?;
    begun.notified().await;
    bench.send(&bench.undo("k", 1)).await?;
    bench.until_somebody_waits(&bench.name).await?;
    go.notify_one();
    let mut replies = [told(&bench.reply().await?.1), told(&bench.reply().await?.1)];
    replies.sort();
    assert_eq!(replies, ["success -1", "success 1"]);
    assert_eq!(bench.effects("k").await?, 0);
    slow.stop().await;
    other.stop().await;
    Ok(())
}

/// The process dies while the handler runs: what it did elsewhere may be there, so its undo runs.
#[test]
fn a_step_that_died_is_undone() -> Result<()> {
    let tests = tokio::runtime::Runtime::new()?;
    let doomed = tokio::runtime::Runtime::new()?;
    let mut bench = tests.block_on(Bench::new())?;
    let begun = Arc::new(Notify::new());
    let signal = begun.clone();
    let worker = doomed
        .block_on(bench.worker())?
        .on(&bench.steps(), move |(): (), _| {
            let signal = signal.clone();
            async move {
                signal.notify_one();
                std::future::pending::<Result<(), Failure>>().await
            }
        });
    let running = doomed.block_on(worker.start())?;
    tests.block_on(async {
        bench.send(&bench.step("k", 1)).await?;
        begun.notified().await;
        anyhow::Ok(())
    })?;
    doomed.shutdown_background();
    drop(running);
    tests.block_on(async {
        let undo = bench
            .worker()
            .await?
            .undo(&bench.undos(), |(): (), _| async { Ok("undone") });
        let running = undo.start().await?;
        let reply = bench.ask(&bench.undo("k", 1)).await?;
        assert_eq!(reply, Reply::Success(json!("undone")));
        running.stop().await;
        Ok(())
    })
}

/// The database's address, its connections to be known by `name`.
fn named(name: &str) -> Result<String> {
    let url = crate::bench::database_url()?;
    let separator = if url.contains('?') { '&' } else { '?' };
    Ok(format!("{url}{separator}application_name={name}"))
}

const NOTHING: &str = r#"success {"nothing_to_undo":true}"#;
const REFUSED: &str = "failure Worker.Compensated none";
