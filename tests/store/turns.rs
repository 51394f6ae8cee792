//! Random turns: whatever a coordinator may write next.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use sagamore::store::{CoordinatorId, MachineRow, TurnWrite, WaitWrite, WaitWriteKind};
use sagamore_interpreter::{EntryId, ScopeId, Sequence, Status};
use sagamore_tests::{Audited, Random};

use crate::sample::{empty_turn, entry, event, head, incident, outgoing, record, scope};

/// Places in the outbox of each coordinator.
#[derive(Default)]
pub struct Outboxes(HashMap<CoordinatorId, u64>);

impl Outboxes {
    pub fn next(&mut self, coordinator: CoordinatorId) -> u64 {
        let last = self.0.entry(coordinator).or_default();
        *last += 1;
        *last
    }

    pub fn last(&self, coordinator: CoordinatorId) -> u64 {
        self.0.get(&coordinator).copied().unwrap_or(0)
    }
}

/// Deadlines lie hours around `now`, so that it makes no difference which clock is a little late.
pub struct Turns<'a> {
    pub random: &'a mut Random,
    pub outboxes: &'a mut Outboxes,
    pub coordinator: CoordinatorId,
    pub now: Timestamp,
}

impl Turns<'_> {
    pub fn first(&mut self, machine: &MachineRow, name: &str) -> TurnWrite {
        let mut head = head(machine, name, self.random.payload());
        head.started_at = self.around(head.started_at);
        let turn = empty_turn(self.coordinator, 1, machine.revision, head);
        self.fill(turn, &[], true)
    }

    pub fn next(&mut self, stored: &Audited, machine: &MachineRow) -> TurnWrite {
        let head = stored.execution.head.clone();
        let waits: Vec<Sequence> = stored.waits.keys().copied().collect();
        let turn = empty_turn(self.coordinator, stored.version + 1, machine.revision, head);
        self.fill(turn, &waits, false)
    }

    fn fill(&mut self, mut turn: TurnWrite, waits: &[Sequence], begins: bool) -> TurnWrite {
        let records = self.random.below(4) + u64::from(begins);
        for _ in 0..records {
            let is_shown = !self.random.one_in(3);
            let record = record(&mut turn.head, is_shown, self.random.payload());
            if self.random.one_in(2) {
                let open = self.open(record.sequence);
                turn.opens.push(open);
            }
            turn.history.push(record);
        }
        for _ in 0..self.random.below(3) {
            let id = ScopeId(Sequence(self.random.below(4)));
            let body = (!self.random.one_in(3))
                .then(|| scope(id, Sequence(self.random.below(9)), self.random.payload()));
            turn.scopes.retain(|(other, _)| *other != id);
            turn.scopes.push((id, body));
        }
        for _ in 0..self.random.below(3) {
            let id = EntryId(Sequence(self.random.below(6)));
            turn.entries.retain(|other| other.id != id);
            turn.entries.push(entry(id, self.random.payload()));
        }
        self.touch_waits(&mut turn, waits);
        for _ in 0..self.random.below(2) {
            turn.events
                .push(event(self.outboxes.next(self.coordinator)));
        }
        if self.random.one_in(6) {
            turn.head.status = Status::Failed;
            turn.head.stopped_at = Some(turn.head.at);
            turn.head.error = Some("Step.Failed".to_owned());
        }
        turn
    }

    /// Moves and closes some, among them some that open in this turn.
    fn touch_waits(&mut self, turn: &mut TurnWrite, stored: &[Sequence]) {
        let opened: Vec<Sequence> = turn.opens.iter().map(|open| open.wait).collect();
        for wait in stored.iter().chain(&opened) {
            match self.random.below(6) {
                0 => turn.closes.push(*wait),
                1 => turn
                    .moves
                    .push((*wait, self.around(self.now), self.random.one_in(2))),
                _ => {}
            }
        }
        if self.random.one_in(8) {
            turn.closes.push(Sequence(999));
        }
    }

    fn open(&mut self, wait: Sequence) -> WaitWrite {
        let due = (!self.random.one_in(4)).then(|| self.around(self.now));
        let payload = self.random.payload();
        let kind = match self.random.below(6) {
            0 => WaitWriteKind::Review(outgoing("review", &payload)),
            1 => WaitWriteKind::Incident(incident(payload)),
            2 | 3 => WaitWriteKind::Timer,
            _ => WaitWriteKind::Message(
                outgoing("task", &payload),
                self.outboxes.next(self.coordinator),
            ),
        };
        WaitWrite { wait, due, kind }
    }

    /// Within three hours, but not within minutes; to the nanosecond.
    fn around(&mut self, at: Timestamp) -> Timestamp {
        let minutes = 10 + self.random.below(170).cast_signed();
        let nanoseconds = self.random.below(1_000_000_000).cast_signed();
        let distance = SignedDuration::from_mins(minutes) + SignedDuration::from_nanos(nanoseconds);
        let distance = if self.random.one_in(2) {
            distance
        } else {
            -distance
        };
        at.saturating_add(distance).unwrap_or(at)
    }
}
