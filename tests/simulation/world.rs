//! A world: coordinators, the models of the store and the broker, the services, clients, an operator, and a clock.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use sagamore::advance::{Answer, Command, Error, Request};
use sagamore::store::{IncidentKind, Store as _};
use sagamore_interpreter::{
    Event, ExecutionId, HistoryRecord, Ignored, Input, Reply, Sequence, Settlement,
};
use sagamore_messages::TokenKey;
use sagamore_tests::saga::decided;
use sagamore_tests::{Fault, ModelStore, Random};
use serde_json::{Value, json};

use crate::broker::{Broker, Message};
use crate::machines::{CHILD, Started, execution, random_definition};
use crate::node::{LANES, Node, Origin, at_once};
use crate::publishing::Fate;
use crate::service::Service;

/// Everything there is.
pub struct World {
    pub random: Random,
    pub store: ModelStore,
    pub broker: Broker,
    pub nodes: Vec<Node>,
    pub service: Service,
    pub executions: Vec<Started>,
    key: TokenKey,
    /// Coordinators so far.
    coordinators: u64,
    /// The answer that each command was given first.
    answers: BTreeMap<String, Value>,
    /// When each task was last heard of.
    heartbeats: BTreeMap<(ExecutionId, Sequence), Timestamp>,
    /// How often an operator decided.
    decisions: u64,
}

impl World {
    /// The world of a seed.
    pub fn new(seed: u64) -> Result<World> {
        let mut random = Random::new(seed);
        let definitions: Vec<String> = (0..=random.below(EXECUTIONS_MAX - 1))
            .map(|_| random_definition(&mut random, true))
            .collect();
        let mut world = World::with(random, &definitions)?;
        for execution in 0..world.executions.len() {
            world.broker.inbox.push(Message::Start { execution });
        }
        Ok(world)
    }

    /// A world with one execution, in which nothing happens by itself.
    pub fn of(definition: &str) -> Result<World> {
        World::with(Random::new(0), &[definition.to_owned()])
    }

    fn with(random: Random, definitions: &[String]) -> Result<World> {
        let store = ModelStore::default();
        store.set_now("2026-01-01T00:00:00Z".parse()?);
        let executions = definitions.iter().enumerate();
        let executions = executions
            .map(|(number, definition)| execution(&format!("machine{number}"), definition, &store));
        let mut random = random;
        execution(CHILD, &random_definition(&mut random, false), &store)?;
        let mut world = World {
            executions: executions.collect::<Result<_>>()?,
            key: TokenKey::new(&at_once(store.token_secret())??),
            random,
            store,
            broker: Broker::default(),
            nodes: Vec::new(),
            service: Service::default(),
            coordinators: 0,
            answers: BTreeMap::new(),
            heartbeats: BTreeMap::new(),
            decisions: 0,
        };
        for _ in 0..NODES {
            let node = world.node();
            world.nodes.push(node);
        }
        Ok(world)
    }

    /// Lives through foul weather, and then until all is done.
    pub fn play(mut self) -> Result<()> {
        let played = self.foul_weather().and_then(|()| self.settle());
        played.with_context(|| self.told())
    }

    fn foul_weather(&mut self) -> Result<()> {
        for _ in 0..=self.random.below(CHANCES_MAX) {
            self.chance()?;
            self.take_answers()?;
            self.check_causes()?;
        }
        Ok(())
    }

