//! All small sagas, and all that can happen to them, in every order.
//!
//! Where the random sagas ask what happens by chance, this asks what can happen at all: each saga of a few steps is
//! taken through every order in which its messages are answered and up to two faults strike. At every state the guards
//! of the harness hold and the reference stands at the same place; at every end the services are as the ledger says.
//! `EXPLORE=4 cargo test -p sagamore-tests --test exploration` goes one step further and takes its time.

mod action;
mod growth;
mod key;
mod limits;
#[path = "../sagas/mirror.rs"]
mod mirror;
mod node;
mod plan;
mod replay;
mod search;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use sagamore_interpreter::mutation::{Mutation, break_by};

use action::Action;
use limits::Limits;
use node::Node;
use plan::Plan;
use search::{Explored, Search};

/// How many searches run at a time.
const THREADS: usize = 2;

/// A search that needs no other. No two have a saga in common, so what each finds does not depend on which thread
/// makes it, or when.
enum Job {
    Begin(Plan),
    Resume(Vec<(Node, Action)>),
}

#[test]
fn every_small_saga_keeps_every_invariant() {
    let limits = Limits::from_environment();
    match explore(limits, None) {
        Ok(explored) => explored.tell(limits),
        Err(violation) => panic!("{violation:#}"),
    }
}

#[test]
fn whatever_is_broken_is_noticed() {
    let limits = Limits {
        steps: 2,
        ..Limits::from_environment()
    };
    // No undo is tried again here, so none has a timer that could be forgotten.
    let noticeable = |mutation: &Mutation| *mutation != Mutation::ForgetTimer;
    for mutation in Mutation::ALL.into_iter().filter(noticeable) {
        let violation = explore(limits, Some(mutation)).err();
        let violation = violation.unwrap_or_else(|| panic!("nobody notices {mutation:?}"));
        let what = violation.root_cause().to_string();
        println!("{mutation:?}: {}", what.lines().next().unwrap_or_default());
    }
}

/// Explores all sagas within the limits, with an engine that is broken like this.
fn explore(limits: Limits, broken: Option<Mutation>) -> Result<Explored> {
    let beginnings = Plan::beginnings().into_iter().map(Job::Begin).collect();
    let mut explored = run(beginnings, limits, broken)?;
    let parts = std::mem::take(&mut explored.parts);
    let limits = Limits {
        has_parts: false,
        ..limits
    };
    let parts = parts.into_values().map(Job::Resume).collect();
    explored.add(run(parts, limits, broken)?);
    Ok(explored)
}

/// Makes all searches, until one finds a violation. The first in the order of the jobs is told: all before it are made.
fn run(jobs: Vec<Job>, limits: Limits, broken: Option<Mutation>) -> Result<Explored> {
    let jobs = Mutex::new(jobs.into_iter().enumerate());
    let found = Mutex::new(BTreeMap::new());
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                break_by(broken);
                let next = || jobs.lock().expect("no thread panics here").next();
                while !is_over.load(Ordering::Relaxed)
                    && let Some((index, job)) = next()
                {
                    let explored = search(job, limits);
                    is_over.fetch_or(explored.is_err(), Ordering::Relaxed);
                    let mut found = found.lock().expect("no thread panics here");
                    found.insert(index, explored);
                }
            });
        }
    });
    let mut all = Explored::default();
    let found = found.into_inner().expect("no thread panics here");
    for explored in found.into_values() {
        all.add(explored?);
    }
    Ok(all)
}

fn search(job: Job, limits: Limits) -> Result<Explored> {
    let mut search = Search::new(limits);
    match job {
        Job::Begin(plan) => search.begin(plan)?,
        Job::Resume(turns) => search.resume(turns)?,
    }
    Ok(search.explored())
}

impl Explored {
    fn tell(&self, limits: Limits) {
        println!(
            "{} sagas of up to {} steps, {} states, {} inputs, {} ends, {} of them replayed",
            self.sagas.len(),
            limits.steps,
            self.states,
            self.inputs,
            self.ends,
            self.replays
        );
    }

    fn add(&mut self, other: Explored) {
        self.sagas.extend(other.sagas);
        self.states += other.states;
        self.inputs += other.inputs;
        self.ends += other.ends;
        self.replays += other.replays;
        for (plan, turns) in other.parts {
            self.parts.entry(plan).or_default().extend(turns);
        }
    }
}
