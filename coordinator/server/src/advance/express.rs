//! EXPRESS executions: they live in the memory of the coordinator that started them, and end with it.
//!
//! Each is a task of its own, which takes inputs as a lane does and waits for its own timers. What it sends goes through the same
//! outbox; replies come back over this coordinator's own queue. Nothing of it is stored: no history, no second try of what was
//! lost with the coordinator. Source: Step Functions, "Choosing workflow type".

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sagamore_interpreter::definition::{Machine, MachineKind};
use sagamore_interpreter::{
    Announcement, Decision, Effect, ExecutionId, Head, Ignored, Input, Sequence, Start, begin,
    decide,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::TaskTracker;

use super::cache::Cached;
use super::outbox::Numbers;
use super::write::Changes;
use super::{Answer, Error, Identity, Job, Outbox};
use crate::store::{MachineRow, RevisionId, TurnWrite};

/// Executions that one coordinator runs at a time.
pub const EXPRESS_MAX: usize = 10_000;

/// How long one may take. Source: Step Functions, "Quotas related to state machine executions".
const TIMEOUT: SignedDuration = SignedDuration::from_mins(5);

/// Inputs that wait for one before those who bring more have to.
const INPUTS_MAX: usize = 64;

/// Machines that are kept parsed.
const MACHINES_MAX: usize = 256;

/// The EXPRESS executions of this coordinator. Cheap to clone.
#[derive(Clone)]
pub struct Express(Arc<Shared>);

struct Shared {
    identity: Arc<Identity>,
    outbox: Outbox,
    tasks: TaskTracker,
    live: Mutex<HashMap<ExecutionId, Live>>,
    machines: Mutex<HashMap<RevisionId, Arc<Machine>>>,
}

/// An execution that runs.
struct Live {
    inputs: mpsc::Sender<Job>,
    /// What it waits for.
    waits: watch::Receiver<BTreeSet<Sequence>>,
}

/// Why an EXPRESS execution was not started.
#[derive(Debug, PartialEq, Eq)]
pub enum NotStarted {
    /// There are [`EXPRESS_MAX`] already, or this coordinator is stopping.
    Busy,
    /// The definition, or the interpreter.
    Broken(String),
}

impl Express {
    /// None yet. What is sent goes into the outbox; `identity` names the queue that answers come back to.
    pub fn new(identity: Arc<Identity>, outbox: Outbox) -> Express {
        Express(Arc::new(Shared {
            identity,
            outbox,
            tasks: TaskTracker::new(),
            live: Mutex::default(),
            machines: Mutex::default(),
        }))
    }

    /// Starts an execution; the receiver gets its head once it has ended. `None` comes of one that was lost.
    ///
    /// # Errors
    /// See [`NotStarted`].
    pub fn start(
        &self,
        machine: &MachineRow,
        start: &Start,
    ) -> Result<(Timestamp, oneshot::Receiver<Head>), NotStarted> {
        let id = ExecutionId::of(&start.arn);
        let revision = machine.revision;
        let machine = self.machine(machine).map_err(NotStarted::Broken)?;
        let now = Timestamp::now();
        let begun = begin(&machine, id, start, now, &|execution, task| {
            self.0.identity.seal(execution, task)
        });
        let (execution, decision) =
            begun.map_err(|broken| NotStarted::Broken(broken.to_string()))?;
        let cached = Cached {
            version: 1,
            revision,
            machine,
            execution,
        };
        let (inputs, received) = mpsc::channel(INPUTS_MAX);
        let (told_waits, waits) = watch::channel(BTreeSet::new());
        let (ended, end) = oneshot::channel();
        let mut live = self.live();
        if live.len() >= EXPRESS_MAX || self.0.tasks.is_closed() {
            return Err(NotStarted::Busy);
        }
        live.insert(id, Live { inputs, waits });
        drop(live);
        let runs = Run {
            shared: Arc::clone(&self.0),
            cached,
            timers: Timers::default(),
            waits: told_waits,
        };
        self.0.tasks.spawn(runs.run(decision, received, ended));
        Ok((now, end))
    }

    /// Where the inputs of an execution go, if it is one of these.
    pub(super) fn find(&self, execution: ExecutionId) -> Option<mpsc::Sender<Job>> {
        self.live().get(&execution).map(|live| live.inputs.clone())
    }

    /// Whether an execution is one of these and waits for this.
    pub fn is_waiting(&self, execution: ExecutionId, wait: Sequence) -> bool {
        let live = self.live();
        live.get(&execution)
            .is_some_and(|live| live.waits.borrow().contains(&wait))
    }

    /// Takes no more, and waits for those that run to end, for so long at most.
    pub async fn drain(&self, time_max: Duration) {
        self.0.tasks.close();
        if tokio::time::timeout(time_max, self.0.tasks.wait())
            .await
            .is_err()
        {
            let executions = self.live().len();
            tracing::warn!(
                executions,
                "EXPRESS executions are lost with this coordinator"
            );
        }
    }

    fn live(&self) -> MutexGuard<'_, HashMap<ExecutionId, Live>> {
        self.0.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn machine(&self, row: &MachineRow) -> Result<Arc<Machine>, String> {
        let machines = &self.0.machines;
        let mut machines = machines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(machine) = machines.get(&row.revision) {
            return Ok(Arc::clone(machine));
        }
        let parsed = Machine::parse_as(&row.definition, MachineKind::Express);
        let (mut machine, _) = parsed.map_err(|faults| {
            let fault = faults.first().map(ToString::to_string).unwrap_or_default();
            format!("the definition is not valid: {fault}")
        })?;
        let timeout = machine
            .timeout
            .map_or(TIMEOUT, |timeout| timeout.min(TIMEOUT));
        machine.timeout = Some(timeout);
        let machine = Arc::new(machine);
        if machines.len() >= MACHINES_MAX {
            machines.clear();
        }
        machines.insert(row.revision, Arc::clone(&machine));
        Ok(machine)
    }
}

/// One execution while it runs.
struct Run {
    shared: Arc<Shared>,
    cached: Cached,
    timers: Timers,
    waits: watch::Sender<BTreeSet<Sequence>>,
}

/// What is due when.
#[derive(Default)]
struct Timers {
    dues: BTreeSet<(Timestamp, Sequence)>,
    open: HashMap<Sequence, Option<Timestamp>>,
}

impl Run {
    async fn run(
        mut self,
        begun: Decision,
        mut inputs: mpsc::Receiver<Job>,
        ended: oneshot::Sender<Head>,
    ) {
        self.act(begun);
        while !self.cached.execution.is_terminal() {
            let broken = tokio::select! {
                biased;
                Some(job) = inputs.recv() => self.take(job),
                (due, wait) = self.timers.next() => self.turn(&Input::Due { wait }, due).err(),
            };
            if let Some(broken) = broken {
                tracing::error!(
                    execution = self.cached.execution.head.start.arn,
                    broken,
                    "an EXPRESS execution can't go on and is lost"
                );
                self.forget();
                return;
            }
        }
        self.forget();
        // Nobody may be waiting.
        let _ = ended.send(self.cached.execution.head);
    }

    fn forget(&self) {
        let live = &self.shared.live;
        let mut live = live.lock().unwrap_or_else(PoisonError::into_inner);
        live.remove(&self.cached.execution.head.id);
    }

    /// Takes an input and answers who brought it; what is broken, if anything is.
    fn take(&mut self, job: Job) -> Option<String> {
        let (input, answer) = job.into_parts();
        let taken = self.turn(&input, Timestamp::MIN);
        let broken = taken.as_ref().err().cloned();
        let answered = taken.map_err(Error::SetAside).map(|taken| Answer {
            at: self.cached.execution.head.at,
            taken,
            answered: None,
        });
        let _ = answer.send(answered);
        broken
    }

    /// Takes an input, at a time that is not before the last turn's, nor before `earliest`.
    fn turn(&mut self, input: &Input, earliest: Timestamp) -> Result<Result<(), Ignored>, String> {
        let last = self.cached.execution.head.at;
        let now = Timestamp::now().max(last).max(earliest);
        let Cached {
            machine, execution, ..
        } = &mut self.cached;
        let identity = &self.shared.identity;
        let decided = decide(machine, execution, input, now, &|execution, task| {
            identity.seal(execution, task)
        });
        match decided.map_err(|broken| broken.to_string())? {
            Ok(decision) => {
                self.act(decision);
                Ok(Ok(()))
            }
            Err(ignored) => Ok(Err(ignored)),
        }
    }

    /// Does what a turn decided.
    fn act(&mut self, mut decision: Decision) {
        // Step Functions tells nobody of the status of these.
        let is_told =
            |effect: &Effect| !matches!(effect, Effect::Announce(Announcement::Execution(_)));
        decision.effects.retain(is_told);
        decision.history.clear();
        let mut changes = Changes::default();
        changes.add(decision);
        let numbers = Numbers::new(&self.shared.outbox);
        let (write, publications) =
            changes.into_write(&mut self.cached, &self.shared.identity, &numbers);
        self.timers.note(&write);
        self.waits
            .send_replace(self.timers.open.keys().copied().collect());
        // A broker that is away must not keep its time from running out.
        for publication in publications {
            self.shared.outbox.send_soon(publication);
        }
    }
}

impl Timers {
    fn note(&mut self, write: &TurnWrite) {
        for wait in &write.closes {
            self.set(*wait, None);
            self.open.remove(wait);
        }
        for wait in &write.opens {
            self.set(wait.wait, wait.due);
        }
        for (wait, due, _) in &write.moves {
            self.set(*wait, Some(*due));
        }
    }

    fn set(&mut self, wait: Sequence, due: Option<Timestamp>) {
        if let Some(Some(before)) = self.open.insert(wait, due) {
            self.dues.remove(&(before, wait));
        }
        self.dues.extend(due.map(|due| (due, wait)));
    }

    /// The next wait that is due, once it is.
    async fn next(&mut self) -> (Timestamp, Sequence) {
        let Some((due, wait)) = self.dues.first().copied() else {
            return std::future::pending().await;
        };
        let left = due.duration_since(Timestamp::now());
        tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
        self.dues.remove(&(due, wait));
        (due, wait)
    }
}
