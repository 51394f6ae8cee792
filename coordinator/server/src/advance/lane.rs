//! A lane: one batch after the other. A batch that fails is halved until the one input that is to blame stands alone.
//!
//! A lane moves by steps, so that the simulation can take its place and stop between any two of them; [`run`] takes
//! the steps one after the other, and sleeps where the store is away.

use std::time::Duration;

use backoff::ExponentialBackoffBuilder;
use backoff::backoff::Backoff;
use sagamore_interpreter::{ExecutionId, Input};
use tokio::sync::{mpsc, oneshot};

use super::batch::{Batcher, Committed, Failed};
use super::{Answer, BATCH_INPUTS_MAX, Error, Request};
use crate::store::{self, SetAside, Store};

/// An input in a lane, and who waits for its answer.
pub struct Job {
    request: Request,
    answer: oneshot::Sender<Result<Answer, Error>>,
}

/// A lane between two steps.
///
/// Dropped, it ends as a crash would: what is committed and not yet handed on is found by whoever takes over.
pub struct Lane<S: Store> {
    batcher: Batcher<S>,
    /// What is to be taken; the next batch is the last.
    open: Vec<Vec<Job>>,
    /// What comes of the last commit or fault, before anything else is taken.
    next: Option<Next>,
}

/// What a lane has to do before it takes more.
enum Next {
    /// The answers are given, the messages are sent.
    HandOn(Vec<Job>, Committed),
    /// The input can't be taken: its execution is shown as an incident, and all others go on.
    SetAside(Box<Job>, String),
}

/// What a step of a lane did.
#[derive(Debug)]
pub enum Step {
    /// Something; there may be more to do.
    Progressed,
    /// Nothing, for the store failed: the same step is to be tried again.
    Held(store::Error),
    /// Nothing: all that was put in is done.
    Idle,
}

pub(super) async fn run<S: Store>(batcher: Batcher<S>, mut inputs: mpsc::Receiver<Job>) {
    let mut lane = Lane::new(batcher);
    let mut jobs = Vec::with_capacity(BATCH_INPUTS_MAX);
    while inputs.recv_many(&mut jobs, BATCH_INPUTS_MAX).await > 0 {
        lane.put(std::mem::take(&mut jobs));
        finish(&mut lane).await;
    }
}

/// Takes steps until all is done.
async fn finish<S: Store>(lane: &mut Lane<S>) {
    let mut pauses = ExponentialBackoffBuilder::new()
        .with_initial_interval(PAUSE_MIN)
        .with_max_interval(PAUSE_MAX)
        .with_max_elapsed_time(None)
        .build();
    loop {
        match lane.step().await {
            Step::Progressed => pauses.reset(),
            Step::Held(error) => {
                tracing::warn!(error = %Chain(&error), inputs = lane.inputs(), "the store is away; inputs are held");
                tokio::time::sleep(pauses.next_backoff().unwrap_or(PAUSE_MAX)).await;
            }
            Step::Idle => return,
        }
    }
}

impl Job {
    /// An input, and the end at which its answer comes out.
    pub fn new(request: Request) -> (Job, oneshot::Receiver<Result<Answer, Error>>) {
        let (answer, answered) = oneshot::channel();
        (Job { request, answer }, answered)
    }

    /// Whose input it is.
    pub(super) fn execution(&self) -> ExecutionId {
        self.request.execution
    }

    /// The input, and where its answer goes.
    pub(super) fn into_parts(self) -> (Input, oneshot::Sender<Result<Answer, Error>>) {
        (self.request.input, self.answer)
    }
}

impl<S: Store> Lane<S> {
    /// A lane that holds nothing.
    pub fn new(batcher: Batcher<S>) -> Lane<S> {
        Lane {
            batcher,
            open: Vec::new(),
            next: None,
        }
    }

    /// Puts in what is taken after all that was put in before.
    pub fn put(&mut self, mut jobs: Vec<Job>) {
        // What the world did comes before what did not happen: a reply that is there beats its timeout.
        jobs.sort_by_key(|job| matches!(job.request.input, Input::Due { .. }));
        if !jobs.is_empty() {
            self.open.insert(0, jobs);
        }
    }

