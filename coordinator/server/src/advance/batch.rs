//! A batch: several inputs, one transaction.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use sagamore_interpreter::definition::Machine;
use sagamore_interpreter::{ExecutionId, Ignored, Input, Reply, Sequence, begin, decide};

use super::cache::{Cache, Cached};
use super::outbox::Numbers;
use super::write::Changes;
use super::{Answer, Command, Error, Identity, Outbox, Publication, Request};
use crate::alarm::Alarm;
use crate::store::{self, Found, LateReply, Loaded, ReplyKind, RevisionId, Store, Want, Writes};

/// Takes batches: one lane's, or the simulation's.
pub struct Batcher<S: Store> {
    store: S,
    identity: Arc<Identity>,
    outbox: Outbox,
    cache: Cache,
    doubtful: Vec<u64>,
}

/// A batch that is committed.
#[derive(Debug)]
pub struct Committed {
    /// What became of each input, in order.
    pub answers: Vec<Result<Answer, Error>>,
    /// What is to be sent now.
    pub publications: Vec<Publication>,
    /// The first time that anything of it is due.
    pub next_due: Option<Timestamp>,
}

/// Why nothing of a batch was committed.
#[derive(Debug)]
pub enum Failed {
    /// This input breaks an invariant; the others may do without it.
    Input {
        /// Which.
        index: usize,
        /// What is wrong.
        problem: String,
    },
    /// The store failed.
    Store(store::Error),
}

/// What the turns of a batch worked on.
struct Decided {
    answers: Vec<Result<Answer, Error>>,
    publications: Vec<Publication>,
    next_due: Option<Timestamp>,
    kept: Vec<Cached>,
    machines: Vec<(RevisionId, Arc<Machine>)>,
}

/// An execution while a batch works on it.
struct Work {
    cached: Cached,
    changes: Changes,
}

impl<S: Store> Batcher<S> {
    /// A batcher that has seen nothing yet.
    pub fn new(store: S, identity: Arc<Identity>, outbox: Outbox) -> Batcher<S> {
        Batcher {
            store,
            identity,
            outbox,
            cache: Cache::default(),
            doubtful: Vec::new(),
        }
    }

    pub(super) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub(super) fn alarm(&self) -> &Alarm {
        &self.identity.alarm
    }

    pub(super) fn store(&self) -> &S {
        &self.store
    }

    /// Takes the inputs, in order, in one transaction.
    ///
    /// # Errors
    /// When nothing was committed, or it is not known whether it was: the same inputs may be taken again.
    pub async fn take(&mut self, requests: &[&Request]) -> Result<Committed, Failed> {
        let (want, cached) = self.want(requests);
        let numbers = Numbers::new(&self.outbox);
        let deciding = Deciding {
            identity: &self.identity,
            numbers: &numbers,
            cache: &self.cache,
            requests,
        };
        let decided = self
            .store
            .transact(&want, |loaded| deciding.decide_all(loaded, cached))
            .await;
        let numbers = numbers.into_given();
        match decided {
            Ok(Ok(decided)) => {
                decided
                    .machines
                    .iter()
                    .for_each(|(revision, machine)| self.cache.keep_machine(*revision, machine));
                decided
                    .kept
                    .into_iter()
                    .for_each(|cached| self.cache.keep(cached));
                Ok(Committed {
                    answers: decided.answers,
                    publications: decided.publications,
                    next_due: decided.next_due,
                })
            }
            Ok(Err((index, problem))) => Err(Failed::Input { index, problem }),
            Err(error @ store::Error::Unavailable(_)) => {
                // It may have been committed all the same, so these may have to be sent.
                self.doubtful.extend(numbers);
                Err(Failed::Store(error))
            }
            Err(error) => {
                numbers
                    .into_iter()
                    .for_each(|number| self.outbox.done(number));
                Err(Failed::Store(error))
            }
        }
    }

    /// What must be known to take these inputs, and the executions that are at hand.
    fn want(&mut self, requests: &[&Request]) -> (Want, HashMap<ExecutionId, Cached>) {
        let mut want = Want::default();
        let mut cached = HashMap::new();
        for request in requests {
            let id = request.execution;
            if let Entry::Vacant(vacant) = want.executions.entry(id) {
                let known = self.cache.take(id);
                vacant.insert(known.as_ref().map(|known| known.version));
                cached.extend(known.map(|known| (id, known)));
            }
            if let Input::Due { wait } = request.input {
                want.due.push((id, wait));
            }
            if let Input::Unroutable { task, .. } = request.input {
                want.returned.push((id, task));
            }
            let message_id = |command: &Command| command.message_id.clone();
            want.commands
                .extend(request.command.as_ref().map(message_id));
        }
        (want, cached)
    }

    /// Whether it is not known of some messages whether they were committed.
    pub(super) fn is_in_doubt(&self) -> bool {
        !self.doubtful.is_empty()
    }

