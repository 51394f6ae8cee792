//! The post: what executions say to one another, and the executions that tasks start, become inputs of the lanes.
//!
//! A letter is written with the turn that says it and counts as unsent until the other execution has taken it, so it arrives
//! at least once whatever crashes; each input knows itself again. Letters that fit into memory go into the lanes in the order of
//! their commits; nothing depends on it.

use std::sync::Arc;
use std::time::Duration;

use backoff::ExponentialBackoffBuilder;
use backoff::backoff::Backoff as _;
use jiff::Timestamp;
use sagamore_interpreter::{
    Child, ClaimedEffect, CompensationEnd, ExecutionId, Input, Parent, Payload, Reply, Sequence,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::advance::{Advance, Error, Letters, NextLetter, Outbox, Publication, Request, What};
use crate::commands::{ApiError, Commands};
use crate::files::Files;
use crate::store::{Addressee, CoordinatorId, Outgoing, Route, Store};

/// What the post needs.
pub struct Post<S: Store> {
    /// Starts executions, and knows the store and the lanes.
    pub commands: Commands<S>,
    /// Whose letters.
    pub coordinator: CoordinatorId,
    /// Where they are noted as delivered.
    pub outbox: Outbox,
    /// Where they come from.
    pub letters: Letters,
    /// What Maps read.
    pub files: Files,
}

impl<S: Store> Post<S> {
    /// Delivers letters until told to stop; then waits for those under way. The others stay open, for whoever takes over.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut under_way = JoinSet::new();
        let asides = Arc::new(Semaphore::new(ASIDES_MAX));
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(_) = under_way.join_next() => {}
                next = self.letters.next(), if under_way.len() < WINDOW => {
                    let Some(next) = next else { break };
                    let handing_on = self.hand_on(next, &mut under_way, &stop, &asides);
                    if stop.run_until_cancelled(handing_on).await.is_none() {
                        break;
                    }
                }
            }
        }
        let ending = async { while under_way.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_MAX, ending).await.is_err() {
            tracing::warn!(
                "not all letters are delivered at the stop; another coordinator does it"
            );
        }
    }

    async fn hand_on(
        &self,
        next: NextLetter,
        under_way: &mut JoinSet<()>,
        stop: &CancellationToken,
        asides: &Arc<Semaphore>,
    ) {
        let letters = match next {
            NextLetter::Here(letter) => vec![letter],
            NextLetter::Stored(numbers) => self.read(&numbers).await,
        };
        for letter in letters {
            self.deliver(letter, under_way, stop, asides).await;
        }
    }

    /// Letters that did not fit into memory. Those that are gone are no longer wanted.
    async fn read(&self, numbers: &[u64]) -> Vec<Publication> {
        let mut pauses = pauses();
        loop {
            let unsent = self
                .commands
                .store()
                .unsent(self.coordinator, numbers)
                .await;
            match unsent {
                Ok(unsent) => {
                    let letters: Vec<Publication> =
                        unsent.into_iter().map(Publication::from).collect();
                    let is_gone = |number: &&u64| letters.iter().all(|it| it.number != **number);
                    numbers
                        .iter()
                        .filter(is_gone)
                        .for_each(|number| self.outbox.done(*number));
                    return letters;
                }
                Err(error) => {
                    tracing::debug!(%error, "the post waits for the store");
                    tokio::time::sleep(pauses.next_backoff().unwrap_or(PAUSE_MAX)).await;
                }
            }
        }
    }

    async fn deliver(
        &self,
        letter: Publication,
        under_way: &mut JoinSet<()>,
        stop: &CancellationToken,
        asides: &Arc<Semaphore>,
    ) {
        let (number, outbox) = (letter.number, self.outbox.clone());
        match letter.what {
            What::Event {
                to: Addressee::Execution(execution),
                body,
            } => {
                let input: Input = match serde_json::from_str(&body) {
                    Ok(input) => input,
                    Err(error) => {
                        tracing::error!(%execution, %error, "a letter is unreadable and is dropped");
                        return outbox.done(number);
                    }
                };
                let (advance, stop) = (self.commands.advance().clone(), stop.clone());
                let asides = Arc::clone(asides);
                let request = Request::new(execution, input.clone());
                if let Ok(answer) = advance.enqueue(request).await {
                    under_way.spawn(async move {
                        let first = answer.await.map(drop);
                        let delivering = until_taken(&advance, execution, input, first, asides);
                        if stop.run_until_cancelled(delivering).await == Some(true) {
                            outbox.done(number);
                        }
                    });
                }
            }
            What::Task {
                execution,
                wait,
                due,
                outgoing,
            } => {
                let (commands, stop) = (self.commands.clone(), stop.clone());
                let files = self.files.clone();
                under_way.spawn(async move {
                    let is_late = due.is_some_and(|due| due <= Timestamp::now());
                    let task = (execution, wait);
                    if is_late || do_task(&commands, &files, task, *outgoing, &stop).await {
                        outbox.done(number);
                    }
                });
            }
            // The publisher's; left open, it would be sent on a takeover.
            What::Event {
                to: Addressee::Listeners(_),
                ..
            } => {}
        }
    }
}

