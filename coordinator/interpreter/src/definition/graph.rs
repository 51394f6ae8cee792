//! What holds between the states of one block: every transition has its target, every state can be reached, and
//! some state ends the block.
//!
//! The checks read the document, not the parsed states, so that a fault inside a state hides none between states.

use std::collections::{HashMap, HashSet};

use super::document::Node;
use super::fault::{FaultCode, Faults, excerpt};
use super::spelling::did_you_mean;

/// Checks the whole machine, block by block.
pub(super) fn check_graph(root: Node<'_>, faults: &mut Faults) {
    let blocks = all_blocks(root);
    let everywhere = blocks.iter().copied().flat_map(states);
    let everywhere = everywhere.map(|(name, _)| name).collect();
    for block in blocks {
        check_block(block, &everywhere, faults);
    }
}

fn check_block(block: Node<'_>, everywhere: &HashSet<&str>, faults: &mut Faults) {
    let here: HashMap<&str, Node<'_>> = states(block).collect();
    let is_here = |target: Node<'_>| target.as_str().is_some_and(|name| here.contains_key(name));
    if here.is_empty() {
        return;
    }
    let start = block
        .get("StartAt")
        .filter(|start| start.as_str().is_some());
    for target in start
        .into_iter()
        .chain(states(block).flat_map(|(_, state)| targets(state)))
    {
        let name = target.as_str().unwrap_or_default();
        if !is_here(target) && !faults.full() {
            let known = states(block).map(|(name, _)| name);
            let remedy = if everywhere.contains(name) {
                "that state stands in another block, and a transition stays in its own 'States'"
                    .to_owned()
            } else {
                did_you_mean(name, known, || {
                    "name a state of the same 'States'".to_owned()
                })
            };
            let problem = format!("Missing 'Next' target: {}", excerpt(name));
            faults.error(
                target.spot(),
                FaultCode::MissingTransitionTarget,
                problem,
                remedy,
            );
        }
    }
    if !here.values().any(|state| may_end(*state)) {
        faults.error(
            block.get("States").unwrap_or(block).spot(),
            FaultCode::MissingEndState,
            "Workflow has no terminal state",
            "give one of these states \"End\": true, or add a state of type Succeed or Fail",
        );
    } else if let Some(start) = start.filter(|start| is_here(*start)) {
        // Where the first state is missing, that one fault would be told again of every state.
        check_reachable(start, block, &here, faults);
    }
}

/// The top level and all blocks inside it, each before those inside it.
pub(super) fn all_blocks(root: Node<'_>) -> Vec<Node<'_>> {
    let mut blocks = vec![root];
    let mut next = 0;
    while let Some(block) = blocks.get(next).copied() {
        blocks.extend(states(block).flat_map(|(_, state)| inner_blocks(state)));
        next += 1;
    }
    blocks
}

/// The states of a block.
pub(super) fn states(block: Node<'_>) -> impl Iterator<Item = (&str, Node<'_>)> {
    block.get("States").into_iter().flat_map(Node::members)
}

/// The blocks inside a state: the branches of a Parallel, the processor of a Map.
pub(super) fn inner_blocks(state: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let branches = state.get("Branches").into_iter().flat_map(Node::elements);
    let processors = ["ItemProcessor", "Iterator"];
    branches.chain(
        processors
            .into_iter()
            .filter_map(move |name| state.get(name)),
    )
}

/// The transitions of a state, where they stand.
pub(super) fn targets<'d>(state: Node<'d>) -> impl Iterator<Item = Node<'d>> {
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
        Some("Succeed" | "Fail") => true,
        _ => {
            let ends = state.get("End").and_then(Node::as_bool) == Some(true);
            ends || state.get("Next").and_then(Node::as_str).is_none()
        }
    }
}

/// Reports each state that no way from `StartAt` leads to.
fn check_reachable<'d>(
    start: Node<'d>,
    block: Node<'d>,
    here: &HashMap<&'d str, Node<'d>>,
    faults: &mut Faults,
) {
    let mut reached = HashSet::new();
    let mut next = vec![start];
    while let Some(target) = next.pop() {
        if let Some(name) = target.as_str()
            && let Some(state) = here.get(name)
            && reached.insert(name)
        {
            next.extend(targets(*state));
        }
    }
    for (name, state) in states(block) {
        if state.is_object() && !reached.contains(name) {
            faults.error(
                state.key_spot(),
                FaultCode::MissingTransitionTarget,
                format!("State \"{}\" is not reachable.", excerpt(name)),
                "lead a 'Next', 'Default' or 'Catch' to it, or remove it",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::definition::fault::tests::faults;

    fn check(states: &str, expected: &[&str]) {
        let found = faults(&format!(r#"{{"StartAt":"A","States":{states}}}"#));
        assert_eq!(found, expected);
    }

    #[test]
    fn every_kind_of_transition_needs_its_target() {
        check(
            r#"{"A":{"Type":"Task","Resource":"queue:a","Next":"C","Catch":[{"ErrorEquals":["E"],"Next":"X"}]},
                "C":{"Type":"Choice","Choices":[{"Variable":"$.a","IsNull":true,"Next":"Y"}],"Default":"Z"},
                "D":{"Type":"Pass","Next":"W"},"E":{"Type":"Succeed"}}"#,
            &[
                "/States/A/Catch/0/Next Missing 'Next' target: X",
                "/States/C/Choices/0/Next Missing 'Next' target: Y",
                "/States/C/Default Missing 'Next' target: Z",
                "/States/D State \"D\" is not reachable.",
                "/States/D/Next Missing 'Next' target: W",
                "/States/E State \"E\" is not reachable.",
            ],
        );
        check(
            r#"{"B":{"Type":"Succeed"}}"#,
            &["/StartAt Missing 'Next' target: A"],
        );
    }

    #[test]
    fn a_loop_without_an_end_is_refused() {
        check(
            r#"{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"A"}}"#,
            &["/States Workflow has no terminal state"],
        );
    }

    #[test]
    fn a_loop_beside_an_end_is_refused_for_the_end() {
        check(
            r#"{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"A"},"C":{"Type":"Pass","End":true}}"#,
            &["/States/C State \"C\" is not reachable."],
        );
    }

    #[test]
    fn states_that_reach_only_each_other_are_not_reachable() {
        check(
            r#"{"A":{"Type":"Succeed"},"B":{"Type":"Pass","Next":"C"},"C":{"Type":"Pass","Next":"B"}}"#,
            &[
                "/States/B State \"B\" is not reachable.",
                "/States/C State \"C\" is not reachable.",
            ],
        );
    }

    #[test]
    fn a_transition_stays_in_its_block() {
        check(
            r#"{"A":{"Type":"Parallel","Next":"B","Branches":[{"StartAt":"C","States":{
                "C":{"Type":"Pass","Next":"B"},"D":{"Type":"Succeed"}}}]},"B":{"Type":"Pass","Next":"D"}}"#,
            &[
                "/States Workflow has no terminal state",
                "/States/A/Branches/0/States/C/Next Missing 'Next' target: B",
                "/States/A/Branches/0/States/D State \"D\" is not reachable.",
                "/States/B/Next Missing 'Next' target: D",
            ],
        );
    }

    #[test]
    fn a_fault_inside_a_state_hides_none_between_states() {
        check(
            r#"{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Nothing","Next":"C"},"D":{"Type":"Succeed"}}"#,
            &[
                "/States/B/Type There is no state type 'Nothing'",
                "/States/B/Next Missing 'Next' target: C",
                "/States/D State \"D\" is not reachable.",
            ],
        );
    }
}