    /// Something happens.
    fn chance(&mut self) -> Result<()> {
        let which = self.random.below(self.nodes.len() as u64) as usize;
        match self.random.below(40) {
            0..=11 => {
                let lane = self.random.below(LANES.get() as u64) as usize;
                self.nodes[which].step(lane)
            }
            12..=18 => {
                if let Some(message) = draw(&mut self.random, &mut self.broker.inbox) {
                    self.deliver(which, message)?;
                }
                Ok(())
            }
            19..=24 => self.publish(which),
            25..=29 => {
                if let Some(message) = draw(&mut self.random, &mut self.broker.tasks) {
                    self.service
                        .chance(message, &mut self.broker, &mut self.random);
                }
                Ok(())
            }
            30 => self.nodes[which].renew(),
            31 => self.post(which),
            32 => {
                self.open_gate(which);
                self.nodes[which].fire(&self.store)
            }
            33 | 34 => self.pass(),
            35 => {
                self.crash(which);
                Ok(())
            }
            36 => {
                let unacked = self.nodes[which].disconnect();
                self.broker.inbox.extend(unacked);
                Ok(())
            }
            37 => {
                let away = self.random.one_in(4);
                self.store.set_away(away);
                let fault = [Some(Fault::Lost), Some(Fault::Doubtful), None];
                let fault = self.random.pick(&fault).copied().flatten();
                self.store.plan_faults([None, fault]);
                Ok(())
            }
            38 => self.decide_incidents(),
            _ => {
                let execution = self.random.below(self.executions.len() as u64) as usize;
                if self.random.one_in(4) {
                    self.broker.inbox.push(Message::Stop { execution });
                }
                Ok(())
            }
        }
    }

    /// A coordinator takes a message.
    pub fn deliver(&mut self, which: usize, message: Message) -> Result<()> {
        if !self.nodes[which].is_registered() {
            self.broker.inbox.push(message);
            return Ok(());
        }
        let request = self.request(&message)?;
        self.nodes[which].put(request, Origin::Delivery(message));
        Ok(())
    }

    fn request(&self, message: &Message) -> Result<Request> {
        let open = |token: &str| {
            let opened = self.key.open(token).context("a token that does not open");
            opened.map(|(execution, task)| (ExecutionId(execution), Sequence(task)))
        };
        Ok(match message {
            Message::Reply { token, reply } => {
                let (execution, task) = open(token)?;
                let reply = reply.clone();
                Request::new(
                    execution,
                    Input::Reply {
                        task,
                        reply,
                        bytes: None,
                    },
                )
            }
            Message::Dead { token } => {
                let (execution, task) = open(token)?;
                let reason = "rejected".to_owned();
                Request::new(execution, Input::DeadLettered { task, reason })
            }
            Message::Start { execution } => {
                let started = &self.executions[*execution];
                let input = Input::Start(Box::new(started.start.clone()));
                Request {
                    machine: Some(started.machine.clone()),
                    command: Some(command(message)),
                    ..Request::new(started.id, input)
                }
            }
            Message::Stop { execution } => {
                let input = Input::Stop {
                    error: Some("Stopped".to_owned()),
                    cause: None,
                    rolls_back: execution % 2 == 1,
                    parent: None,
                };
                Request {
                    command: Some(command(message)),
                    ..Request::new(self.executions[*execution].id, input)
                }
            }
        })
    }

    fn publish(&mut self, which: usize) -> Result<()> {
        let messages = self.nodes[which].publishing.len() as u64;
        if messages == 0 {
            return Ok(());
        }
        let message = self.random.below(messages) as usize;
        let fate = Fate::random(&mut self.random);
        self.nodes[which].publish(message, fate, &mut self.broker, &self.store)
    }

    fn post(&mut self, which: usize) -> Result<()> {
        let letters = self.nodes[which].letters.len() as u64;
        if letters == 0 {
            return Ok(());
        }
        let letter = self.random.below(letters) as usize;
        self.nodes[which].deliver_letter(letter, &self.store)
    }

    /// The timers may fire once the replies that waited are committed.
    pub fn open_gate(&mut self, which: usize) {
        if self.broker.inbox.is_empty() && !self.nodes[which].has_unacked() {
            self.nodes[which].gate.open();
        }
    }

    /// Time passes: a moment, or until something is due.
    fn pass(&mut self) -> Result<()> {
        let now = self.store.now();
        let moment = SignedDuration::from_millis(self.random.below(3_000).cast_signed());
        let next = match self.store.next_due() {
            Some(due) if due < now.checked_add(FAR)? && self.random.one_in(2) => due,
            _ => now.checked_add(moment)?,
        };
        self.store.set_now(now.max(next));
        Ok(())
    }

    fn crash(&mut self, which: usize) {
        let unacked = self.nodes[which].disconnect();
        self.broker.inbox.extend(unacked);
        self.nodes[which] = self.node();
    }

