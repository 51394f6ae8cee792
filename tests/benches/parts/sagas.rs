//! Sagas of as many steps as there are queues, run alone or some at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use sagamore_tests::live::Client;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::ends::Ends;
use super::figures::Figures;

/// The sagas of a run.
pub struct Sagas {
    /// Where they run.
    pub client: Client,
    /// The machine they run on.
    pub machine: String,
    /// How their ends are known.
    pub ends: Ends,
    /// How many were started.
    pub started: AtomicUsize,
}

impl Sagas {
    /// Runs one; how long it took.
    pub async fn run(&self) -> Result<Duration> {
        let name = format!("saga-{}", self.started.fetch_add(1, Ordering::Relaxed));
        let end = self.ends.expect(&name);
        let input = json!({ "applicant": name, "amount": 20_000, "text": "x".repeat(200) });
        let start = json!({
            "stateMachineArn": self.machine,
            "name": name,
            "input": input.to_string(),
        });
        let begun = Instant::now();
        self.client.call("StartExecution", &start).await?;
        end.await.context("the events ended")?;
        Ok(begun.elapsed())
    }

    /// Runs `count`, `at_a_time` at a time; how long each took, and all.
    pub async fn run_together(
        self: &Arc<Self>,
        count: usize,
        at_a_time: usize,
    ) -> Result<(Figures, Duration)> {
        let mut running = JoinSet::new();
        let begun = Instant::now();
        for _ in 0..at_a_time {
            let sagas = Arc::clone(self);
            running.spawn(async move {
                let mut took = Vec::new();
                for _ in 0..count / at_a_time {
                    took.push(sagas.run().await?);
                }
                anyhow::Ok(took)
            });
        }
        let mut figures = Figures::default();
        while let Some(took) = running.join_next().await {
            took??.into_iter().for_each(|took| figures.note(took));
        }
        Ok((figures, begun.elapsed()))
    }
}

/// A chain of one step per queue.
pub fn chain(queues: &[String]) -> Value {
    let states = queues.iter().enumerate().map(|(step, queue)| {
        let mut state = json!({ "Type": "Task", "Resource": format!("queue:{queue}") });
        if step + 1 < queues.len() {
            state["Next"] = json!(format!("Step{}", step + 1));
        } else {
            state["End"] = json!(true);
        }
        (format!("Step{step}"), state)
    });
    let states: serde_json::Map<String, Value> = states.collect();
    json!({ "StartAt": "Step0", "States": states })
}
