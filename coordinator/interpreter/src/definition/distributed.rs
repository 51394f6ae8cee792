//! A Map whose iterations are executions of their own. Source: States Language, "Map State"; Step Functions, "Distributed mode".

use super::document::Node;
use super::fault::{Faults, excerpt};
use super::fields::{Fields, string};
use super::spelling::did_you_mean;
use super::vocabulary::PROCESSOR_CONFIG;
use super::{
    BlockId, Handover, QueryLanguage, Resource, State, StateKind, StateName, Task, Transition,
};
use crate::query::{Path, ReferencePath};

/// Reads `ProcessorConfig`: whether it says that each iteration is an execution of its own.
pub(super) fn parse_config(node: Node<'_>, faults: &mut Faults) -> bool {
    let Some(config) = Fields::open(node, &PROCESSOR_CONFIG, faults) else {
        return false;
    };
    let modes = ["INLINE", "DISTRIBUTED"];
    let is_distributed = word(config, "Mode", modes, faults) == Some("DISTRIBUTED");
    // What an EXPRESS execution promises less is not needed here.
    word(config, "ExecutionType", ["STANDARD", "EXPRESS"], faults);
    is_distributed
}

fn word<'d>(
    config: Fields<'d>,
    name: &str,
    words: [&'static str; 2],
    faults: &mut Faults,
) -> Option<&'d str> {
    let node = config.get(name)?;
    let found = string(node, faults)?;
    if words.contains(&found) {
        return Some(found);
    }
    let problem = format!("There is no {name} '{}'", excerpt(found));
    let remedy = did_you_mean(found, words, || {
        format!("write \"{}\" or \"{}\"", words[0], words[1])
    });
    faults.schema(node.spot(), problem, remedy);
    None
}

/// The name of the Task that starts the executions of a distributed Map. Incidents show it.
pub(super) fn item_name(map: &str) -> String {
    format!("{map}/item")
}

/// The Task that starts an execution for an item.
pub(super) fn item_state(name: &str, label: &str, block: BlockId, processor: BlockId) -> State {
    let whole = || Some(Path::parse("$").expect("'$' is a path"));
    let task = Task {
        resource: Resource::Item {
            label: label.to_owned(),
            processor,
        },
        parameters: None,
        result_selector: None,
        result_path: Some(ReferencePath::parse("$").expect("'$' is a reference path")),
        timeout: None,
        heartbeat: None,
        retry: Vec::new(),
        catch: Vec::new(),
        compensate: None,
        is_pivot: false,
        transition: Transition::End,
    };
    State {
        name: StateName::new(name),
        block,
        language: QueryLanguage::JsonPath,
        handover: Handover::default(),
        input_path: whole(),
        output_path: whole(),
        kind: StateKind::Task(Box::new(task)),
    }
}
