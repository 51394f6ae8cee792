//! A Map whose iterations are executions of their own. Source: States Language, "Map State"; Step Functions, "Distributed mode".

use super::dataset::{DISTRIBUTED_ONLY, word};
use super::fault::Faults;
use super::fields::Fields;
use super::vocabulary::PROCESSOR_CONFIG;
use super::{
    BlockId, Handover, QueryLanguage, Resource, State, StateKind, StateName, Task, Transition,
};
use crate::query::{Path, ReferencePath};

/// Reads `ProcessorConfig` of a Map: whether it says that each iteration is an execution of its own.
pub(super) fn parse_config(map: Fields<'_>, processor: Fields<'_>, faults: &mut Faults) -> bool {
    let only = DISTRIBUTED_ONLY.iter().find_map(|name| map.get(name));
    let config = processor.get("ProcessorConfig");
    let config = config.and_then(|config| Fields::open(config, &PROCESSOR_CONFIG, faults));
    let Some(config) = config else {
        return only.is_some();
    };
    let mode = word(config, "Mode", &["INLINE", "DISTRIBUTED"], faults).flatten();
    // What an EXPRESS execution promises less is not needed here.
    word(config, "ExecutionType", &["STANDARD", "EXPRESS"], faults);
    if let (Some("INLINE"), Some(field)) = (mode, only) {
        let field_name = field.key().unwrap_or_default();
        faults.schema(
            field.key_spot(),
            format!("Field '{field_name}' is not supported for a Map of Mode 'INLINE'"),
            "write \"Mode\": \"DISTRIBUTED\" in the ProcessorConfig",
        );
    }
    mode == Some("DISTRIBUTED") || (mode.is_none() && only.is_some())
}

/// The Task of a Map that nobody has written. Incidents show its name.
pub(super) fn hidden_state(name: &str, block: BlockId, resource: Resource) -> State {
    let whole = || Some(Path::parse("$").expect("'$' is a path"));
    let task = Task {
        resource,
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
