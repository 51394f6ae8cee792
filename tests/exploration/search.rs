//! The search: depth first over all that can happen, each state once.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use sagamore_interpreter::definition::Machine;
use serde_json::Value;

use crate::action::{Action, actions};
use crate::growth::question;
use crate::key::{Key, key};
use crate::limits::Limits;
use crate::node::Node;
use crate::plan::{Plan, Question};
use crate::replay;

/// One in how many ends is reached a second time from the beginning.
const REPLAYED: u64 = 128;

/// What was explored.
#[derive(Default)]
pub struct Explored {
    /// The sagas that ended, as far as anything looked at them.
    pub sagas: BTreeSet<Plan>,
    pub states: usize,
    pub inputs: usize,
    pub ends: usize,
    pub replays: usize,
    /// Sagas that are searches of their own, each with the turns by which it is come to.
    pub parts: BTreeMap<Plan, Vec<(Node, Action)>>,
}

/// One search.
pub struct Search {
    limits: Limits,
    /// How many faults were left at most where a state was explored: with fewer nothing new happens.
    seen: HashMap<Key, u8>,
    open: Vec<(Node, Key)>,
    /// What is refused has none.
    machines: HashMap<Plan, Option<(Arc<Machine>, Value)>>,
    explored: Explored,
}

impl Search {
    pub fn new(limits: Limits) -> Search {
        Search {
            limits,
            seen: HashMap::new(),
            open: Vec::new(),
            machines: HashMap::new(),
            explored: Explored::default(),
        }
    }

    /// Explores all that begins like this.
    ///
    /// # Errors
    /// What is violated, by which definition and which inputs.
    pub fn begin(&mut self, plan: Plan) -> Result<()> {
        let mut plans = vec![plan];
        while let Some(mut plan) = plans.pop() {
            let Some(faults) = self.limits.faults(&plan) else {
                continue;
            };
            let node = Node::start(&plan, faults);
            let mut node = node.with_context(|| format!("{:#}", plan.definition()))?;
            while let Some(question) = question(&plan, None, &node.saga.history) {
                let mut answers = plan.answers(&question).into_iter();
                plan = answers.next().context("every question has an answer")?;
                plans.extend(answers);
            }
            node.plan = Arc::new(plan);
            self.visit(node);
        }
        self.finish()
    }

    /// Explores all that comes of these turns.
    ///
    /// # Errors
    /// What is violated, by which definition and which inputs.
    pub fn resume(&mut self, turns: Vec<(Node, Action)>) -> Result<()> {
        for (node, action) in turns {
            for next in self.advance(&node, action)? {
                self.visit(next);
            }
        }
        self.finish()
    }

    pub fn explored(self) -> Explored {
        self.explored
    }

    fn finish(&mut self) -> Result<()> {
        while let Some((node, key)) = self.open.pop() {
            self.explore(&node, key)?;
        }
        Ok(())
    }

    fn visit(&mut self, node: Node) {
        if node.saga.execution.is_terminal() && !self.explored.sagas.contains(&*node.plan) {
            self.explored.sagas.insert((*node.plan).clone());
        }
        let key = key(&node);
        match self.seen.entry(key) {
            Entry::Occupied(known) if *known.get() >= node.faults => return,
            Entry::Occupied(mut known) => {
                known.insert(node.faults);
            }
            Entry::Vacant(new) => {
                new.insert(node.faults);
                self.explored.states += 1;
            }
        }
        self.open.push((node, key));
    }

    fn explore(&mut self, node: &Node, key: Key) -> Result<()> {
        let actions = actions(node);
        if !actions.iter().any(|action| action.is_sure()) {
            self.end(node, key).with_context(|| replay::told(node))?;
        }
        for action in actions {
            for next in self.advance(node, action)? {
                self.visit(next);
            }
        }
        Ok(())
    }

    /// An execution that nothing is sure to happen to any more has ended, and left nothing behind.
    fn end(&mut self, node: &Node, key: Key) -> Result<()> {
        ensure!(node.saga.waits.is_empty(), "it waits for what never comes");
        ensure!(node.saga.execution.is_terminal(), "it does not end");
        node.services
            .check(&node.saga.execution, &node.saga.history)?;
        self.explored.ends += 1;
        if key.is_multiple_of(REPLAYED) {
            self.explored.replays += 1;
            replay::check(node)?;
        }
        Ok(())
    }

    /// What becomes of it by this action, in every saga that is like this one so far.
    fn advance(&mut self, from: &Node, action: Action) -> Result<Vec<Node>> {
        let (before, known) = (&from.saga.execution, from.saga.history.len());
        let (mut found, mut plans) = (Vec::new(), vec![(*from.plan).clone()]);
        while let Some(mut plan) = plans.pop() {
            let Some(mut node) = self.grown(from, &plan, action)? else {
                continue;
            };
            let acted = node.act(&action);
            acted.with_context(|| replay::told(&node))?;
            self.explored.inputs += 1;
            while let Some(question) = question(&plan, Some(before), &node.saga.history[known..]) {
                let mut answers = plan.answers(&question).into_iter();
                plan = answers.next().context("every question has an answer")?;
                match question {
                    Question::Follow('T') if self.limits.is_part(&plan) => {
                        self.leave(from, action, answers)?;
                    }
                    _ => plans.extend(answers),
                }
            }
            node.plan = Arc::new(plan);
            found.push(node);
        }
        Ok(found)
    }

    /// These are searches of their own, from here.
    fn leave(
        &mut self,
        from: &Node,
        action: Action,
        plans: impl Iterator<Item = Plan>,
    ) -> Result<()> {
        for plan in plans {
            if let Some(node) = self.grown(from, &plan, action)? {
                let turns = self.explored.parts.entry(plan).or_default();
                turns.push((node, action));
            }
        }
        Ok(())
    }

    /// The same with a plan that says more; `None` when there is no such saga, or none to which that may happen.
    fn grown(&mut self, from: &Node, plan: &Plan, action: Action) -> Result<Option<Node>> {
        if plan == &*from.plan {
            return Ok(Some(from.clone()));
        }
        let limits = (self.limits.faults(&from.plan), self.limits.faults(plan));
        let (Some(before), Some(after)) = limits else {
            return Ok(None);
        };
        let spent = before - from.faults;
        if after < spent + u8::from(action.is_fault()) {
            return Ok(None);
        }
        let Some((machine, definition)) = self.machine(plan) else {
            return Ok(None);
        };
        let mut node = from.clone();
        node.faults = after - spent;
        node.adopt(plan.clone(), machine, &definition)?;
        Ok(Some(node))
    }

    fn machine(&mut self, plan: &Plan) -> Option<(Arc<Machine>, Value)> {
        if let Some(known) = self.machines.get(plan) {
            return known.clone();
        }
        let definition = plan.definition();
        let parsed = Machine::parse(&definition.to_string()).ok();
        let machine = parsed.map(|(machine, _)| (Arc::new(machine), definition));
        self.machines.insert(plan.clone(), machine.clone());
        machine
    }
}
