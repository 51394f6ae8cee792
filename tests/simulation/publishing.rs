//! What a coordinator does with its outbox: the publisher's rules on a broker whose confirms may be lost.

use anyhow::{Context as _, Result, bail, ensure};
use jiff::Timestamp;
use sagamore::advance::{Publication, Request, What};
use sagamore::commands::start_request;
use sagamore::post::answer_of_nobody;
use sagamore::store::{Addressee, Outgoing, Route, Store as _};
use sagamore_interpreter::{ExecutionId, Input, Parent, Sequence};
use sagamore_tests::{ModelStore, Random};

use crate::broker::Broker;
use crate::node::{Node, Origin, at_once};

/// A message on its way to the broker.
pub struct Publishing {
    publication: Publication,
    is_first: bool,
    /// Whether somebody may have got it.
    perhaps_sent: bool,
    returned: u32,
}

/// What becomes of a publish.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The broker has it and says so.
    Confirmed,
    /// The connection breaks before the confirm; the broker has it or not.
    Lost { arrived: bool },
    /// No queue takes it.
    Returned,
}

impl Publishing {
    pub fn new(publication: Publication) -> Publishing {
        Publishing {
            publication,
            is_first: true,
            perhaps_sent: false,
            returned: 0,
        }
    }
}

impl Fate {
    pub fn random(random: &mut Random) -> Fate {
        match random.below(12) {
            0 => Fate::Lost { arrived: false },
            1 | 2 => Fate::Lost { arrived: true },
            3 => Fate::Returned,
            _ => Fate::Confirmed,
        }
    }
}

impl Node {
    /// Publishes one of its messages.
    pub fn publish(
        &mut self,
        which: usize,
        fate: Fate,
        broker: &mut Broker,
        store: &ModelStore,
    ) -> Result<()> {
        let mut publishing = self.publishing.swap_remove(which);
        let number = publishing.publication.number;
        let is_done = match publishing.publication.what.clone() {
            What::Event {
                to: Addressee::Execution(_),
                ..
            } => bail!("a letter is no message"),
            What::Event {
                to: Addressee::Listeners(routing_key),
                body,
            } => {
                if fate != (Fate::Lost { arrived: false }) {
                    broker.receive_event(&routing_key, &body)?;
                }
                matches!(fate, Fate::Confirmed | Fate::Returned)
            }
            What::Task {
                execution,
                wait,
                due,
                outgoing,
                ..
            } => {
                check_committed(store, execution, wait)?;
                if publishing.is_unwanted((execution, wait), due, store)? {
                    true
                } else {
                    let task = (wait, &*outgoing);
                    match self.publish_task(&mut publishing, task, fate, broker)? {
                        Some(input) => {
                            self.put(Request::new(execution, input), Origin::Told(number));
                            return Ok(());
                        }
                        None => fate == Fate::Confirmed,
                    }
                }
            }
        };
        if is_done {
            self.outbox.done(number);
        } else {
            publishing.is_first = false;
            self.publishing.push(publishing);
        }
        Ok(())
    }

    /// Publishes a task message; what its task is told of it, if anything.
    fn publish_task(
        &mut self,
        publishing: &mut Publishing,
        (wait, outgoing): (Sequence, &Outgoing),
        fate: Fate,
        broker: &mut Broker,
    ) -> Result<Option<Input>> {
        let message = &outgoing.message;
        let is_queue = match &outgoing.route {
            Route::Queue(_) => true,
            Route::Exchange { .. } => false,
            Route::Review(_) | Route::Execution(_) | Route::Files(_) => {
                bail!("what the coordinators do themselves is no message")
            }
        };
        match (fate, is_queue) {
            (Fate::Confirmed, true) => broker.receive(message)?,
            // Whether anybody listens is not our concern.
            (Fate::Confirmed | Fate::Returned, false) => {
                let message_id = message.message_id.clone();
                return Ok(Some(Input::Published {
                    task: wait,
                    message_id,
                }));
            }
            (Fate::Lost { arrived }, _) => {
                if arrived && is_queue {
                    broker.receive(message)?;
                }
                publishing.perhaps_sent = true;
            }
            (Fate::Returned, true) => {
                publishing.returned += 1;
                let only_publish = !publishing.perhaps_sent && publishing.returned == 1;
                return Ok(Some(Input::Unroutable {
                    task: wait,
                    only_publish,
                }));
            }
        }
        Ok(None)
    }
}

impl Node {
    /// Delivers one of its letters, or starts what it asks for.
    pub fn deliver_letter(&mut self, which: usize, store: &ModelStore) -> Result<()> {
        let letter = self.letters.swap_remove(which);
        let request = match &letter.what {
            What::Event {
                to: Addressee::Execution(execution),
                body,
            } => Request::new(*execution, serde_json::from_str(body)?),
            What::Task {
                execution,
                wait,
                outgoing,
                ..
            } => {
                check_committed(store, *execution, *wait)?;
                let Route::Execution(child) = &outgoing.route else {
                    bail!("a task message is no letter")
                };
                let name = child.machine_arn.rsplit(':').next().unwrap_or_default();
                let Ok(machine) = at_once(store.machine(name))? else {
                    self.letters.push(letter);
                    return Ok(());
                };
                let parent = Parent {
                    execution: *execution,
                    task: *wait,
                    is_waited_for: child.is_waited_for,
                    depth: child.depth,
                };
                let input = serde_json::from_str(&outgoing.message.body)?;
                let machine = machine.context("the machine of a child is there")?;
                start_request(machine, child.name.clone(), input, Some(parent)).1
            }
            What::Event { .. } => bail!("an event for all is no letter"),
        };
        let number = letter.number;
        let origin = match answer_of_nobody(&request.input) {
            Some((to, nobody)) => Origin::Ask(number, to, Box::new(nobody)),
            None => Origin::Letter(number),
        };
        self.put(request, origin);
        Ok(())
    }
}

impl Publishing {
    /// Whether its task is over or its time is up, so that it is published no more.
    fn is_unwanted(
        &self,
        wait: (ExecutionId, Sequence),
        due: Option<Timestamp>,
        store: &ModelStore,
    ) -> Result<bool> {
        let is_late = due.is_some_and(|due| due <= store.now());
        // When it can't be known, a duplicate is the lesser evil.
        let open = at_once(store.still_open(&[wait]))?;
        let is_closed = !self.is_first && open.is_ok_and(|open| open.is_empty());
        Ok(is_late || is_closed)
    }
}

/// Invariant 4: nothing is published that is not committed.
fn check_committed(store: &ModelStore, execution: ExecutionId, wait: Sequence) -> Result<()> {
    let is_committed = store.audit().into_iter().any(|row| {
        row.execution.head.id == execution && row.history.iter().any(|it| it.sequence == wait)
    });
    ensure!(
        is_committed,
        "the message of task {wait} of {execution} is published before it is committed"
    );
    Ok(())
}