    fn node(&mut self) -> Node {
        self.coordinators += 1;
        Node::new(self.coordinators, &self.store, &self.key)
    }

    /// An operator has all that waits for one tried again; what fails however often is taken for done, or given up.
    pub fn decide_incidents(&mut self) -> Result<()> {
        let Ok(incidents) = at_once(self.store.incidents(u32::MAX))? else {
            return Ok(());
        };
        for row in incidents {
            self.decisions += 1;
            let settlement = match self.decisions {
                ..PATIENCE => None,
                decisions => match decisions % 4 {
                    0 => None,
                    1 => Some(Settlement::Skip { output: None }),
                    2 => {
                        self.undo_by_hand(&row.kind);
                        Some(Settlement::Resolve)
                    }
                    _ => Some(Settlement::Abandon),
                },
            };
            let input = decided(row.incident, settlement);
            if let Some(node) = self.nodes.iter_mut().find(|node| node.is_registered()) {
                node.put(Request::new(row.execution, input), Origin::Operator);
            }
        }
        Ok(())
    }

    fn undo_by_hand(&mut self, incident: &IncidentKind) {
        if let IncidentKind::Suspended(incident) = incident
            && let Some(key) = incident.entry["IdempotencyKey"].as_str()
        {
            self.service.done.undo_by_hand(key);
        }
    }

    /// Acks what is committed, and frees the places of what was told.
    pub fn take_answers(&mut self) -> Result<()> {
        for which in 0..self.nodes.len() {
            for (origin, answer) in self.nodes[which].answers() {
                match (origin, answer) {
                    (_, Err(error @ (Error::SetAside(_) | Error::Stopping))) => bail!("{error}"),
                    (Origin::Delivery(message), answer) => self.acked(&message, &answer)?,
                    (Origin::Told(number), Ok(_)) => self.nodes[which].outbox.done(number),
                    // A child that is stopped may never have begun.
                    // One that never began has nothing to undo.
                    (Origin::Ask(number, to, nobody), Err(Error::UnknownExecution)) => {
                        let told = Request::new(to, *nobody);
                        self.nodes[which].put(told, Origin::Letter(number));
                    }
                    (Origin::Letter(number) | Origin::Ask(number, ..), answer) => {
                        let taken = answer.map(|answer| answer.taken);
                        ensure!(
                            !matches!(taken, Ok(Err(Ignored::AlreadyStarted { same: false, .. }))),
                            "a child is taken for another that has its name"
                        );
                        self.nodes[which].outbox.done(number);
                    }
                    (Origin::Told(_) | Origin::Timer(..), Err(Error::UnknownExecution)) => {
                        bail!("an input of an execution that was never stored")
                    }
                    (Origin::Timer(..) | Origin::Stale | Origin::Operator, _) => {}
                }
            }
        }
        Ok(())
    }

    /// Invariants 4 and 8: what is acked is committed, and every reply is classified.
    fn acked(&mut self, message: &Message, answer: &Result<Answer, Error>) -> Result<()> {
        match (message, answer) {
            (Message::Reply { token, .. } | Message::Dead { token }, Ok(answer)) => {
                ensure!(
                    answer.taken != Err(Ignored::UnknownTask),
                    "a reply to a message that was sent names no task"
                );
                if let Message::Reply { reply, .. } = message
                    && answer.taken.is_ok()
                {
                    self.check_recorded(token, reply, answer.at)?;
                }
            }
            (Message::Reply { .. } | Message::Dead { .. }, Err(_)) => {
                bail!("a reply to a message that was sent names no execution")
            }
            (Message::Start { .. } | Message::Stop { .. }, Ok(answer)) => {
                let given = answer
                    .answered
                    .clone()
                    .unwrap_or_else(|| told(answer, message));
                let first = self.answers.entry(name(message)).or_insert(given.clone());
                ensure!(
                    *first == given,
                    "{message:?} was answered {first}, then {given}"
                );
            }
            (Message::Start { .. }, Err(_)) => bail!("a start knows its execution"),
            // Stopped before it was started.
            (Message::Stop { .. }, Err(_)) => {}
        }
        Ok(())
    }

