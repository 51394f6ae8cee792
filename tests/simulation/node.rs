//! A coordinator: its own lanes, outbox and lease, moved step by step.

use std::num::NonZeroU128;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::FutureExt as _;
use sagamore::advance::{
    Answer, Batcher, Ends, Error, Identity, Job, Lane, NextLetter, Outbox, Publication, Request,
    Step,
};
use sagamore::alarm::Alarm;
use sagamore::gate::Gate;
use sagamore::lease::Lease;
use sagamore::store::{CoordinatorId, Store as _};
use sagamore_interpreter::{ExecutionId, Input, Sequence};
use sagamore_messages::{Names, TokenKey};
use sagamore_tests::ModelStore;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::broker::Message;
use crate::publishing::Publishing;

/// A coordinator. Dropped, it ends as a crash would.
pub struct Node {
    id: CoordinatorId,
    lanes: Vec<NodeLane>,
    pub outbox: Outbox,
    ends: Ends,
    /// What it has to tell other executions, or to start.
    pub letters: Vec<Publication>,
    /// What it tries to get to the broker.
    pub publishing: Vec<Publishing>,
    lease: Lease<ModelStore>,
    /// Whether it has said that it lives: nothing is written before.
    is_registered: bool,
    pub gate: Gate,
    /// Inputs that are not answered yet.
    pending: Vec<Pending>,
}

struct NodeLane {
    lane: Lane<ModelStore>,
    is_idle: bool,
    arrived: Vec<Job>,
}

struct Pending {
    origin: Origin,
    answer: oneshot::Receiver<Result<Answer, Error>>,
}

/// Where an input came from, and so what its answer is good for.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A delivery, to be acked.
    Delivery(Message),
    /// A delivery on a connection that is gone: the broker has it again.
    Stale,
    /// A timer.
    Timer(ExecutionId, Sequence),
    /// What became of a task message, with its place in the outbox.
    Told(u64),
    /// A letter of another execution, with its place in the outbox.
    Letter(u64),
    /// The same of one that asks to undo, with what is said in place of an execution that there is not.
    Ask(u64, ExecutionId, Box<Input>),
    /// An operator.
    Operator,
}

impl Node {
    /// The `number`th coordinator of a world, before it has done anything.
    pub fn new(number: u64, store: &ModelStore, key: &TokenKey) -> Node {
        let (outbox, ends) = Outbox::new();
        let id = CoordinatorId(Uuid::from_u128(u128::from(number)));
        let gate = Gate::new();
        let identity = Arc::new(Identity {
            coordinator: id,
            replies: Names::new("simulated").replies(),
            token_key: key.clone(),
            public_url: "http://127.0.0.1".to_owned(),
            alarm: Alarm::default(),
        });
        let lanes = (0..LANES.get()).map(|_| NodeLane {
            lane: Lane::new(Batcher::new(
                store.clone(),
                Arc::clone(&identity),
                outbox.clone(),
            )),
            is_idle: true,
            arrived: Vec::new(),
        });
        Node {
            id,
            lanes: lanes.collect(),
            lease: Lease::new(store.clone(), id, outbox.clone(), gate.clone()),
            outbox,
            ends,
            letters: Vec::new(),
            publishing: Vec::new(),
            is_registered: false,
            gate,
            pending: Vec::new(),
        }
    }

    /// Says that it lives, and takes over what nobody holds any more. A store that fails is tried again later.
    pub fn renew(&mut self) -> Result<()> {
        if self.is_registered {
            drop(at_once(self.lease.renew())?);
        } else {
            self.is_registered = at_once(self.lease.register())?.is_ok();
        }
        self.collect();
        Ok(())
    }

    /// Whether it may take inputs.
    pub fn is_registered(&self) -> bool {
        self.is_registered
    }

    /// Puts an input into its lane.
    pub fn put(&mut self, request: Request, origin: Origin) {
        let lane = request.execution.0.as_u128() % LANES;
        let (job, answer) = Job::new(request);
        self.lanes[lane as usize].arrived.push(job);
        self.pending.push(Pending { origin, answer });
    }

    /// Moves a lane by one step.
    pub fn step(&mut self, lane: usize) -> Result<()> {
        let lane = &mut self.lanes[lane];
        if lane.is_idle {
            lane.lane.put(std::mem::take(&mut lane.arrived));
        }
        lane.is_idle = match at_once(lane.lane.step())? {
            Step::Progressed | Step::Held(_) => false,
            Step::Idle => true,
        };
        self.collect();
        Ok(())
    }

    /// Fires what is due, once the gate is open.
    pub fn fire(&mut self, store: &ModelStore) -> Result<()> {
        if !self.gate.is_open() {
            return Ok(());
        }
        let Ok((now, due)) = at_once(store.due(self.id, HORIZON, WAITS_MAX))? else {
            return Ok(());
        };
        for wait in due.into_iter().filter(|wait| wait.due <= now) {
            let (execution, wait) = (wait.execution, wait.wait);
            let is_fired = |pending: &Pending| matches!(pending.origin, Origin::Timer(fired, timer) if (fired, timer) == (execution, wait));
            if !self.pending.iter().any(is_fired) {
                let request = Request::new(execution, Input::Due { wait });
                self.put(request, Origin::Timer(execution, wait));
            }
        }
        Ok(())
    }

    /// The answers that have come.
    pub fn answers(&mut self) -> Vec<(Origin, Result<Answer, Error>)> {
        let mut answers = Vec::new();
        self.pending
            .retain_mut(|pending| match pending.answer.try_recv() {
                Ok(answer) => {
                    answers.push((pending.origin.clone(), answer));
                    false
                }
                Err(_) => true,
            });
        answers
    }

    /// Loses its connection to the broker: what it has not acked is delivered once more, to whomever.
    pub fn disconnect(&mut self) -> Vec<Message> {
        self.gate.close();
        let mut unacked = Vec::new();
        for pending in &mut self.pending {
            if let Origin::Delivery(message) = &pending.origin {
                unacked.push(message.clone());
                pending.origin = Origin::Stale;
            }
        }
        unacked
    }

    /// Whether replies that it took are not committed yet.
    pub fn has_unacked(&self) -> bool {
        let is_delivery = |pending: &Pending| matches!(pending.origin, Origin::Delivery(_));
        self.pending.iter().any(is_delivery)
    }

    /// Whether it has all its answers.
    pub fn is_quiet(&self) -> bool {
        self.pending.is_empty() && self.letters.is_empty()
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.is_quiet()
            && self.publishing.is_empty()
            && self.outbox.is_empty()
            && self.lanes.iter().all(|lane| lane.is_idle)
    }

    fn collect(&mut self) {
        while let Ok(publication) = self.ends.publications.try_recv() {
            self.publishing.push(Publishing::new(publication));
        }
        while let Some(NextLetter::Here(letter)) = self.ends.letters.try_next() {
            self.letters.push(letter);
        }
    }
}

/// What a future gives that waits for nothing: the model answers at once.
pub fn at_once<F: Future>(future: F) -> Result<F::Output> {
    future
        .now_or_never()
        .context("a coordinator waits for something on a model that never waits")
}

/// Lanes of a coordinator.
pub const LANES: NonZeroU128 = NonZeroU128::new(2).expect("two is not zero");
/// As the timers look ahead.
const HORIZON: Duration = Duration::from_secs(1);
const WAITS_MAX: u32 = 1_000;