    /// What was committed though the store did not say so, to be sent now.
    ///
    /// To be called once the inputs in question were taken again: their rows are locked until an earlier transaction
    /// is over, so it is known by then how that ended.
    ///
    /// # Errors
    /// When the store can't say yet.
    pub async fn resolve_doubt(&mut self) -> Result<Vec<Publication>, store::Error> {
        if self.doubtful.is_empty() {
            return Ok(Vec::new());
        }
        let unsent = self
            .store
            .unsent(self.identity.coordinator, &self.doubtful)
            .await?;
        let publications: Vec<Publication> = unsent.into_iter().map(Publication::from).collect();
        for number in std::mem::take(&mut self.doubtful) {
            if !publications
                .iter()
                .any(|publication| publication.number == number)
            {
                self.outbox.done(number);
            }
        }
        Ok(publications)
    }
}

/// What deciding a batch reads.
struct Deciding<'a> {
    identity: &'a Identity,
    numbers: &'a Numbers<'a>,
    cache: &'a Cache,
    requests: &'a [&'a Request],
}

/// A reply to a task that was over, for the log.
fn late(request: &Request, at: Timestamp) -> Option<LateReply> {
    let (task, kind, error) = match &request.input {
        Input::Reply { task, reply, .. } => match reply {
            Reply::Success(_) => (*task, ReplyKind::Success, None),
            Reply::Failure { error, .. } => (*task, ReplyKind::Failure, Some(error.clone())),
            Reply::Unusable { error, .. } => (*task, ReplyKind::Unusable, Some(error.clone())),
            Reply::Heartbeat => return None,
        },
        Input::DeadLettered { task, reason } => {
            (*task, ReplyKind::DeadLettered, Some(reason.clone()))
        }
        Input::Unroutable { task, .. } => (*task, ReplyKind::Returned, None),
        _ => return None,
    };
    Some(LateReply {
        execution: request.execution,
        task,
        kind,
        at,
        error: error.map(|error| as_kept(&error)),
    })
}

/// An error as the log keeps it. Postgres has no text with a NUL in it.
fn as_kept(error: &str) -> String {
    let start = error.chars().take(LATE_ERROR_CHARACTERS_MAX);
    start
        .map(|character| match character {
            '\0' => char::REPLACEMENT_CHARACTER,
            other => other,
        })
        .collect()
}

/// Of the error of a late reply, what the log keeps, in characters.
const LATE_ERROR_CHARACTERS_MAX: usize = 256;

type Problem = (usize, String);

