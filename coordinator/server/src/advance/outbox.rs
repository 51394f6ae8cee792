//! The outbox: what was committed and is not yet confirmed by the broker.
//!
//! What is for the broker goes to the publisher, which commits wait for while it is behind. What is for another execution, or
//! for the coordinators themselves, goes to the post, which nothing waits for: it puts inputs into the lanes, and a lane that
//! waited for it might wait for itself.
//!
//! Every message gets a number when it is written. Once all numbers up to one are confirmed, that is the watermark
//! which the store keeps: one write for many messages. What is behind the watermark of a coordinator that died is
//! sent again by another, under its old message id.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use sagamore_interpreter::{ExecutionId, Sequence};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::store::{Addressee, EventWrite, Outgoing, Unsent};

/// Messages that wait for the publisher before commits have to wait for it.
pub const PUBLICATIONS_MAX: usize = 1_024;

/// Letters that wait for the post in memory; it reads the rest from the store.
pub const LETTERS_MAX: usize = 1_024;

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
    /// Something that an execution has to say.
    Event {
        /// To whom.
        to: Addressee,
        /// What, as JSON text.
        body: String,
    },
}

impl What {
    /// Whether it is for the coordinators themselves, not for the broker.
    fn is_letter(&self) -> bool {
        match self {
            What::Task { outgoing, .. } => outgoing.is_letter(),
            What::Event { to, .. } => matches!(to, Addressee::Execution(_)),
        }
    }
}

/// The outbox of this coordinator.
#[derive(Debug, Clone)]
pub struct Outbox {
    places: Arc<Mutex<Places>>,
    publications: mpsc::Sender<Publication>,
    letters: mpsc::Sender<Publication>,
}

/// The other ends of an outbox.
#[derive(Debug)]
pub struct Ends {
    /// What the publisher takes.
    pub publications: mpsc::Receiver<Publication>,
    /// What the post takes.
    pub letters: Letters,
}

/// The letters of an outbox, for the post.
#[derive(Debug)]
pub struct Letters {
    places: Arc<Mutex<Places>>,
    letters: mpsc::Receiver<Publication>,
}

/// What the post does next.
#[derive(Debug)]
pub enum NextLetter {
    /// It delivers this one.
    Here(Publication),
    /// It reads those with these numbers from the store.
    Stored(Vec<u64>),
}

#[derive(Debug, Default)]
struct Places {
    last: u64,
    open: BTreeSet<u64>,
    /// Letters that found the post full.
    stored: VecDeque<u64>,
}

impl Outbox {
    /// An empty outbox, and its other ends.
    pub fn new() -> (Outbox, Ends) {
        let (publications, publications_out) = mpsc::channel(PUBLICATIONS_MAX);
        let (letters, letters_out) = mpsc::channel(LETTERS_MAX);
        let places: Arc<Mutex<Places>> = Arc::default();
        let ends = Ends {
            publications: publications_out,
            letters: Letters {
                places: Arc::clone(&places),
                letters: letters_out,
            },
        };
        let outbox = Outbox {
            places,
            publications,
            letters,
        };
        (outbox, ends)
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

    /// Hands on what is committed; waits while the publisher is behind.
    ///
    /// When the publisher or the post has stopped it stays open, for the coordinator that takes over.
    pub async fn send(&self, publication: Publication) {
        if publication.what.is_letter() {
            return self.post(publication);
        }
        if self.publications.send(publication).await.is_err() {
            tracing::debug!(
                "the publisher has stopped; another coordinator will send what is left"
            );
        }
    }

    /// Hands on what nobody stores, without waiting: where there is no room, it is sent once there is.
    pub fn send_soon(&self, publication: Publication) {
        let channel = match publication.what.is_letter() {
            true => &self.letters,
            false => &self.publications,
        };
        if let Err(TrySendError::Full(publication)) = channel.try_send(publication) {
            let channel = channel.clone();
            // Whoever would take it may have stopped, and then so do those whose it is.
            tokio::spawn(async move { channel.send(publication).await.ok() });
        }
    }

    fn post(&self, letter: Publication) {
        // Under the lock, so that the post, which looks under it too, does not go to sleep in between.
        let mut places = self.places();
        if let Err(TrySendError::Full(letter)) = self.letters.try_send(letter) {
            places.stored.push_back(letter.number);
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Letters {
    /// What is to be delivered next; `None` once every outbox is dropped.
    pub async fn next(&mut self) -> Option<NextLetter> {
        if let Some(next) = self.try_next() {
            return Some(next);
        }
        self.letters.recv().await.map(NextLetter::Here)
    }

    /// What is to be delivered next, if anything is there.
    pub fn try_next(&mut self) -> Option<NextLetter> {
        // First those that wait in the store: under load the others never end.
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = places.stored.len().min(LETTERS_MAX);
        let stored: Vec<u64> = places.stored.drain(..stored).collect();
        drop(places);
        if !stored.is_empty() {
            return Some(NextLetter::Stored(stored));
        }
        self.letters.try_recv().ok().map(NextLetter::Here)
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
            Unsent::Event(EventWrite { to, body, number }) => Publication {
                number,
                what: What::Event { to, body },
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
        let (outbox, _ends) = Outbox::new();
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

    fn letter(number: u64) -> Publication {
        let what = What::Event {
            to: Addressee::Execution(ExecutionId(uuid::Uuid::nil())),
            body: String::new(),
        };
        Publication { number, what }
    }

    #[tokio::test]
    async fn a_letter_that_finds_the_post_full_is_read_from_the_store() {
        let (outbox, mut ends) = Outbox::new();
        let last = LETTERS_MAX as u64 + 2;
        for number in 1..=last {
            outbox.send(letter(number)).await;
        }
        // The first to be read: under load those in memory would always come before it.
        let next = ends.letters.next().await;
        assert!(matches!(next, Some(NextLetter::Stored(numbers)) if numbers == [last - 1, last]));
        for number in 1..=LETTERS_MAX as u64 {
            let next = ends.letters.next().await;
            assert!(matches!(next, Some(NextLetter::Here(letter)) if letter.number == number));
        }
        outbox.send(letter(last + 1)).await;
        let next = ends.letters.try_next();
        assert!(matches!(next, Some(NextLetter::Here(letter)) if letter.number == last + 1));
        assert!(ends.letters.try_next().is_none());
    }
}
