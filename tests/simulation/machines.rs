//! The machines of a world, and the executions that clients ask for.

use anyhow::Result;
use sagamore::store::{MachineRow, NewMachine, Store as _};
use sagamore_interpreter::{ExecutionId, Payload, Start};
use sagamore_tests::saga::{Choices, definition, input};
use sagamore_tests::{ModelStore, Random};
use serde_json::{Value, json};

use crate::node::at_once;

/// An execution that a client asks for.
pub struct Started {
    pub id: ExecutionId,
    pub start: Start,
    pub machine: MachineRow,
}

/// A machine; one that `may_start` others starts the one called [`CHILD`].
pub fn random_definition(random: &mut Random, may_start: bool) -> String {
    let bytes: Vec<u8> = (0..BYTES_MAX).map(|_| random.below(256) as u8).collect();
    let mut definition = definition(&mut Choices(&bytes));
    vary_tasks(&mut definition);
    let definition = definition.to_string();
    match may_start {
        true => definition,
        false => definition.replace("saga:", "queue:"),
    }
}

/// An execution of a machine of its own.
pub fn execution(name: &str, definition: &str, store: &ModelStore) -> Result<Started> {
    let machine = NewMachine {
        arn: format!("arn:aws:states:us-east-1:000000000000:stateMachine:{name}"),
        name: name.to_owned(),
        kind: "STANDARD".to_owned(),
        definition: definition.to_owned(),
        role_arn: "arn:aws:iam::000000000000:role/saga".to_owned(),
    };
    let (machine, _) = at_once(store.create_machine(machine))??;
    let arn = machine.arn.replacen(":stateMachine:", ":execution:", 1);
    let arn = format!("{arn}:run");
    Ok(Started {
        id: ExecutionId::of(&arn),
        start: Start {
            arn,
            name: "run".to_owned(),
            machine_arn: machine.arn.clone(),
            machine_name: machine.name.clone(),
            role_arn: machine.role_arn.clone(),
            input: Payload::new(input()),
            parent: None,
            block: None,
            map_run: None,
        },
        machine,
    })
}

/// Every Task without an undo whose name has an odd number at its end is fire and forget, unless it starts a child.
fn vary_tasks(block: &mut Value) {
    let states = block["States"].as_object_mut().into_iter().flatten();
    for (name, state) in states {
        let branches = state.get_mut("Branches").and_then(Value::as_array_mut);
        let branches = branches.into_iter().flatten();
        branches.for_each(vary_tasks);
        state
            .get_mut("ItemProcessor")
            .into_iter()
            .for_each(vary_tasks);
        let is_task = state["Type"] == "Task" && state.get("Compensate").is_none();
        let is_queue = state["Resource"]
            .as_str()
            .is_some_and(|it| it.starts_with("queue:"));
        // A child that is waited for says when it ends: only a letter that is lost would let its task time out.
        if !is_queue && state["Type"] == "Task" {
            let task = state.as_object_mut().into_iter();
            task.for_each(|task| drop(task.remove("TimeoutSeconds")));
        }
        let is_asked = is_task && is_queue && state["Pivot"] != true;
        if is_asked && name.ends_with(['1', '3', '5', '7', '9']) {
            state["Resource"] = json!(format!("exchange:news/{name}"));
        }
    }
}

/// The machine that others start.
pub const CHILD: &str = "child";
/// Bytes that make a definition.
const BYTES_MAX: u64 = 60;
