//! The weather clears: nothing fails any more, all that is under way arrives, and what must hold then is checked.

use anyhow::{Result, bail, ensure};
use jiff::SignedDuration;
use sagamore_interpreter::execution::Disposition;
use sagamore_interpreter::{Execution, HistoryRecord, Status};
use sagamore_tests::saga::covered;

use crate::node::{LANES, Node};
use crate::publishing::Fate;
use crate::world::{FAR, World};

impl World {
    /// Goes on until every saga has ended.
    pub fn settle(&mut self) -> Result<()> {
        self.store.set_away(false);
        for _ in 0..ROUNDS_MAX {
            if self.is_over() {
                return self.check();
            }
            let before = self.progress();
            for which in 0..self.nodes.len() {
                self.work(which)?;
            }
            for message in std::mem::take(&mut self.broker.tasks) {
                self.service.answer(&message, &mut self.broker);
            }
            self.decide_incidents()?;
            let is_quiet = self.broker.inbox.is_empty() && self.nodes.iter().all(Node::is_quiet);
            if self.progress() == before && is_quiet {
                self.until_next()?;
            }
        }
        bail!("it goes on for ever")
    }

    /// A coordinator does all there is to do.
    fn work(&mut self, which: usize) -> Result<()> {
        self.nodes[which].renew()?;
        for message in std::mem::take(&mut self.broker.inbox) {
            self.deliver(which, message)?;
        }
        self.open_gate(which);
        self.nodes[which].fire(&self.store)?;
        self.finish(which)?;
        self.take_answers()?;
        for _ in 0..self.nodes[which].letters.len() {
            self.nodes[which].deliver_letter(0, &self.store)?;
        }
        self.publish_all(which, Fate::Confirmed)
    }

    /// A coordinator takes what is in its lanes.
    pub fn finish(&mut self, which: usize) -> Result<()> {
        for lane in 0..LANES.get() as usize {
            for _ in 0..STEPS_MAX {
                self.nodes[which].step(lane)?;
            }
        }
        Ok(())
    }

    /// A coordinator publishes what is in its outbox, each message once.
    pub fn publish_all(&mut self, which: usize, fate: Fate) -> Result<()> {
        for _ in 0..self.nodes[which].publishing.len() {
            self.nodes[which].publish(0, fate, &mut self.broker, &self.store)?;
        }
        Ok(())
    }

    /// Moves the clock to what is due next, and far enough for a lease to lapse.
    fn until_next(&mut self) -> Result<()> {
        let now = self.store.now();
        let lapsed = now.checked_add(SignedDuration::from_secs(1))?;
        let far = now.checked_add(FAR)?;
        let next = self.store.next_due().filter(|due| *due < far);
        let next = next.unwrap_or(lapsed);
        self.store.set_now(if next > now { next } else { lapsed });
        Ok(())
    }

    fn is_over(&self) -> bool {
        let rows = self.store.audit();
        rows.len() >= self.executions.len()
            && rows
                .iter()
                .all(|row| row.execution.is_terminal() && row.waits.is_empty())
            && self.broker.inbox.is_empty()
            && self.broker.tasks.is_empty()
            && self.nodes.iter().all(|node| node.is_idle())
            && self.executions.iter().all(|it| self.was_announced(it))
    }

    /// How far all executions have come.
    fn progress(&self) -> (i64, usize) {
        let rows = self.store.audit();
        (rows.iter().map(|row| row.version).sum(), rows.len())
    }

    /// Whether the end of an execution was told to those who listen.
    fn was_announced(&self, started: &crate::machines::Started) -> bool {
        let rows = self.store.audit();
        let row = rows.iter().find(|row| row.execution.head.id == started.id);
        row.is_some_and(|row| {
            let status = row.execution.head.status.as_str();
            let routing_key = format!("execution.{}.{status}", started.start.machine_name);
            self.broker.has_event(&started.start.arn, &routing_key)
        })
    }

    /// What holds of every world in which all is done.
    fn check(&self) -> Result<()> {
        for row in self.store.audit() {
            let id = row.execution.head.id;
            ensure!(row.execution.head.status != Status::Running, "{id} runs on");
            let sequences = row.history.iter().map(|record| record.sequence.0);
            ensure!(
                sequences.eq(1..=row.history.len() as u64),
                "the history of {id} has gaps"
            );
            let folded = Execution::replay(id, &row.history)?;
            ensure!(
                folded == row.execution,
                "{id} is stored as\n{:#?}\nbut its history makes it\n{folded:#?}",
                row.execution
            );
            self.check_timeouts(id, &row.history)?;
            self.service.done.check(&row.execution, &row.history)?;
            ensure!(
                !row.execution.head.is_kept,
                "{id} waits for a parent that has ended"
            );
            self.check_child(&row.execution, &row.history)?;
        }
        Ok(())
    }

    /// What an execution did that another waited for is gone when its step is undone there, and stays when it is not.
    fn check_child(&self, child: &Execution, history: &[HistoryRecord]) -> Result<()> {
        let Some(parent) = child.head.start.parent.filter(|it| it.is_waited_for) else {
            return Ok(());
        };
        let rows = self.store.audit();
        let row = rows
            .iter()
            .find(|row| row.execution.head.id == parent.execution);
        let entries = row
            .into_iter()
            .flat_map(|row| row.execution.ledger.values());
        let mut steps = entries.filter_map(|entry| entry.step());
        let step = steps.find(|step| step.attempts.iter().any(|it| it.task == parent.task));
        let Some(step) = step else {
            return Ok(());
        };
        let covered = covered(history);
        let entries = child
            .ledger
            .values()
            .filter(|entry| !covered.contains(&entry.id));
        let steps = entries.filter_map(|entry| entry.step());
        let stays = steps
            .filter(|step| step.disposition == Disposition::Released)
            .count();
        if step.disposition == Disposition::Compensated {
            ensure!(
                stays == 0 || child.head.pivot.is_some(),
                "{} is undone by its parent, and {stays} steps of it stay",
                child.head.id
            );
        }
        Ok(())
    }
}

/// Rounds until all is done: a saga may wait for many timers in turn.
const ROUNDS_MAX: usize = 3_000;
/// Steps of a lane in a round: a batch and its handing on, some faults that were planned, what was in doubt.
const STEPS_MAX: usize = 12;
