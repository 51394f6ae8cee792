//! The outbox: what was committed and is not yet confirmed by the broker.
//!
//! Every message gets a number when it is written. Once all numbers up to one are confirmed, that is the watermark
//! which the store keeps: one write for many messages. What is behind the watermark of a coordinator that died is
//! sent again by another, under its old message id.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use sagamore_interpreter::{ExecutionId, Sequence};
use tokio::sync::mpsc;

use crate::store::{EventWrite, Outgoing, Unsent};

/// Messages that wait for the publisher before commits have to wait for it.
pub const PUBLICATIONS_MAX: usize = 1_024;

/// A message on its way to the broker.
#[derive(Debug, Clone)]
pub struct Publication {
    /// Its place in the outbox.
    pub number: u64,
    /// What it is.
    pub what: What,
}

/// What a [`Publication`] is.
#[derive(Debug, Clone)]
pub enum What {
    /// A task message.
    Task {
        /// Its execution.
        execution: ExecutionId,
        /// Its wait.
        wait: Sequence,
        /// When the answer is due: it expires then.
        due: Option<Timestamp>,
        /// The message.
        outgoing: Box<Outgoing>,
    },
    /// An event.
    Event {
        /// Its routing key.
        routing_key: String,
        /// The CloudEvent, as JSON text.
        body: String,
    },
}

/// The outbox of this coordinator.
#[derive(Debug, Clone)]
pub struct Outbox {
    places: Arc<Mutex<Places>>,
    publications: mpsc::Sender<Publication>,
}

#[derive(Debug, Default)]
struct Places {
    last: u64,
    open: BTreeSet<u64>,
}

impl Outbox {
    /// An empty outbox, and the end that the publisher takes from.
    pub fn new() -> (Outbox, mpsc::Receiver<Publication>) {
        let (publications, receiver) = mpsc::channel(PUBLICATIONS_MAX);
        (
            Outbox {
                places: Arc::default(),
                publications,
            },
            receiver,
        )
    }

    /// The place of a message that is about to be written.
    pub fn number(&self) -> u64 {
        let mut places = self.places();
        places.last += 1;
        let number = places.last;
        places.open.insert(number);
        number
    }

    /// The message was confirmed, or was never committed, or is no longer wanted.
    pub fn done(&self, number: u64) {
        self.places().open.remove(&number);
    }

    /// Everything up to this number is done.
    pub fn sent_through(&self) -> u64 {
        let places = self.places();
        places.open.first().map_or(places.last, |first| first - 1)
    }

    /// Whether nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.places().open.is_empty()
    }

    /// Hands a committed message to the publisher; waits while it is behind.
    ///
    /// When the publisher has stopped the message stays open, for the coordinator that takes over.
    pub async fn send(&self, publication: Publication) {
        if self.publications.send(publication).await.is_err() {
            tracing::debug!(
                "the publisher has stopped; another coordinator will send what is left"
            );
        }
    }

    fn places(&self) -> std::sync::MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Unsent> for Publication {
    fn from(unsent: Unsent) -> Publication {
        match unsent {
            Unsent::Message {
                execution,
                wait,
                due,
                outgoing,
                number,
            } => Publication {
                number,
                what: What::Task {
                    execution,
                    wait,
                    due,
                    outgoing,
                },
            },
            Unsent::Event(EventWrite {
                routing_key,
                body,
                number,
            }) => Publication {
                number,
                what: What::Event { routing_key, body },
            },
        }
    }
}

/// The places that one batch was given.
pub(super) struct Numbers<'a> {
    outbox: &'a Outbox,
    given: Mutex<Vec<u64>>,
}

impl<'a> Numbers<'a> {
    pub(super) fn new(outbox: &'a Outbox) -> Self {
        Numbers {
            outbox,
            given: Mutex::default(),
        }
    }

    /// The place of a message that is about to be written.
    pub(super) fn next(&self) -> u64 {
        let number = self.outbox.number();
        self.given
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(number);
        number
    }

    pub(super) fn into_given(self) -> Vec<u64> {
        self.given
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watermark_stops_before_the_first_that_is_open() {
        let (outbox, _publications) = Outbox::new();
        let numbers: Vec<u64> = (0..4).map(|_| outbox.number()).collect();
        assert_eq!(outbox.sent_through(), 0);
        outbox.done(numbers[0]);
        outbox.done(numbers[2]);
        assert_eq!(outbox.sent_through(), numbers[0]);
        outbox.done(numbers[1]);
        assert_eq!(outbox.sent_through(), numbers[2]);
        outbox.done(numbers[3]);
        assert_eq!(outbox.sent_through(), numbers[3]);
    }
}
