//! What happens to one task message, short of the broker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use backoff::ExponentialBackoffBuilder;
use backoff::backoff::Backoff;
use jiff::Timestamp;
use sagamore_messages::{Effect, Kind, Reply, TaskMessage};
use tracing::{debug, info, warn};

use crate::handler::{Handler, Outcome};
use crate::memory::{Closing, Opened, Visit};
use crate::{Context, Effects, Failure, Memory, MemoryError};

/// What a worker is told about itself before it starts.
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) memory: Memory,
    pub(crate) effects: Effects,
    pub(crate) queues: BTreeMap<String, Handlers>,
}

/// The handlers of one queue, which most often has one of the two.
#[derive(Clone, Default)]
pub(crate) struct Handlers {
    pub(crate) step: Option<Handler>,
    pub(crate) undo: Option<Handler>,
}

/// What to do about a task message. In each case it is acknowledged.
#[derive(Debug, PartialEq)]
pub(crate) enum Reaction {
    /// Reply first.
    Reply(Reply),
    /// Somebody else replies, later.
    Later,
    /// The coordinator no longer waits.
    Expired,
}

impl Service {
    /// Answers a message of `queue`, which waits for the memory as long as its deadline allows.
    pub(crate) async fn react(&self, queue: &str, message: &Arc<TaskMessage>) -> Reaction {
        let handlers = self.queues.get(queue);
        let handler = handlers.and_then(|handlers| match message.kind {
            Kind::Task => handlers.step.as_ref(),
            Kind::Compensation => handlers.undo.as_ref(),
        });
        let Some(handler) = handler else {
            let failure = Failure::no_handler(queue, message.kind.as_str());
            return Reaction::Reply(failure.into_reply());
        };
        let mut runs = 0;
        let mut backoff = ExponentialBackoffBuilder::new()
            .with_initial_interval(RETRY_DELAY_MIN)
            .with_max_interval(RETRY_DELAY_MAX)
            .with_max_elapsed_time(None)
            .build();
        loop {
            let error = match self.visit(handler, message, &mut runs).await {
                Ok(reaction) => return reaction,
                Err(error) => error,
            };
            warn!(
                error = &error as &dyn std::error::Error,
                "the memory failed; the message is held"
            );
            if runs >= RUNS_MAX {
                return Reaction::Reply(Failure::forgotten().into_reply());
            }
            let delay = backoff.next_backoff().unwrap_or(RETRY_DELAY_MAX);
            tokio::time::sleep(delay).await;
        }
    }

    async fn visit(
        &self,
        handler: &Handler,
        message: &Arc<TaskMessage>,
        runs: &mut u32,
    ) -> Result<Reaction, MemoryError> {
        if is_expired(message) {
            return Ok(Reaction::Expired);
        }
        let key = &message.idempotency_key;
        let compensates = message.compensates.as_deref();
        let opened = self.memory.open(&self.name, key, compensates, self.effects);
        match opened.await? {
            Opened::Answered(answer) => {
                debug!("answered from the memory");
                Ok(Reaction::Reply(Reply::Success(answer)))
            }
            Opened::Refused => {
                info!("refused: its undo came first");
                Ok(Reaction::Reply(Failure::compensated().into_reply()))
            }
            // It may have waited for its key.
            Opened::Run(visit) if is_expired(message) => {
                visit.close(Closing::Forgotten).await?;
                Ok(Reaction::Expired)
            }
            Opened::Run(visit) => {
                *runs += 1;
                run(handler, message, visit).await
            }
        }
    }
}

async fn run(
    handler: &Handler,
    message: &Arc<TaskMessage>,
    visit: Visit,
) -> Result<Reaction, MemoryError> {
    let step_answer = visit.step_answer().cloned();
    let context = Context::new(message.clone(), visit.work.clone(), step_answer);
    match handler.run(&message.body, context).await {
        Ok(Outcome::Done(answer)) => {
            visit.close(Closing::Answered(answer.clone())).await?;
            Ok(Reaction::Reply(Reply::Success(answer)))
        }
        Ok(Outcome::Later) => {
            visit.close(Closing::Kept).await?;
            Ok(Reaction::Later)
        }
        Err(failure) => {
            let closing = match failure.effect_or_none() {
                Effect::None => Closing::Forgotten,
                Effect::Committed => Closing::Kept,
                Effect::Unknown => Closing::Uncertain,
            };
            visit.close(closing).await?;
            info!(
                error = failure.error(),
                cause = failure.cause(),
                "the handler failed"
            );
            Ok(Reaction::Reply(failure.into_reply()))
        }
    }
}

/// Whether the coordinator has given up on this attempt, by this machine's clock. A deadline that can't be read is none.
fn is_expired(message: &TaskMessage) -> bool {
    let deadline = message.deadline.as_deref();
    let deadline = deadline.and_then(|text| text.parse::<Timestamp>().ok());
    deadline.is_some_and(|deadline| deadline <= Timestamp::now())
}

/// How often a handler runs for one delivery whose commit fails each time.
const RUNS_MAX: u32 = 3;
const RETRY_DELAY_MIN: Duration = Duration::from_millis(100);
const RETRY_DELAY_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
