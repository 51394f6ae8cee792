//! The publisher: takes what was committed from the outbox and sees each message through to the broker's confirm.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sagamore_interpreter::{ExecutionId, Input, Sequence};
use sagamore_messages::Properties;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::convert::outgoing;
use super::counts::Counts;
use super::grace::{Grace, Waited};
use super::lines::{Lines, Message, Sent};
use super::run::{Calls, Settings, StillOpen, Submit};
use super::session::Pauses;
use crate::advance::{Error as AdvanceError, Outbox, Publication, What};
use crate::store::{Addressee, Outgoing, Route};

/// Publishes the outbox.
pub(super) struct Publisher {
    lines: Lines,
    outbox: Outbox,
    submit: Submit,
    still_open: StillOpen,
    grace: Grace,
    events: String,
    counts: Arc<Counts>,
    window: Arc<Semaphore>,
}

/// A task message on its way.
struct Task {
    execution: ExecutionId,
    wait: Sequence,
    due: Option<Timestamp>,
    outgoing: Box<Outgoing>,
    tries: Tries,
}

/// What is known of the publishes of one task message.
#[derive(Debug, Clone, Copy, Default)]
struct Tries {
    /// Publishes that came back: surely nobody got them.
    returned: u32,
    /// Publishes that were refused: surely nobody got them.
    refused: u32,
    /// Whether another publish may have reached somebody.
    perhaps_sent: bool,
}

/// What is left to do for a task message.
enum Then {
    /// Nothing: it is done.
    Done,
    /// Its task is told, then it is done.
    Tell(Input),
    /// Nothing, and it stays open for the coordinator that takes over.
    Leave,
}

impl Publisher {
    pub(super) fn new(
        settings: &Settings,
        calls: &Calls,
        lines: Lines,
        outbox: Outbox,
        counts: Arc<Counts>,
    ) -> Publisher {
        Publisher {
            grace: Grace::new(lines.clone(), settings.unroutable_grace),
            lines,
            outbox,
            submit: Arc::clone(&calls.submit),
            still_open: Arc::clone(&calls.still_open),
            events: settings.names.events(),
            counts,
            window: Arc::new(Semaphore::new(WINDOW)),
        }
    }

