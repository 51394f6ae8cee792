//! Scenes that chance plays too rarely.

use anyhow::{Context as _, Result, ensure};
use jiff::SignedDuration;
use sagamore_interpreter::{Event, Outcome, Reply};
use sagamore_tests::Audited;

use crate::broker::Message;
use crate::publishing::Fate;
use crate::world::World;

#[test]
fn a_message_that_came_back_and_was_not_handed_on_did_nothing() -> Result<()> {
    check_returned(false, Outcome::NotExecuted)
}

#[test]
fn a_message_that_came_back_after_another_took_it_over_may_have_run() -> Result<()> {
    check_returned(true, Outcome::Unknown)
}

/// The first coordinator writes a message and publishes it when its queue is gone, with or without a second one that has taken it over
/// and published it meanwhile.
fn check_returned(handed_on: bool, expected: Outcome) -> Result<()> {
    let mut world = asking()?;
    if handed_on {
        pass(&world, 6_000);
        world.nodes[1].renew()?;
        world.nodes[1].renew()?;
        world.publish_all(1, Fate::Confirmed)?;
        ensure!(
            world.broker.tasks.len() == 1,
            "the second sends the message"
        );
    }
    world.publish_all(0, Fate::Returned)?;
    world.finish(0)?;
    let rows = world.store.audit();
    let outcome = rows[0]
        .history
        .iter()
        .find_map(|record| match &record.event {
            Event::TaskFailed { outcome, .. } => Some(*outcome),
            _ => None,
        });
    let outcome = outcome.context("the task fails")?;
    ensure!(outcome == expected, "it is {outcome:?}");
    Ok(())
}

#[test]
fn a_heartbeat_that_waits_beside_its_timer_comes_first() -> Result<()> {
    let mut world = asking()?;
    world.publish_all(0, Fate::Confirmed)?;
    let token = world.broker.tasks[0].token.as_str().to_owned();
    pass(&world, 10_500);
    world.nodes[0].gate.open();
    world.nodes[0].fire(&world.store)?;
    let reply = Reply::Heartbeat;
    world.deliver(0, Message::Reply { token, reply })?;
    world.finish(0)?;
    world.take_answers()?;
    let row = &world.store.audit()[0];
    world.check_timeouts(row.execution.head.id, &row.history)?;
    ensure!(!has_timed_out(row), "the task waits on");

    pass(&world, 10_500);
    world.nodes[0].fire(&world.store)?;
    world.finish(0)?;
    ensure!(
        has_timed_out(&world.store.audit()[0]),
        "the next one is missed"
    );
    Ok(())
}

/// A world whose first coordinator has just written the message of a task.
fn asking() -> Result<World> {
    let mut world = World::of(DEFINITION)?;
    world.nodes[0].renew()?;
    world.deliver(0, Message::Start { execution: 0 })?;
    world.finish(0)?;
    world.take_answers()?;
    Ok(world)
}

fn has_timed_out(row: &Audited) -> bool {
    let mut records = row.history.iter();
    records.any(|record| matches!(record.event, Event::TaskTimedOut { .. }))
}

fn pass(world: &World, milliseconds: i64) {
    let now = world.store.now();
    world
        .store
        .set_now(now + SignedDuration::from_millis(milliseconds));
}

const DEFINITION: &str = r#"{
    "StartAt": "Ask",
    "States": {
        "Ask": {
            "Type": "Task",
            "Resource": "queue:ask",
            "TimeoutSeconds": 60,
            "HeartbeatSeconds": 10,
            "Compensate": { "Resource": "queue:take-back" },
            "End": true
        }
    }
}"#;