    /// How many inputs are still to be taken.
    fn inputs(&self) -> usize {
        self.open.iter().map(Vec::len).sum()
    }

    /// Does the next thing: takes a batch, hands on what was committed, or finds out what was.
    pub async fn step(&mut self) -> Step {
        match self.next.take() {
            Some(Next::HandOn(jobs, committed)) => self.hand_on(jobs, committed).await,
            Some(Next::SetAside(job, problem)) => self.set_aside(job, problem).await,
            None => match self.open.pop() {
                Some(jobs) => self.take(jobs).await,
                None => self.send_doubtful().await,
            },
        }
    }

    async fn take(&mut self, mut jobs: Vec<Job>) -> Step {
        let requests: Vec<_> = jobs.iter().map(|job| &job.request).collect();
        match self.batcher.take(&requests).await {
            Ok(committed) => self.next = Some(Next::HandOn(jobs, committed)),
            Err(Failed::Input { index, problem }) => {
                let job = Box::new(jobs.remove(index));
                self.next = Some(Next::SetAside(job, problem));
                if !jobs.is_empty() {
                    self.open.push(jobs);
                }
            }
            Err(Failed::Store(error @ store::Error::Unavailable(_))) => {
                self.open.push(jobs);
                return Step::Held(error);
            }
            Err(Failed::Store(
                error @ (store::Error::Refused(_) | store::Error::Corrupt { .. }),
            )) => {
                if jobs.len() == 1 {
                    let problem = Chain(&error).to_string();
                    self.next = Some(Next::SetAside(Box::new(jobs.remove(0)), problem));
                } else {
                    let second = jobs.split_off(jobs.len() / 2);
                    // The first half is taken first: the order within an execution stays.
                    self.open.push(second);
                    self.open.push(jobs);
                }
            }
        }
        Step::Progressed
    }

    async fn hand_on(&mut self, jobs: Vec<Job>, committed: Committed) -> Step {
        for (job, answer) in jobs.into_iter().zip(committed.answers) {
            // Whoever asked may have gone away; the turn is committed all the same.
            let _ = job.answer.send(answer);
        }
        if let Some(due) = committed.next_due {
            self.batcher.alarm().set(due);
        }
        for publication in committed.publications {
            self.batcher.outbox().send(publication).await;
        }
        Step::Progressed
    }

    /// Sends what a transaction committed that seemed to fail.
    async fn send_doubtful(&mut self) -> Step {
        if !self.batcher.is_in_doubt() {
            return Step::Idle;
        }
        match self.batcher.resolve_doubt().await {
            Ok(publications) => {
                for publication in publications {
                    self.batcher.outbox().send(publication).await;
                }
                Step::Progressed
            }
            Err(error) => Step::Held(error),
        }
    }

    async fn set_aside(&mut self, job: Box<Job>, problem: String) -> Step {
        let Request {
            execution, input, ..
        } = &job.request;
        tracing::error!(%execution, problem, "an input can't be taken and is set aside");
        // A client learns of it by its answer, and may ask again.
        if !matches!(
            input,
            Input::Start(_)
                | Input::Stop { parent: None, .. }
                | Input::RetryIncident { .. }
                | Input::SettleIncident { .. }
        ) {
            let aside = SetAside {
                execution: *execution,
                input: input.clone(),
                problem: problem.clone(),
            };
            match self.batcher.store().set_aside(&aside).await {
                Ok(()) => {}
                Err(error @ store::Error::Unavailable(_)) => {
                    self.next = Some(Next::SetAside(job, problem));
                    return Step::Held(error);
                }
                Err(error) => {
                    tracing::error!(%execution, error = %Chain(&error), "the incident can't be written");
                }
            }
        }
        let _ = job.answer.send(Err(Error::SetAside(problem)));
        Step::Progressed
    }
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

/// The first pause between two tries to reach the store, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(2);