    /// Publishes until `stop`, then what is in the outbox, for 10 s at most.
    ///
    /// What is taken is bounded by the window: while the broker takes nothing, the outbox fills and commits wait.
    pub(super) async fn run(
        self: Arc<Self>,
        mut publications: mpsc::Receiver<Publication>,
        stop: &CancellationToken,
    ) {
        let mut under_way = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = under_way.join_next() => report(ended),
                next = self.next(&mut publications) => match next {
                    Some((publication, place)) => {
                        let publisher = Arc::clone(&self);
                        under_way.spawn(publisher.publish(publication, place, stop.clone()));
                    }
                    None => break,
                },
            }
        }
        let last = async {
            loop {
                while let Ok(publication) = publications.try_recv() {
                    let place = self.place().await;
                    let publisher = Arc::clone(&self);
                    under_way.spawn(publisher.publish(publication, place, stop.clone()));
                }
                match under_way.join_next().await {
                    Some(ended) => report(ended),
                    None => break,
                }
            }
        };
        if tokio::time::timeout(LAST_MAX, last).await.is_err() {
            tracing::warn!(
                "messages are not confirmed at the stop; another coordinator sends them"
            );
        }
    }

    async fn next(
        &self,
        publications: &mut mpsc::Receiver<Publication>,
    ) -> Option<(Publication, OwnedSemaphorePermit)> {
        let place = self.place().await;
        Some((publications.recv().await?, place))
    }

    async fn place(&self) -> OwnedSemaphorePermit {
        let place = Arc::clone(&self.window).acquire_owned().await;
        place.expect("the window is never closed")
    }

    async fn publish(
        self: Arc<Self>,
        publication: Publication,
        place: OwnedSemaphorePermit,
        stop: CancellationToken,
    ) {
        let number = publication.number;
        match publication.what {
            What::Task {
                execution,
                wait,
                due,
                outgoing,
            } => {
                let mut task = Task {
                    execution,
                    wait,
                    due,
                    outgoing,
                    tries: Tries::default(),
                };
                match self.see_through(&mut task, place, &stop).await {
                    Then::Done => self.outbox.done(number),
                    Then::Tell(input) => {
                        if self.tell(execution, input).await {
                            self.outbox.done(number);
                        }
                    }
                    Then::Leave => {}
                }
            }
            What::Event {
                to: Addressee::Listeners(routing_key),
                body,
            } => {
                if self.publish_event(&routing_key, &body).await {
                    self.outbox.done(number);
                }
            }
            // The post's; left open, it would be sent on a takeover.
            What::Event {
                to: Addressee::Execution(_),
                ..
            } => {}
        }
    }

    /// Publishes a task message until it is clear what became of it. Gives its place in the window back before it
    /// waits for anything but the broker: a commit may be waiting for the window.
    async fn see_through(
        &self,
        task: &mut Task,
        place: OwnedSemaphorePermit,
        stop: &CancellationToken,
    ) -> Then {
        let mut place = Some(place);
        let mut pauses = Pauses::of_message();
        let mut unroutable_since = None;
        for first in std::iter::once(true).chain(std::iter::repeat(false)) {
            if !first && !(self.still_open)(task.execution, task.wait).await {
                return Then::Done;
            }
            let Some(expires_in) = left(task.due, Timestamp::now()) else {
                // Its time is up, and its timer says so.
                return Then::Done;
            };
            if place.is_none() {
                place = Some(self.place().await);
            }
            match self.try_once(task, expires_in).await {
                Sent::Confirmed => {
                    self.counts.confirmed.one_more();
                    return task.confirmed();
                }
                Sent::Nacked => {
                    task.tries.perhaps_sent = true;
                    pauses.sleep().await;
                }
                Sent::Lost { perhaps_sent } => {
                    task.tries.perhaps_sent |= perhaps_sent;
                    pauses.sleep().await;
                }
                Sent::Returned | Sent::NoExchange => {
                    self.counts.returned.one_more();
                    task.tries.returned += 1;
                    place = None;
                    let since = *unroutable_since.get_or_insert_with(Instant::now);
                    let waiting = self.grace.wait(&task.outgoing.route, since);
                    match stop.run_until_cancelled(waiting).await {
                        Some(Waited::There) => {}
                        Some(Waited::Over) => return task.unroutable("no such queue or exchange"),
                        None => return Then::Leave,
                    }
                }
                Sent::Refused(problem) => {
                    self.counts.refused.one_more();
                    task.tries.refused += 1;
                    if task.tries.refused == REFUSALS_MAX {
                        return task.unroutable(&problem);
                    }
                }
                Sent::Stopped => return Then::Leave,
            }
        }
        Then::Leave
    }

    async fn try_once(&self, task: &Task, expires_in: Option<u64>) -> Sent {
        let message = &task.outgoing.message;
        let (exchange, routing_key, mandatory) = match &task.outgoing.route {
            Route::Queue(queue) => ("", queue.as_str(), true),
            Route::Exchange {
                exchange,
                routing_key,
            } => (exchange.as_str(), routing_key.as_str(), false),
            Route::Review(_) | Route::Execution(_) | Route::Files(_) => {
                return Sent::Refused("a review or an execution is no message".to_owned());
            }
        };
        let properties = match outgoing(&message.properties(expires_in)) {
            Ok(properties) => properties,
            Err(error) => return Sent::Refused(error.to_string()),
        };
        let message = Message {
            exchange,
            routing_key,
            mandatory,
            properties,
            body: message.body.as_bytes(),
        };
        self.lines.publish(message).await
    }

    /// Tells a task what became of its message. False when it has to be told by another coordinator.
    async fn tell(&self, execution: ExecutionId, input: Input) -> bool {
        match (self.submit)(execution, input).await {
            Ok(_) => true,
            Err(AdvanceError::Stopping) => false,
            Err(error @ (AdvanceError::UnknownExecution | AdvanceError::SetAside(_))) => {
                tracing::error!(%execution, %error, "failed to tell a task what became of its message");
                true
            }
        }
    }

    /// Publishes an event until the broker has it. False when the bus stops before.
    async fn publish_event(&self, routing_key: &str, body: &str) -> bool {
        let properties = Properties {
            content_type: Some("application/cloudevents+json".to_owned()),
            delivery_mode: Some(2),
            ..Properties::default()
        };
        let message = Message {
            exchange: &self.events,
            routing_key,
            mandatory: false,
            properties: outgoing(&properties).expect("these properties are short"),
            body: body.as_bytes(),
        };
        let mut pauses = Pauses::of_message();
        let mut refusals = 0;
        loop {
            match self.lines.publish(message.clone()).await {
                Sent::Confirmed | Sent::Returned => {
                    self.counts.confirmed.one_more();
                    return true;
                }
                Sent::Nacked | Sent::Lost { .. } => {}
                Sent::NoExchange => self.lines.restore_topology().await,
                Sent::Refused(problem) => {
                    self.counts.refused.one_more();
                    refusals += 1;
                    if refusals == REFUSALS_MAX {
                        tracing::error!(
                            routing_key,
                            problem,
                            "the broker refuses an event; it is dropped"
                        );
                        return true;
                    }
                }
                Sent::Stopped => return false,
            }
            pauses.sleep().await;
        }
    }
}

