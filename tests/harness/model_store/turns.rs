//! What a batch loads and writes, and what changes hands.

use std::collections::{HashMap, HashSet};

use super::*;
use sagamore::store::{Found, LateReply, Outgoing, StoredExecution, TurnWrite, WaitWrite};

impl Tables {
    pub(super) fn load(&self, want: &Want) -> Result<Loaded, Error> {
        let mut executions = HashMap::new();
        for (id, version) in &want.executions {
            if let Some(row) = self.executions.get(id) {
                executions.insert(*id, self.found(row, *version)?);
            }
        }
        let is_due = |wait: &&(ExecutionId, Sequence)| {
            self.waits
                .get(*wait)
                .and_then(|row| row.due)
                .is_some_and(|due| due <= self.now)
        };
        let answers = want
            .commands
            .iter()
            .filter_map(|id| Some((id.clone(), self.commands.get(id)?.clone())));
        Ok(Loaded {
            now: self.now,
            executions,
            due: want
                .due
                .iter()
                .filter(is_due)
                .copied()
                .collect::<HashSet<_>>(),
            handed_on: want
                .returned
                .iter()
                .filter(|wait| self.waits.get(*wait).is_some_and(|row| row.handed_on))
                .copied()
                .collect(),
            answers: answers.collect(),
        })
    }

    fn found(&self, row: &ExecutionTable, known: Option<Version>) -> Result<Found, Error> {
        if known == Some(row.version) {
            return Ok(Found::Unchanged);
        }
        let revision = self
            .revisions
            .get(&row.revision)
            .ok_or_else(|| refused("there is no such revision"))?;
        Ok(Found::Stored(Box::new(StoredExecution {
            version: row.version,
            revision: row.revision,
            definition: revision.definition.clone(),
            execution: row.load(),
        })))
    }

    /// Writes all of it, or fails and writes nothing.
    pub(super) fn take(&mut self, writes: Writes) -> Result<(), Error> {
        for turn in &writes.turns {
            self.check(turn)?;
        }
        for turn in writes.turns {
            self.take_turn(turn);
        }
        for (message_id, answer) in writes.answers {
            self.commands.entry(message_id).or_insert(answer);
        }
        for reply in writes.late {
            self.log(reply);
        }
        Ok(())
    }

    fn log(&mut self, reply: LateReply) {
        let LateReply {
            execution,
            task,
            kind,
            at,
            error,
        } = reply;
        let at = floor(at);
        let row = self.late.entry((execution, task, kind.as_str()));
        let row = row.or_insert(LateReplyRow {
            task,
            kind,
            times: 0,
            first_at: at,
            last_at: at,
            error: None,
        });
        row.times += 1;
        row.last_at = at;
        row.error = error;
    }

    fn check(&self, turn: &TurnWrite) -> Result<(), Error> {
        let stored = self.executions.get(&turn.head.id).map(|row| row.version);
        let expected = (turn.version > 1).then_some(turn.version - 1);
        if stored != expected {
            return Err(Error::Unavailable(
                "an execution was written by another coordinator in between".into(),
            ));
        }
        for open in turn
            .opens
            .iter()
            .filter(|open| !turn.closes.contains(&open.wait))
        {
            if self.waits.contains_key(&(turn.head.id, open.wait)) {
                return Err(refused("a wait opens twice"));
            }
        }
        for event in &turn.events {
            if self.events.contains_key(&(turn.coordinator, event.number)) {
                return Err(refused("a place in an outbox is taken twice"));
            }
        }
        Ok(())
    }

    fn take_turn(&mut self, turn: TurnWrite) {
        let id = turn.head.id;
        let opened_at = floor(turn.head.at);
        let row = self.executions.entry(id).or_insert_with(|| ExecutionTable {
            version: 1,
            revision: turn.revision,
            head: turn.head.clone(),
            scopes: BTreeMap::new(),
            entries: BTreeMap::new(),
            history: Vec::new(),
        });
        row.version = turn.version;
        row.head = Head {
            start: row.head.start.clone(),
            ..turn.head
        };
        for (scope, body) in turn.scopes {
            match body {
                Some(body) => drop(row.scopes.insert(scope, body)),
                None => drop(row.scopes.remove(&scope)),
            }
        }
        row.entries
            .extend(turn.entries.into_iter().map(|entry| (entry.id, entry)));
        row.history.extend(turn.history);
        for open in turn.opens {
            self.waits.insert(
                (id, open.wait),
                WaitTable::open(open, turn.coordinator, opened_at),
            );
        }
        for (wait, due, republish) in turn.moves {
            if let Some(row) = self.waits.get_mut(&(id, wait)) {
                row.due = Some(ceil(due));
                row.held = None;
                row.republish = republish && matches!(row.kind, WaitWriteKind::Message(..));
            }
        }
        for wait in turn.closes {
            self.waits.remove(&(id, wait));
        }
        for event in turn.events {
            self.events.insert((turn.coordinator, event.number), event);
        }
    }

