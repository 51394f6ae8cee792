//! What may stand before and after what in a saga: a pivot is passed once and nothing is undone after it, and what a `Compensate`
//! state undoes back to lies on every way that leads there. Source: the saga extension, "Fields".
//!
//! The checks read the document, not the parsed states, so that a fault inside a state hides none between states.

use std::collections::{HashMap, HashSet};

use super::document::Node;
use super::fault::{FaultCode, Faults, excerpt};
use super::graph::{all_blocks, inner_blocks, states, targets};
use super::spelling::did_you_mean;

/// Checks the whole machine.
pub(super) fn check_flow(root: Node<'_>, faults: &mut Faults) {
    check_pivots(root, faults);
    for block in all_blocks(root) {
        check_through(block, faults);
    }
}

/// The states of a block by their number, and where each leads.
struct Flow<'d> {
    numbers: HashMap<&'d str, usize>,
    states: Vec<(&'d str, Node<'d>)>,
    ways: Vec<Vec<usize>>,
}

impl<'d> Flow<'d> {
    fn of(block: Node<'d>) -> Flow<'d> {
        let states: Vec<_> = states(block).collect();
        let numbered = states
            .iter()
            .enumerate()
            .map(|(number, (name, _))| (*name, number));
        let numbers: HashMap<_, _> = numbered.collect();
        let ways = states.iter().map(|(_, state)| {
            let names = targets(*state).filter_map(Node::as_str);
            names
                .filter_map(|name| numbers.get(name).copied())
                .collect()
        });
        let ways = ways.collect();
        Flow {
            numbers,
            states,
            ways,
        }
    }

    fn number(&self, name: Option<Node<'_>>) -> Option<usize> {
        self.numbers.get(name?.as_str()?).copied()
    }

    /// What can be reached from these states, they included, on ways that avoid one state.
    fn reached(&self, from: impl IntoIterator<Item = usize>, avoided: Option<usize>) -> Vec<bool> {
        let mut reached = vec![false; self.states.len()];
        let mut next: Vec<usize> = from.into_iter().collect();
        while let Some(state) = next.pop() {
            if Some(state) != avoided && !std::mem::replace(&mut reached[state], true) {
                next.extend(&self.ways[state]);
            }
        }
        reached
    }
}

/// `Through` names a state of the same block that every way to the Compensate state passes.
fn check_through(block: Node<'_>, faults: &mut Faults) {
    let flow = Flow::of(block);
    let Some(start) = flow.number(block.get("StartAt")) else {
        return;
    };
    let mut without: HashMap<usize, Vec<bool>> = HashMap::new();
    for (number, (name, state)) in flow.states.iter().enumerate() {
        let Some(through) = through(*state) else {
            continue;
        };
        let Some(target) = flow.number(Some(through)) else {
            let wanted = through.as_str().unwrap_or_default();
            let known = flow.states.iter().map(|(name, _)| *name);
            let remedy = did_you_mean(wanted, known, || {
                "name a state of the same 'States'".to_owned()
            });
            let problem = format!("Missing 'Through' target: {}", excerpt(wanted));
            faults.error(
                through.spot(),
                FaultCode::MissingTransitionTarget,
                problem,
                remedy,
            );
            continue;
        };
        let without = without
            .entry(target)
            .or_insert_with(|| flow.reached([start], Some(target)));
        if target == number || without[number] {
            let problem = format!(
                "Not every way to '{}' passes '{}'",
                excerpt(name),
                excerpt(flow.states[target].0)
            );
            faults.error(
                through.spot(),
                FaultCode::ThroughNotOnEveryWay,
                problem,
                "name a state before it that no way goes around, or leave 'Through' out to undo the whole scope",
            );
        }
    }
}

fn through(state: Node<'_>) -> Option<Node<'_>> {
    if state.get("Type").and_then(Node::as_str) != Some("Compensate") {
        return None;
    }
    state
        .get("Through")
        .filter(|through| through.as_str().is_some())
}

fn is_pivot(state: Node<'_>) -> bool {
    state.get("Pivot").and_then(Node::as_bool) == Some(true)
}

fn check_pivots(root: Node<'_>, faults: &mut Faults) {
    for (_, state) in states(root) {
        for inner in inner_blocks(state) {
            refuse_inner_pivots(inner, faults);
        }
    }
    let flow = Flow::of(root);
    let pivots = (0..flow.states.len()).filter(|number| is_pivot(flow.states[*number].1));
    let mut after = HashSet::new();
    for pivot in pivots {
        let (name, state) = flow.states[pivot];
        let spot = || state.get("Pivot").unwrap_or(state).spot();
        let on_the_way = flow.reached(flow.ways[pivot].iter().copied(), None);
        if on_the_way[pivot] {
            faults.error(
                spot(),
                FaultCode::PivotMisplaced,
                format!("The pivot '{}' stands in a loop", excerpt(name)),
                "lead no way from it back to it: the point of no return is passed once",
            );
        }
        let other = (0..flow.states.len())
            .find(|other| *other != pivot && on_the_way[*other] && is_pivot(flow.states[*other].1));
        if let Some(other) = other {
            let (other, _) = flow.states[other];
            faults.error(
                spot(),
                FaultCode::PivotMisplaced,
                format!(
                    "A way leads from this pivot to '{}', another one",
                    excerpt(other)
                ),
                "keep one pivot on each way",
            );
        }
        if let Some(undo) = state.get("Compensate") {
            faults.warning(
                undo.key_spot(),
                FaultCode::PivotIsNotUndone,
                "The undo of a pivot never runs",
                "remove it: past the pivot nothing is undone, and before it has had its effect there is nothing to undo",
            );
        }
        let next = flow.number(state.get("Next"));
        let reached = flow.reached(next, None);
        after.extend((0..flow.states.len()).filter(|number| reached[*number]));
    }
    let mut after: Vec<usize> = after.into_iter().collect();
    after.sort_unstable();
    for number in after {
        refuse_undoing(flow.states[number].1, faults);
    }
}

fn refuse_inner_pivots(block: Node<'_>, faults: &mut Faults) {
    for (_, state) in states(block) {
        if is_pivot(state) {
            faults.error(
                state.get("Pivot").unwrap_or(state).spot(),
                FaultCode::PivotMisplaced,
                "A pivot stands in a branch or an iteration",
                "make it a Task of the top level: what goes on beside it could not be undone any more",
            );
        }
        for inner in inner_blocks(state) {
            refuse_inner_pivots(inner, faults);
        }
    }
}

/// After a pivot nothing is undone.
fn refuse_undoing(state: Node<'_>, faults: &mut Faults) {
    let mut refuse = |spot, what: &str| {
        faults.error(
            spot,
            FaultCode::UndoAfterPivot,
            format!("{what} stands after a pivot"),
            "past the point of no return go on to the end: use Retry and a plain Catch",
        );
    };
    if state.get("Type").and_then(Node::as_str) == Some("Compensate") {
        refuse(state.key_spot(), "A Compensate state");
    }
    for catcher in state.get("Catch").into_iter().flat_map(Node::elements) {
        if let Some(compensate) = catcher.get("Compensate")
            && compensate.as_bool() == Some(true)
        {
            refuse(compensate.spot(), "A Catcher with 'Compensate'");
        }
    }
    for (_, inner) in inner_blocks(state).flat_map(states) {
        refuse_undoing(inner, faults);
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
    fn what_is_undone_back_to_lies_on_every_way() {
        let states = |through: &str| {
            format!(
                r#"{{"A":{{"Type":"Choice","Choices":[{{"Variable":"$.a","IsNull":true,"Next":"B"}}],"Default":"C"}},
                "B":{{"Type":"Pass","Next":"C"}},"C":{{"Type":"Pass","Next":"D"}},
                "D":{{"Type":"Compensate","Through":"{through}","Next":"E"}},"E":{{"Type":"Succeed"}}}}"#
            )
        };
        check(&states("A"), &[]);
        check(&states("C"), &[]);
        check(
            &states("B"),
            &["/States/D/Through Not every way to 'D' passes 'B'"],
        );
        check(
            &states("D"),
            &["/States/D/Through Not every way to 'D' passes 'D'"],
        );
        check(
            &states("E"),
            &["/States/D/Through Not every way to 'D' passes 'E'"],
        );
        check(
            &states("X"),
            &["/States/D/Through Missing 'Through' target: X"],
        );
    }

    #[test]
    fn a_loop_may_be_undone_back_to_its_beginning() {
        check(
            r#"{"A":{"Type":"Pass","Next":"B"},
                "B":{"Type":"Choice","Choices":[{"Variable":"$.a","IsNull":true,"Next":"C"}],"Default":"D"},
                "C":{"Type":"Compensate","Through":"A","Next":"A"},"D":{"Type":"Succeed"}}"#,
            &[],
        );
    }

