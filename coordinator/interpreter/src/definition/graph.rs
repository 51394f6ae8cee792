//! What holds between the states of one block: every transition has its target, every state can be reached, and
//! some state ends the block.
//!
//! The checks read the document, not the parsed states, so that a fault inside a state hides none between states.

use std::collections::{HashMap, HashSet};

use super::document::Node;
use super::fault::{FaultCode, Faults, excerpt};
use super::spelling::did_you_mean;

/// Checks a machine's top level or a branch.
pub(super) fn check_block(block: Node<'_>, faults: &mut Faults) {
    let Some(states) = block.get("States").filter(|states| states.is_object()) else {
        return;
    };
    let states: HashMap<&str, Node<'_>> = states.members().collect();
    let start = block
        .get("StartAt")
        .filter(|start| start.as_str().is_some());
    if let Some(start) = start {
        check_target(start, &states, faults);
    }
    for state in block
        .get("States")
        .into_iter()
        .flat_map(Node::members)
        .map(|(_, state)| state)
    {
        for target in targets(state) {
            check_target(target, &states, faults);
        }
    }
    if !states.is_empty() && !states.values().any(|state| may_end(*state)) {
        faults.error(
            block.get("States").unwrap_or(block).spot(),
            FaultCode::MissingEndState,
            "Workflow has no terminal state",
            "give one of these states \"End\": true, or add a state of type Succeed or Fail",
        );
    } else if let Some(start) = start {
        check_reachable(start, block, &states, faults);
    }
}

/// The transitions of a state, where they stand.
fn targets<'d>(state: Node<'d>) -> impl Iterator<Item = Node<'d>> {
    let rules = state.get("Choices").into_iter().flat_map(Node::elements);
    let catchers = state.get("Catch").into_iter().flat_map(Node::elements);
    let nested = rules.chain(catchers).filter_map(|entry| entry.get("Next"));
    let own = ["Next", "Default"]
        .into_iter()
        .filter_map(move |name| state.get(name));
    own.chain(nested).filter(|target| target.as_str().is_some())
}

/// Whether a state may be terminal, as far as its own faults let it be told.
fn may_end(state: Node<'_>) -> bool {
    match state.get("Type").and_then(Node::as_str) {
        Some("Choice") => false,
        _ => state.get("Next").is_none() || state.get("End").and_then(Node::as_bool) == Some(true),
    }
}

fn check_target(target: Node<'_>, states: &HashMap<&str, Node<'_>>, faults: &mut Faults) {
    let name = target.as_str().unwrap_or_default();
    if states.contains_key(name) {
        return;
    }
    let mut known: Vec<_> = states.keys().copied().collect();
    known.sort_unstable();
    let remedy = did_you_mean(name, known, || {
        "name a state of the same 'States' object".to_owned()
    });
    faults.error(
        target.spot(),
        FaultCode::MissingTransitionTarget,
        format!("Missing 'Next' target: {}", excerpt(name)),
        remedy,
    );
}

/// Reports each state that no way from `StartAt` leads to.
fn check_reachable<'d>(
    start: Node<'d>,
    block: Node<'d>,
    states: &HashMap<&'d str, Node<'d>>,
    faults: &mut Faults,
) {
    let mut reached = HashSet::new();
    let mut next = vec![start];
    while let Some(target) = next.pop() {
        if let Some(name) = target.as_str()
            && let Some(state) = states.get(name)
            && reached.insert(name)
        {
            next.extend(targets(*state));
        }
    }
    for (name, state) in block.get("States").into_iter().flat_map(Node::members) {
        if !reached.contains(name) {
            faults.error(
                state.key_spot(),
                FaultCode::MissingTransitionTarget,
                format!("State \"{}\" is not reachable.", excerpt(name)),
                "lead a 'Next', 'Default' or 'Catch' to it, or remove it",
            );
        }
    }
}