impl Deciding<'_> {
    /// Decides all inputs; when one can't be decided nothing is written.
    fn decide_all(
        &self,
        loaded: Loaded,
        cached: HashMap<ExecutionId, Cached>,
    ) -> (Writes, Result<Decided, Problem>) {
        let mut decided = Decided {
            answers: Vec::new(),
            publications: Vec::new(),
            next_due: None,
            kept: Vec::new(),
            machines: Vec::new(),
        };
        match self.turns(loaded, cached, &mut decided) {
            Ok(writes) => (writes, Ok(decided)),
            Err(problem) => (Writes::default(), Err(problem)),
        }
    }

    fn turns(
        &self,
        mut loaded: Loaded,
        mut cached: HashMap<ExecutionId, Cached>,
        decided: &mut Decided,
    ) -> Result<Writes, Problem> {
        let mut works: BTreeMap<ExecutionId, Work> = BTreeMap::new();
        let mut writes = Writes::default();
        for (index, request) in self.requests.iter().enumerate() {
            if let Some(answer) = self.answered(&loaded, &writes, request) {
                decided.answers.push(Ok(answer));
                continue;
            }
            let id = request.execution;
            let found = match works.remove(&id) {
                Some(work) => Some(work),
                None => loaded
                    .executions
                    .remove(&id)
                    .map(|found| self.found(found, cached.remove(&id), decided))
                    .transpose()
                    .map_err(|problem| (index, problem))?,
            };
            let taken = self.take(found, request, &loaded, decided);
            let Some((work, taken)) = taken.map_err(|problem| (index, problem))? else {
                decided.answers.push(Err(Error::UnknownExecution));
                continue;
            };
            works.insert(id, work);
            if taken == Err(Ignored::TaskClosed) {
                writes.late.extend(late(request, loaded.now));
            }
            let answer = Answer {
                at: loaded.now,
                taken,
                answered: None,
            };
            if let Some(command) = &request.command {
                let told = (command.answer)(&answer);
                writes.answers.push((command.message_id.clone(), told));
            }
            decided.answers.push(Ok(answer));
        }
        for work in works.into_values() {
            self.keep(work, &mut writes, decided);
        }
        Ok(writes)
    }

    /// Takes one input; `None` when there is no such execution and the input starts none.
    fn take(
        &self,
        found: Option<Work>,
        request: &Request,
        loaded: &Loaded,
        decided: &mut Decided,
    ) -> Result<Option<(Work, Result<(), Ignored>)>, String> {
        let Some(mut work) = found else {
            let begun = self.start(request, loaded, decided)?;
            return Ok(begun.map(|work| (work, Ok(()))));
        };
        let taken = self.turn(&mut work, request, loaded)?;
        Ok(Some((work, taken)))
    }

    /// Puts together what is written of an execution and sent for it.
    fn keep(&self, work: Work, writes: &mut Writes, decided: &mut Decided) {
        let Work {
            mut cached,
            changes,
        } = work;
        if !changes.is_empty() {
            cached.version += 1;
            let (write, publications) =
                changes.into_write(&mut cached, self.identity, self.numbers);
            let opens = write.opens.iter().filter_map(|wait| wait.due);
            let dues = opens.chain(write.moves.iter().map(|(_, due, _)| *due));
            decided.next_due = dues.chain(decided.next_due).min();
            writes.turns.push(write);
            decided.publications.extend(publications);
        }
        decided.kept.push(cached);
    }

    /// The first answer of a command that comes again, be it in the same batch.
    fn answered(&self, loaded: &Loaded, writes: &Writes, request: &Request) -> Option<Answer> {
        let message_id = &request.command.as_ref()?.message_id;
        let earlier = || {
            writes
                .answers
                .iter()
                .find(|(id, _)| id == message_id)
                .map(|(_, answer)| answer)
        };
        let answered = loaded.answers.get(message_id).or_else(earlier)?.clone();
        Some(Answer {
            at: loaded.now,
            taken: Ok(()),
            answered: Some(answered),
        })
    }

    fn found(
        &self,
        found: Found,
        cached: Option<Cached>,
        decided: &mut Decided,
    ) -> Result<Work, String> {
        let cached = match (found, cached) {
            (Found::Unchanged, Some(cached)) => cached,
            (Found::Unchanged, None) => {
                return Err("the store left out an execution that nobody has".to_owned());
            }
            (Found::Stored(stored), _) => {
                let machine = self.machine(stored.revision, &stored.definition, decided)?;
                let store::StoredExecution {
                    version,
                    revision,
                    execution,
                    ..
                } = *stored;
                Cached {
                    version,
                    revision,
                    machine,
                    execution,
                }
            }
        };
        Ok(Work {
            cached,
            changes: Changes::default(),
        })
    }

    fn machine(
        &self,
        revision: RevisionId,
        definition: &str,
        decided: &mut Decided,
    ) -> Result<Arc<Machine>, String> {
        if let Some(machine) = self.cache.machine(revision) {
            return Ok(machine);
        }
        let (machine, _) = Machine::parse(definition).map_err(|faults| {
            let fault = faults.first().map(ToString::to_string).unwrap_or_default();
            format!(
                "the definition of revision {} is not valid: {fault}",
                revision.0
            )
        })?;
        let machine = Arc::new(machine);
        decided.machines.push((revision, Arc::clone(&machine)));
        Ok(machine)
    }

    fn turn(
        &self,
        work: &mut Work,
        request: &Request,
        loaded: &Loaded,
    ) -> Result<Result<(), Ignored>, String> {
        if let Input::Due { wait } = request.input
            && !(loaded.due.contains(&(request.execution, wait))
                && work.changes.is_still_due(wait, loaded.now))
        {
            return Ok(Err(Ignored::NotDue));
        }
        let input = match request.input {
            // It is this coordinator's only publish that came back, not the only one.
            Input::Unroutable { task, .. }
                if loaded.handed_on.contains(&(request.execution, task)) =>
            {
                &Input::Unroutable {
                    task,
                    only_publish: false,
                }
            }
            _ => &request.input,
        };
        let Cached {
            execution, machine, ..
        } = &mut work.cached;
        let sealer = |execution: ExecutionId, task: Sequence| self.identity.seal(execution, task);
        let decision = decide(machine, execution, input, loaded.now, &sealer);
        Ok(decision
            .map_err(|broken| broken.to_string())?
            .map(|decision| work.changes.add(decision)))
    }

    /// Begins the execution that a start asks for; `None` when the input is no start.
    fn start(
        &self,
        request: &Request,
        loaded: &Loaded,
        decided: &mut Decided,
    ) -> Result<Option<Work>, String> {
        let (Input::Start(start), Some(row)) = (&request.input, &request.machine) else {
            return Ok(None);
        };
        let machine = self.machine(row.revision, &row.definition, decided)?;
        let sealer = |execution: ExecutionId, task: Sequence| self.identity.seal(execution, task);
        let begun = begin(&machine, request.execution, start, loaded.now, &sealer);
        let (execution, decision) = begun.map_err(|broken| broken.to_string())?;
        let mut changes = Changes::default();
        changes.add(decision);
        let cached = Cached {
            version: 0,
            revision: row.revision,
            machine,
            execution,
        };
        Ok(Some(Work { cached, changes }))
    }
}

impl Identity {
    pub(super) fn seal(&self, execution: ExecutionId, task: Sequence) -> String {
        self.token_key.seal(execution.0, task.0).as_str().to_owned()
    }
}
