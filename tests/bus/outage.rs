//! Connections that break, stall and are refused: nothing is lost, and nothing piles up.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use lapin::BasicProperties;
use lapin::types::FieldTable;
use sagamore::advance::PUBLICATIONS_MAX;
use sagamore::store::Route;
use sagamore_interpreter::Input;
use sagamore_tests::proxy::Mode;

use crate::world::{Setup, World, eventually, soon};

const MESSAGES: u64 = 2_000;
/// Messages that are published and not yet confirmed, at most.
const WINDOW: usize = 256;

fn proxied() -> Setup {
    Setup {
        proxied: true,
        ..Setup::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_survive_connections_that_are_cut_while_they_are_sent() {
    let mut world = World::new(proxied()).await;
    let queue = world.queue("work", FieldTable::default()).await;
    let mut number = 0;
    for task in 0..MESSAGES {
        if task % 500 == 250 {
            world.proxy().cut();
        }
        (number, _) = world.send(Route::Queue(queue.clone()), task).await;
    }
    world.done(number).await;
    let count = world.client.count(&queue).await;
    let deliveries = world.client.take_many(&queue, count as usize).await;
    let text = |text: &Option<lapin::types::ShortString>| text.as_ref().unwrap().to_string();
    let ids = deliveries
        .iter()
        .map(|delivery| text(delivery.properties.message_id()));
    assert_eq!(ids.collect::<BTreeSet<_>>().len() as u64, MESSAGES);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_survive_connections_that_are_cut_while_they_are_taken() {
    let mut world = World::new(proxied()).await;
    let mut seen = BTreeSet::new();
    for task in 0..MESSAGES {
        if task % 500 == 250 {
            world.proxy().cut();
        }
        world.reply(task, b"1").await;
    }
    while (seen.len() as u64) < MESSAGES {
        if let (_, Input::Reply { task, .. }) = world.input().await {
            seen.insert(task.0);
        }
    }
    let gate = world.handle.gate().clone();
    soon("the gate opens", gate.wait_open()).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_confirm_was_lost_is_sent_again_under_its_id() {
    let mut world = World::new(proxied()).await;
    let queue = world.queue("work", FieldTable::default()).await;
    let (number, _) = world.send(Route::Queue(queue.clone()), 1).await;
    world.done(number).await;
    // The channel is open now: the next message passes, its confirm does not.
    world.proxy().set(Mode::Mute);
    let (number, message_id) = world.send(Route::Queue(queue.clone()), 2).await;
    world.client.take_many(&queue, 2).await;
    world.proxy().cut();
    world.proxy().set(Mode::Flow);
    let again = world.client.take(&queue).await;
    let again = again.properties.message_id().as_ref().unwrap();
    assert_eq!(again.as_str(), message_id);
    world.done(number).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gate_is_closed_while_the_broker_is_away() {
    let world = World::new(proxied()).await;
    let gate = world.handle.gate().clone();
    soon("the gate opens", gate.wait_open()).await;
    world.proxy().set(Mode::Refuse);
    world.proxy().cut();
    soon("the gate closes", gate.wait_closed()).await;
    eventually("the loss is known", || !world.handle.is_connected()).await;
    world.proxy().set(Mode::Flow);
    soon("the gate opens again", gate.wait_open()).await;
    eventually("the bus is connected again", || world.handle.is_connected()).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_stalls_makes_commits_wait() {
    let mut world = World::new(proxied()).await;
    let queue = world.queue("work", FieldTable::default()).await;
    let elsewhere = world.queue("elsewhere", FieldTable::default()).await;
    world.proxy().set(Mode::Stall);
    let taken = AtomicUsize::new(0);
    let sending = async {
        for task in 0..MESSAGES {
            world.send(Route::Queue(queue.clone()), task).await;
            taken.fetch_add(1, Ordering::Relaxed);
        }
    };
    let watching = async {
        let full = PUBLICATIONS_MAX + WINDOW;
        eventually("the outbox is full", || {
            taken.load(Ordering::Relaxed) >= full
        })
        .await;
        // Others still get their messages through, and meanwhile it takes nothing more.
        for _ in 0..20 {
            let nothing = BasicProperties::default();
            world.client.publish(&elsewhere, nothing, b"1").await;
            world.client.take(&elsewhere).await;
        }
        assert_eq!(taken.load(Ordering::Relaxed), full);
        world.proxy().cut();
        world.proxy().set(Mode::Flow);
    };
    tokio::join!(sending, watching);
    let all = || world.handle.counts().confirmed.get() == MESSAGES;
    eventually("all is confirmed", all).await;
    world.end().await;
}