/// Gives a letter again for as long as its recipient is set aside: only one input of it is kept with it. False when another
/// coordinator has to.
async fn until_taken(
    advance: &Advance,
    execution: ExecutionId,
    input: Input,
    first: Result<(), Error>,
    asides: Arc<Semaphore>,
) -> bool {
    let mut answer = first;
    let mut place = None;
    loop {
        if let (Err(Error::UnknownExecution), Some((to, input))) =
            (&answer, answer_of_nobody(&input))
        {
            answer = advance.submit(Request::new(to, input)).await.map(drop);
        }
        if !matches!(answer, Err(Error::SetAside(_))) {
            return is_delivered(execution, answer);
        }
        if place.is_none() {
            // The others must get through.
            match asides.clone().try_acquire_owned() {
                Ok(free) => place = Some(free),
                Err(_) => return false,
            }
        }
        tokio::time::sleep(ASIDE_PAUSE).await;
        let request = Request::new(execution, input.clone());
        answer = advance.submit(request).await.map(drop);
    }
}

/// Does what a task asks of the coordinators themselves, and tells it what came of that, unless an execution does. False when
/// another coordinator has to.
async fn do_task<S: Store>(
    commands: &Commands<S>,
    files: &Files,
    (execution, task): (ExecutionId, Sequence),
    outgoing: Outgoing,
    stop: &CancellationToken,
) -> bool {
    let done = match outgoing.route {
        Route::Execution(child) => {
            let parent = Parent {
                execution,
                task,
                is_waited_for: child.is_waited_for,
                depth: child.depth,
            };
            let starting = try_start(commands, parent, &child, &outgoing.message.body);
            let started = stop.run_until_cancelled(starting).await;
            started.map(|started| started.err().map(refused))
        }
        Route::Files(call) => stop
            .run_until_cancelled(files.answer(commands.store(), call))
            .await
            .map(Some),
        Route::Queue(_) | Route::Exchange { .. } | Route::Review(_) => None,
    };
    let reply = match done {
        Some(Some(reply)) => reply,
        Some(None) => return true,
        None => return false,
    };
    let request = Request::new(
        execution,
        Input::Reply {
            task,
            reply,
            bytes: None,
        },
    );
    is_delivered(
        execution,
        commands.advance().submit(request).await.map(drop),
    )
}

/// What a task is told that asked for an execution which can't be started.
fn refused(error: ApiError) -> Reply {
    Reply::Failure {
        error: format!("StepFunctions.{}Exception", error.name),
        cause: Some(error.message),
        effect: ClaimedEffect::None,
    }
}

/// Tries for as long as it can't be done yet.
async fn try_start<S: Store>(
    commands: &Commands<S>,
    parent: Parent,
    child: &Child,
    input: &str,
) -> Result<(), ApiError> {
    let input: Payload = serde_json::from_str(input).map_err(|error| {
        ApiError::new(
            "InvalidExecutionInput",
            format!("Invalid State Machine Execution Input: '{error}'"),
        )
    })?;
    backoff::future::retry(pauses(), || async {
        let started = commands.start_child(parent, child, input.clone()).await;
        started.map_err(|error| match error.is_passing() {
            true => backoff::Error::transient(error),
            false => backoff::Error::permanent(error),
        })
    })
    .await
}

/// What is said to whom in place of an execution that there is not: one that never began has nothing to undo. Should it begin
/// yet, it says so, and is stopped.
pub fn answer_of_nobody(letter: &Input) -> Option<(ExecutionId, Input)> {
    match letter {
        Input::CompensateChild { parent, task, .. } => {
            let end = CompensationEnd::Undone;
            let input = Input::ChildCompensated { task: *task, end };
            Some((parent.execution, input))
        }
        _ => None,
    }
}

/// Whether a letter need not be sent again.
fn is_delivered(execution: ExecutionId, answer: Result<(), Error>) -> bool {
    match answer {
        Ok(()) => true,
        Err(Error::Stopping) => false,
        Err(error @ Error::UnknownExecution) => {
            // One that was to be started, and is no longer wanted.
            tracing::debug!(%execution, %error, "a letter was for nobody");
            true
        }
        Err(error @ Error::SetAside(_)) => {
            tracing::error!(%execution, %error, "a letter can't be taken");
            true
        }
    }
}

/// How long is waited between two tries to reach the store.
pub(crate) fn pauses() -> backoff::ExponentialBackoff {
    ExponentialBackoffBuilder::new()
        .with_initial_interval(PAUSE_MIN)
        .with_max_interval(PAUSE_MAX)
        .with_max_elapsed_time(None)
        .build()
}

/// Letters that are under way at a time.
const WINDOW: usize = 256;
/// Those of them that may be to executions that are set aside.
const ASIDES_MAX: usize = WINDOW / 2;
/// How long a letter to an execution that is set aside is kept before it is given again.
const ASIDE_PAUSE: Duration = Duration::from_secs(30);
/// The first pause between two tries to reach the store, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long what is under way may take at the stop.
const LAST_MAX: Duration = Duration::from_secs(10);