    pub(super) fn take_over(
        &mut self,
        coordinator: CoordinatorId,
        limit: u32,
        numbers: &(dyn Fn() -> u64 + Sync),
    ) -> Vec<Unsent> {
        let others = self
            .coordinators
            .iter()
            .filter(|(id, lease)| **id != coordinator && lease.until <= self.now);
        let lapsed: BTreeMap<CoordinatorId, u64> = others
            .map(|(id, lease)| (*id, lease.sent_through))
            .collect();
        let is_unsent = |owner: &CoordinatorId, number: u64| {
            lapsed.get(owner).is_some_and(|sent| number > *sent)
        };
        let messages = self.waits.iter().filter_map(|(key, row)| {
            let number = row
                .number
                .filter(|number| row.republish && is_unsent(&row.owner, *number))?;
            Some((row.owner, number, Some(*key)))
        });
        let events = self
            .events
            .keys()
            .filter(|(owner, number)| is_unsent(owner, *number));
        let mut places: Vec<_> = messages
            .chain(events.map(|(owner, number)| (*owner, *number, None)))
            .collect();
        if places.is_empty() {
            self.inherit(coordinator, &lapsed);
            return Vec::new();
        }
        places.sort_unstable();
        places.truncate(limit as usize);
        let taken = places.into_iter().filter_map(|(owner, old, wait)| {
            let number = numbers();
            match wait {
                Some(key) => {
                    let row = self.waits.get_mut(&key)?;
                    (row.owner, row.number) = (coordinator, Some(number));
                    row.handed_on = true;
                    row.unsent(key)
                }
                None => {
                    let event = EventWrite {
                        number,
                        ..self.events.remove(&(owner, old))?
                    };
                    self.events.insert((coordinator, number), event.clone());
                    Some(Unsent::Event(event))
                }
            }
        });
        taken.collect()
    }

    /// What was sent, and the timers.
    fn inherit(&mut self, coordinator: CoordinatorId, lapsed: &BTreeMap<CoordinatorId, u64>) {
        for row in self
            .waits
            .values_mut()
            .filter(|row| lapsed.contains_key(&row.owner))
        {
            (row.owner, row.number) = (coordinator, None);
        }
        self.events
            .retain(|(owner, _), _| !lapsed.contains_key(owner));
    }

    pub(super) fn unsent(&self, coordinator: CoordinatorId, numbers: &[u64]) -> Vec<Unsent> {
        let events = numbers.iter().filter_map(|number| {
            let event = self.events.get(&(coordinator, *number))?;
            Some((*number, Unsent::Event(event.clone())))
        });
        let messages = self.waits.iter().filter_map(|(key, row)| {
            let number = row
                .number
                .filter(|number| row.republish && numbers.contains(number))?;
            (row.owner == coordinator).then_some((number, row.unsent(*key)?))
        });
        let mut unsent: Vec<(u64, Unsent)> = events.chain(messages).collect();
        unsent.sort_by_key(|(number, _)| *number);
        unsent.into_iter().map(|(_, unsent)| unsent).collect()
    }

    pub(super) fn set_aside(&mut self, aside: &SetAside) {
        let execution_arn = match (self.executions.get(&aside.execution), &aside.input) {
            (Some(row), _) => row.head.start.arn.clone(),
            (None, Input::Start(start)) => start.arn.clone(),
            (None, _) => String::new(),
        };
        let row = Aside {
            opened_at: self.now,
            execution_arn,
            aside: aside.clone(),
        };
        self.asides.entry(aside.execution).or_insert(row);
        if let Input::Due { wait } = aside.input
            && let Some(row) = self.waits.get_mut(&(aside.execution, wait))
            && row.due.is_some()
        {
            row.held = row.due.take();
        }
    }

    pub(super) fn take_back(&mut self, execution: ExecutionId) -> Option<SetAside> {
        for (_, row) in self
            .waits
            .range_mut((execution, Sequence(0))..=(execution, Sequence(u64::MAX)))
        {
            if let Some(held) = row.held.take() {
                row.due = Some(held);
            }
        }
        self.asides.remove(&execution).map(|row| row.aside)
    }
}

impl WaitTable {
    fn open(open: WaitWrite, owner: CoordinatorId, opened_at: Timestamp) -> WaitTable {
        let number = match &open.kind {
            WaitWriteKind::Message(_, number) => Some(*number),
            WaitWriteKind::Timer | WaitWriteKind::Review(_) | WaitWriteKind::Incident(_) => None,
        };
        let due = open.due.map(ceil);
        WaitTable {
            owner,
            due,
            held: None,
            opened_at,
            republish: number.is_some(),
            number,
            handed_on: false,
            kind: open.kind,
        }
    }

    fn unsent(&self, (execution, wait): (ExecutionId, Sequence)) -> Option<Unsent> {
        let outgoing = Box::new(self.outgoing()?.clone());
        Some(Unsent::Message {
            execution,
            wait,
            due: self.due,
            outgoing,
            number: self.number?,
        })
    }

    pub(super) fn outgoing(&self) -> Option<&Outgoing> {
        match &self.kind {
            WaitWriteKind::Message(outgoing, _) | WaitWriteKind::Review(outgoing) => Some(outgoing),
            WaitWriteKind::Timer | WaitWriteKind::Incident(_) => None,
        }
    }
}

fn refused(why: &str) -> Error {
    Error::Refused(why.into())
}
