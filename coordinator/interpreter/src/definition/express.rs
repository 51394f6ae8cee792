//! What an EXPRESS machine may not have: it is over in minutes and leaves no history, so nothing in it waits for somebody
//! outside and nothing in it is undone later. Source: Step Functions, "Choosing workflow type"; the saga extension,
//! "Static checks".

use super::dataset::DISTRIBUTED_ONLY;
use super::document::Node;
use super::fault::Faults;
use super::graph::{all_blocks, states};

/// Checks the whole machine, block by block.
pub(super) fn check_express(root: Node<'_>, faults: &mut Faults) {
    refuse(root, "CompensationPolicy", faults);
    for (_, state) in all_blocks(root).into_iter().flat_map(states) {
        check_state(state, faults);
    }
}

fn check_state(state: Node<'_>, faults: &mut Faults) {
    if let Some(resource) = state.get("Resource")
        && let Some(problem) = resource.as_str().and_then(unsupported)
    {
        let remedy = "make it a machine of type STANDARD, or do not wait for the end of the work";
        faults.schema(resource.spot(), problem, remedy);
    }
    if let Some(kind) = state.get("Type")
        && kind.as_str() == Some("Compensate")
    {
        let problem = "Express state machine does not support states of type 'Compensate'";
        faults.schema(kind.spot(), problem, REMEDY);
    }
    let processor = state.get("ItemProcessor");
    let mode = processor.and_then(|it| it.get("ProcessorConfig")?.get("Mode"));
    if let Some(mode) = mode.filter(|mode| mode.as_str() == Some("DISTRIBUTED")) {
        let problem = "Express state machine does not support Distributed Map";
        faults.schema(mode.spot(), problem, "write \"Mode\": \"INLINE\"");
    }
    for field in DISTRIBUTED_ONLY {
        refuse(state, field, faults);
    }
    refuse(state, "Compensate", faults);
    refuse(state, "Pivot", faults);
    for catcher in state.get("Catch").into_iter().flat_map(Node::elements) {
        refuse(catcher, "Compensate", faults);
    }
}

fn refuse(node: Node<'_>, field: &str, faults: &mut Faults) {
    if let Some(found) = node.get(field) {
        let problem = format!("Express state machine does not support '{field}'");
        faults.schema(found.spot(), problem, REMEDY);
    }
}

/// What Step Functions says of a resource that waits; that one text ends with a blank there.
fn unsupported(resource: &str) -> Option<&'static str> {
    if resource.ends_with(".waitForTaskToken") {
        Some("Express state machine does not support '.waitForTaskToken' service integration ")
    } else if resource.ends_with(".sync") || resource.ends_with(".sync:2") {
        Some("Express state machine does not support '.sync' service integration")
    } else if resource.starts_with("review:") {
        Some("Express state machine does not support 'review:'")
    } else if resource.starts_with("saga:") {
        Some("Express state machine does not support 'saga:'")
    } else if resource.starts_with("arn:") && resource.contains(":activity:") {
        Some("Express state machine does not support Activity ARN")
    } else {
        None
    }
}

const REMEDY: &str =
    "make it a machine of type STANDARD: only its history can tell what is to be undone";

#[cfg(test)]
mod tests {
    use crate::definition::{Machine, MachineKind};

    fn check(states: &str, expected: &[&str]) {
        let text = format!(r#"{{"StartAt":"A","States":{states},"CompensationPolicy":{{}}}}"#);
        let faults = Machine::parse_as(&text, MachineKind::Express).expect_err("it is refused");
        let told: Vec<String> = faults
            .iter()
            .map(|fault| format!("{} {}", fault.pointer, fault.problem))
            .collect();
        let policy =
            "/CompensationPolicy Express state machine does not support 'CompensationPolicy'";
        let expected: Vec<&str> = expected.iter().copied().chain([policy]).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn nothing_waits_for_somebody_outside() {
        check(
            r#"{"A":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync:2","Next":"B",
                    "Arguments":{"StateMachineArn":"arn:aws:states:us-east-1:000000000000:stateMachine:m"},"QueryLanguage":"JSONata"},
                "B":{"Type":"Parallel","End":true,"Branches":[{"StartAt":"C","States":{
                "C":{"Type":"Task","Resource":"review:a","End":true}}}]}}"#,
            &[
                "/States/A/Resource Express state machine does not support '.sync' service integration",
                "/States/B/Branches/0/States/C/Resource Express state machine does not support 'review:'",
            ],
        );
    }

    #[test]
    fn nothing_is_undone_later() {
        check(
            r#"{"A":{"Type":"Task","Resource":"queue:a","Compensate":{"Resource":"queue:b"},"Next":"B",
                    "Catch":[{"ErrorEquals":["E"],"Next":"C","Compensate":true}]},
                "B":{"Type":"Task","Resource":"queue:b","Pivot":true,"End":true},
                "C":{"Type":"Compensate","End":true}}"#,
            &[
                "/States/A/Compensate Express state machine does not support 'Compensate'",
                "/States/A/Catch/0/Compensate Express state machine does not support 'Compensate'",
                "/States/B/Pivot Express state machine does not support 'Pivot'",
                "/States/C/Type Express state machine does not support states of type 'Compensate'",
            ],
        );
    }
}