    /// What a reply did is stored by the time it is acked.
    fn check_recorded(&mut self, token: &str, reply: &Reply, at: Timestamp) -> Result<()> {
        let (execution, task) = self.key.open(token).context("a token opens")?;
        let (execution, task) = (ExecutionId(execution), Sequence(task));
        let mut rows = self.store.audit().into_iter();
        let row = rows.find(|row| row.execution.head.id == execution);
        let row = row.context("a reply is acked whose execution is not stored")?;
        match reply {
            Reply::Heartbeat => {
                self.heartbeats.insert((execution, task), at);
            }
            Reply::Success(_) | Reply::Failure { .. } | Reply::Unusable { .. } => ensure!(
                !row.waits.contains_key(&task),
                "the answer to task {task} of {execution} is acked and not committed"
            ),
        }
        Ok(())
    }

    /// No task timed out for want of a heartbeat so soon after one, nor for want of an end that its child told.
    pub fn check_timeouts(&self, execution: ExecutionId, history: &[HistoryRecord]) -> Result<()> {
        for record in history {
            if let Event::TaskTimedOut {
                resource, error, ..
            } = &record.event
                && resource.starts_with("saga:")
            {
                ensure!(error != "States.Timeout", "the end of a child got lost");
            }
            if let Event::TaskTimedOut { task, error, .. } = &record.event
                && error == "States.HeartbeatTimeout"
                && let Some(heard) = self.heartbeats.get(&(execution, *task))
            {
                ensure!(
                    record.at < *heard || record.at.duration_since(*heard) >= HEARTBEAT,
                    "task {task} of {execution}, heard of at {heard}, timed out at {}",
                    record.at
                );
            }
        }
        Ok(())
    }

    /// Invariant 11: what runs waits for something.
    fn check_causes(&self) -> Result<()> {
        // A store that is away can't be asked.
        let without = at_once(self.store.without_cause(10))?.unwrap_or_default();
        ensure!(without.is_empty(), "these wait for nothing: {without:?}");
        Ok(())
    }

    /// What became of it, for whoever reads a failure.
    fn told(&self) -> String {
        let rows = self.store.audit().into_iter().map(|row| {
            let definition = self
                .executions
                .iter()
                .find(|it| it.id == row.execution.head.id);
            let definition = definition.map_or("", |started| &*started.machine.definition);
            let history: Vec<String> = row
                .history
                .iter()
                .map(|record| format!("  {} {} {:?}", record.sequence, record.at, record.event))
                .collect();
            format!(
                "{} {:?}\n{definition}\n{}\nwaits: {:?}",
                row.execution.head.id,
                row.execution.head.status,
                history.join("\n"),
                row.waits.keys()
            )
        });
        rows.collect::<Vec<_>>().join("\n")
    }
}

/// Takes any of these out.
fn draw<T>(random: &mut Random, from: &mut Vec<T>) -> Option<T> {
    let count = from.len() as u64;
    (count > 0).then(|| from.swap_remove(random.below(count) as usize))
}

/// A command, which is known by its name.
fn command(message: &Message) -> Command {
    let of = message.clone();
    Command {
        message_id: name(message),
        answer: Box::new(move |answer| told(answer, &of)),
    }
}

fn name(message: &Message) -> String {
    format!("{message:?}")
}

fn told(answer: &Answer, message: &Message) -> Value {
    json!({ "of": name(message), "at": answer.at, "taken": format!("{:?}", answer.taken) })
}

/// `HeartbeatSeconds` of the definitions that have it.
const HEARTBEAT: SignedDuration = SignedDuration::from_secs(2);
/// What is due later does not come: nobody waits that long for a child to begin.
pub const FAR: SignedDuration = SignedDuration::from_hours(24);
/// Coordinators at a time.
const NODES: usize = 2;
/// Decisions after which an operator no longer only tries again.
const PATIENCE: u64 = 60;
/// The most that happens by chance.
const CHANCES_MAX: u64 = 700;
const EXECUTIONS_MAX: u64 = 4;
