//! A lane: one batch after the other. A batch that fails is halved until the one input that is to blame stands alone.

use std::time::Duration;

use backoff::ExponentialBackoffBuilder;
use backoff::backoff::Backoff;
use sagamore_interpreter::Input;
use tokio::sync::mpsc;

use super::batch::{Batcher, Committed, Failed};
use super::{BATCH_INPUTS_MAX, Error, Job};
use crate::store::{self, SetAside, Store};

/// The longest pause between two tries to reach the store.
const PAUSE_MAX: Duration = Duration::from_secs(2);

pub(super) async fn run<S: Store>(mut batcher: Batcher<S>, mut inputs: mpsc::Receiver<Job>) {
    let mut jobs = Vec::with_capacity(BATCH_INPUTS_MAX);
    while inputs.recv_many(&mut jobs, BATCH_INPUTS_MAX).await > 0 {
        // What the world did comes before what did not happen: a reply that is there beats its timeout.
        jobs.sort_by_key(|job| matches!(job.request.input, Input::Due { .. }));
        take(&mut batcher, std::mem::take(&mut jobs)).await;
    }
}

async fn take<S: Store>(batcher: &mut Batcher<S>, jobs: Vec<Job>) {
    let mut open = vec![jobs];
    let mut pauses = ExponentialBackoffBuilder::new()
        .with_initial_interval(Duration::from_millis(20))
        .with_max_interval(PAUSE_MAX)
        .with_max_elapsed_time(None)
        .build();
    while let Some(mut jobs) = open.pop() {
        let requests: Vec<_> = jobs.iter().map(|job| &job.request).collect();
        match batcher.take(&requests).await {
            Ok(committed) => {
                pauses.reset();
                finish(batcher, jobs, committed).await;
            }
            Err(Failed::Input { index, problem }) => {
                let job = jobs.remove(index);
                set_aside(batcher, job, problem).await;
                if !jobs.is_empty() {
                    open.push(jobs);
                }
            }
            Err(Failed::Store(store::Error::Unavailable(source))) => {
                tracing::warn!(error = %Chain(source.as_ref()), inputs = jobs.len(), "the store is away; inputs are held");
                tokio::time::sleep(pauses.next_backoff().unwrap_or(PAUSE_MAX)).await;
                open.push(jobs);
            }
            Err(Failed::Store(
                error @ (store::Error::Refused(_) | store::Error::Corrupt { .. }),
            )) => {
                if jobs.len() == 1 {
                    let problem = Chain(&error).to_string();
                    set_aside(batcher, jobs.remove(0), problem).await;
                } else {
                    let second = jobs.split_off(jobs.len() / 2);
                    // The first half is taken first: the order within an execution stays.
                    open.push(second);
                    open.push(jobs);
                }
            }
        }
    }
    send_doubtful(batcher).await;
}

/// Sends what a transaction committed that seemed to fail.
async fn send_doubtful<S: Store>(batcher: &mut Batcher<S>) {
    loop {
        match batcher.resolve_doubt().await {
            Ok(publications) => {
                for publication in publications {
                    batcher.outbox().send(publication).await;
                }
                return;
            }
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "what was committed last is not known yet");
                tokio::time::sleep(PAUSE_MAX).await;
            }
        }
    }
}

async fn finish<S: Store>(batcher: &Batcher<S>, jobs: Vec<Job>, committed: Committed) {
    for (job, answer) in jobs.into_iter().zip(committed.answers) {
        // Whoever asked may have gone away; the turn is committed all the same.
        let _ = job.answer.send(answer);
    }
    if let Some(due) = committed.next_due {
        batcher.alarm().set(due);
    }
    for publication in committed.publications {
        batcher.outbox().send(publication).await;
    }
}

/// The input can't be taken: its execution is shown as an incident, and all others go on.
async fn set_aside<S: Store>(batcher: &Batcher<S>, job: Job, problem: String) {
    let execution = job.request.execution;
    tracing::error!(%execution, problem, "an input can't be taken and is set aside");
    let aside = SetAside {
        execution,
        input: job.request.input,
        problem: problem.clone(),
    };
    // A client learns of it by its answer, and may ask again.
    if !matches!(
        aside.input,
        Input::Start(_) | Input::Stop { .. } | Input::RetryIncident { .. }
    ) {
        loop {
            match batcher.store().set_aside(&aside).await {
                Err(store::Error::Unavailable(_)) => tokio::time::sleep(PAUSE_MAX).await,
                Err(error) => {
                    tracing::error!(%execution, error = %Chain(&error), "the incident can't be written");
                    break;
                }
                Ok(()) => break,
            }
        }
    }
    let _ = job.answer.send(Err(Error::SetAside(problem)));
}

/// An error with its sources, for the log.
struct Chain<'a>(&'a (dyn std::error::Error + 'a));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(formatter, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
