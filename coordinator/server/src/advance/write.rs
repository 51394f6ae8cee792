//! What the turns of a batch change in one execution, put together for the store and the publisher.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use sagamore_interpreter::{
    Announcement, Body, Decision, Dispatch, Effect, Head, HistoryRecord, Letter, Sequence, Wait,
    WaitKind,
};
use sagamore_messages::{Kind, TaskMessage, Token};
use serde::de::IgnoredAny;

use super::cache::Cached;
use super::events::event;
use super::outbox::Numbers;
use super::{Identity, Publication, What};
use crate::store::{Addressee, EventWrite, Outgoing, Route, TurnWrite, WaitWrite, WaitWriteKind};

/// What several turns of one execution change together.
#[derive(Debug, Default)]
pub(super) struct Changes {
    history: Vec<HistoryRecord>,
    opens: BTreeMap<Sequence, Wait>,
    moves: BTreeMap<Sequence, (Timestamp, bool)>,
    closes: BTreeSet<Sequence>,
    announcements: Vec<Announcement>,
    letters: Vec<Letter>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.history.is_empty() && self.moves.is_empty() && self.letters.is_empty()
    }

    /// Whether a wait that the store found due was not moved meanwhile.
    pub fn is_still_due(&self, wait: Sequence, now: Timestamp) -> bool {
        self.moves.get(&wait).is_none_or(|(due, _)| *due <= now)
    }

    /// Adds what a turn decided. What one turn opens and a later one closes was never there for the world.
    pub fn add(&mut self, decision: Decision) {
        self.history.extend(decision.history);
        for effect in decision.effects {
            match effect {
                Effect::Open(wait) => {
                    self.opens.insert(wait.wait, wait);
                }
                Effect::Move {
                    wait,
                    due,
                    republish,
                } => match self.opens.get_mut(&wait) {
                    Some(open) => open.due = Some(due),
                    None => {
                        self.moves.insert(wait, (due, republish));
                    }
                },
                Effect::Close { wait } => {
                    self.moves.remove(&wait);
                    if self.opens.remove(&wait).is_none() {
                        self.closes.insert(wait);
                    }
                }
                Effect::Announce(announcement) => self.announcements.push(announcement),
                Effect::Tell(letter) => self.letters.push(letter),
            }
        }
    }

    /// The rows to write, and the messages to send once they are.
    pub fn into_write(
        self,
        cached: &mut Cached,
        identity: &Identity,
        numbers: &Numbers<'_>,
    ) -> (TurnWrite, Vec<Publication>) {
        let touched = cached.execution.take_touched();
        let execution = &cached.execution;
        let head = &execution.head;
        let mut publications = Vec::new();
        let mut opens = Vec::new();
        for wait in self.opens.into_values() {
            opens.push(wait_write(wait, head, identity, numbers, &mut publications));
        }
        let announced = self.announcements.iter().map(|announcement| {
            let (routing_key, body) = event(announcement, head, identity);
            (Addressee::Listeners(routing_key), body)
        });
        let told = self.letters.iter().map(|letter| {
            let body = serde_json::to_string(&letter.input).expect("an input is JSON");
            (Addressee::Execution(letter.to), body)
        });
        let mut events = Vec::new();
        for (to, body) in announced.chain(told) {
            let number = numbers.next();
            let what = What::Event {
                to: to.clone(),
                body: body.clone(),
            };
            publications.push(Publication { number, what });
            events.push(EventWrite { to, body, number });
        }
        let scopes = touched
            .scopes
            .iter()
            .map(|scope| (*scope, execution.scopes.get(scope).cloned()));
        let entries = touched
            .entries
            .iter()
            .filter_map(|entry| execution.ledger.get(entry).cloned());
        let write = TurnWrite {
            coordinator: identity.coordinator,
            version: cached.version,
            revision: cached.revision,
            head: head.clone(),
            scopes: scopes.collect(),
            entries: entries.collect(),
            history: self.history,
            opens,
            moves: self
                .moves
                .into_iter()
                .map(|(wait, (due, republish))| (wait, due, republish))
                .collect(),
            closes: self.closes.into_iter().collect(),
            events,
        };
        (write, publications)
    }
}

fn wait_write(
    wait: Wait,
    head: &Head,
    identity: &Identity,
    numbers: &Numbers<'_>,
    publications: &mut Vec<Publication>,
) -> WaitWrite {
    let Wait { wait, due, kind } = wait;
    let kind = match kind {
        WaitKind::Timer => WaitWriteKind::Timer,
        WaitKind::Incident(incident) => WaitWriteKind::Incident(incident),
        WaitKind::Task(dispatch) => {
            let outgoing = Box::new(outgoing(wait, *dispatch, head, identity));
            match outgoing.route {
                Route::Review(_) => WaitWriteKind::Review(outgoing),
                Route::Queue(_)
                | Route::Exchange { .. }
                | Route::Execution(_)
                | Route::Files(_) => {
                    let number = numbers.next();
                    let what = What::Task {
                        execution: head.id,
                        wait,
                        due,
                        outgoing: outgoing.clone(),
                    };
                    publications.push(Publication { number, what });
                    WaitWriteKind::Message(outgoing, number)
                }
            }
        }
    };
    WaitWrite { wait, due, kind }
}

fn outgoing(wait: Sequence, dispatch: Dispatch, head: &Head, identity: &Identity) -> Outgoing {
    let (is_text, body) = match dispatch.body {
        Body::Json(value) => (false, value.to_string()),
        Body::Text(text) => (!is_json(&text), text),
    };
    let message = TaskMessage {
        message_id: format!("{}-{wait}", head.id),
        token: Token::new(dispatch.token),
        reply_to: identity.replies.clone(),
        kind: if dispatch.compensates.is_some() {
            Kind::Compensation
        } else {
            Kind::Task
        },
        timestamp_seconds: u64::try_from(head.at.as_second()).unwrap_or(0),
        execution: head.start.arn.clone(),
        machine: head.start.machine_name.clone(),
        state: dispatch.state,
        attempt: dispatch.attempt,
        idempotency_key: dispatch.key,
        compensates: dispatch.compensates,
        deadline: Some(format!("{:.3}", dispatch.deadline)),
        traceparent: None,
        tracestate: None,
        body,
        is_text,
    };
    Outgoing {
        route: dispatch.route,
        message,
        is_told: dispatch.is_told,
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}