impl Task {
    fn confirmed(&self) -> Then {
        let is_told = match &self.outgoing.route {
            Route::Queue(_) | Route::Review(_) | Route::Execution(_) | Route::Files(_) => {
                self.outgoing.is_told
            }
            Route::Exchange { .. } => true,
        };
        if !is_told {
            return Then::Done;
        }
        Then::Tell(Input::Published {
            task: self.wait,
            message_id: self.outgoing.message.message_id.clone(),
        })
    }

    /// Also for a message that the broker refuses by closing the channel, say because it is larger than the broker
    /// takes. A channel carries one message at a time, so there is no doubt whose fault it was, and trying for ever
    /// would not help.
    fn unroutable(&self, problem: &str) -> Then {
        let message = &self.outgoing.message;
        tracing::error!(
            execution = %self.execution,
            state = message.state,
            message_id = message.message_id,
            route = ?self.outgoing.route,
            problem,
            "failed to deliver a task message; its task fails"
        );
        Then::Tell(Input::Unroutable {
            task: self.wait,
            only_publish: self.tries.only_publish(),
        })
    }
}

impl Tries {
    /// Whether this coordinator published the message once at most, and that one publish came back: then it can't have run,
    /// unless another one published it too, which the turn that hears of it knows.
    fn only_publish(self) -> bool {
        !self.perhaps_sent && self.returned <= 1
    }
}

/// What is left until `due`, in milliseconds: `Some(None)` when there is no limit, `None` when nothing is left.
fn left(due: Option<Timestamp>, now: Timestamp) -> Option<Option<u64>> {
    let Some(due) = due else {
        return Some(None);
    };
    if due <= now {
        return None;
    }
    let left = due.duration_since(now).as_millis();
    let left = u64::try_from(left).unwrap_or(u64::MAX).max(1);
    // What is due later than the broker can count must not expire before.
    Some((left <= EXPIRATION_MAX).then_some(left))
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "publishing a message ended badly; it stays open");
    }
}

/// Messages that are published and not yet confirmed.
const WINDOW: usize = 256;
/// Tries of a message that the broker refuses.
const REFUSALS_MAX: u32 = 2;
/// The most RabbitMQ takes for an expiration, in milliseconds: 2^32 - 1.
const EXPIRATION_MAX: u64 = u32::MAX as u64;
/// How long what is in the outbox may take at the stop.
const LAST_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn check(due_milliseconds: Option<i64>, expected: Option<Option<u64>>) {
        let at = |milliseconds| Timestamp::from_millisecond(milliseconds).unwrap();
        assert_eq!(left(due_milliseconds.map(at), at(1_000)), expected);
    }

    fn u64_to_i64(number: u64) -> i64 {
        i64::try_from(number).unwrap()
    }

    #[test]
    fn a_message_expires_when_its_answer_is_due() {
        check(None, Some(None));
        check(Some(3_000), Some(Some(2_000)));
        check(Some(1_000), None);
        check(Some(400), None);
        let latest = 1_000 + u64_to_i64(EXPIRATION_MAX);
        check(Some(latest), Some(Some(EXPIRATION_MAX)));
        check(Some(latest + 1), Some(None));
    }

    #[test]
    fn a_message_that_came_back_once_and_no_more_did_not_run() {
        let tries = |returned, refused, perhaps_sent| Tries {
            returned,
            refused,
            perhaps_sent,
        };
        assert!(tries(1, 0, false).only_publish());
        assert!(tries(0, 2, false).only_publish());
        assert!(!tries(2, 0, false).only_publish());
        assert!(!tries(1, 0, true).only_publish());
    }
}