    #[test]
    fn a_pivot_is_passed_once() {
        let task = |name: &str, next: &str, more: &str| {
            format!(r#""{name}":{{"Type":"Task","Resource":"queue:{name}",{more}"Next":"{next}"}}"#)
        };
        let pivot = r#""Pivot":true,"#;
        let check = |states: [String; 2], expected: &[&str]| {
            check(
                &format!(
                    r#"{{{},{},"E":{{"Type":"Succeed"}}}}"#,
                    states[0], states[1]
                ),
                expected,
            );
        };
        check([task("A", "B", pivot), task("B", "E", "")], &[]);
        check(
            [task("A", "B", pivot), task("B", "E", r#""Pivot":false,"#)],
            &[],
        );
        check(
            [task("A", "B", pivot), task("B", "E", pivot)],
            &["/States/A/Pivot A way leads from this pivot to 'B', another one"],
        );
        let again = r#""Catch":[{"ErrorEquals":["States.ALL"],"Next":"A"}],"#;
        check(
            [task("A", "B", pivot), task("B", "E", again)],
            &["/States/A/Pivot The pivot 'A' stands in a loop"],
        );
    }

    #[test]
    fn a_pivot_stands_at_the_top_level() {
        check(
            r#"{"A":{"Type":"Parallel","End":true,"Branches":[{"StartAt":"B","States":{
                "B":{"Type":"Task","Resource":"queue:b","Pivot":true,"End":true}}}]}}"#,
            &["/States/A/Branches/0/States/B/Pivot A pivot stands in a branch or an iteration"],
        );
        check(
            r#"{"A":{"Type":"Task","Resource":"queue:a","Pivot":"yes","End":true}}"#,
            &["/States/A/Pivot Expected value of type Boolean"],
        );
        check(
            r#"{"A":{"Type":"Task","Resource":"queue:a","Pivot":true,"Compensate":{"Resource":"queue:b"},"End":true}}"#,
            &["/States/A/Compensate warning: The undo of a pivot never runs"],
        );
    }

    #[test]
    fn nothing_is_undone_after_a_pivot() {
        let undo = r#""Catch":[{"ErrorEquals":["States.ALL"],"Compensate":true,"Next":"E"}]"#;
        check(
            &format!(
                r#"{{"A":{{"Type":"Task","Resource":"queue:a","Pivot":true,{undo},"Next":"B"}},
                "B":{{"Type":"Parallel","Next":"C",{undo},"Branches":[{{"StartAt":"D","States":{{
                    "D":{{"Type":"Compensate","End":true}}}}}}]}},
                "C":{{"Type":"Compensate","Next":"E"}},"E":{{"Type":"Succeed"}}}}"#
            ),
            &[
                "/States/B/Catch/0/Compensate A Catcher with 'Compensate' stands after a pivot",
                "/States/B/Branches/0/States/D A Compensate state stands after a pivot",
                "/States/C A Compensate state stands after a pivot",
            ],
        );
    }
}
