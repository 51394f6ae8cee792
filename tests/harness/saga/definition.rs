//! A random saga: chains, choices, loops, nested Parallels, with undos, retriers, catchers and variables.

use serde_json::{Map, Value, json};

use super::Choices;

/// The most states of one chain.
const CHAIN_MAX: usize = 4;
/// How deep Parallels nest.
const DEPTH_MAX: usize = 2;

/// The definition of a random saga.
pub fn definition(choices: &mut Choices<'_>) -> Value {
    let mut saga = block(choices, 0, &mut Names::default());
    if choices.once_in(8) {
        saga["TimeoutSeconds"] = json!([5, 30, 100][choices.one_of(3)]);
    }
    if choices.once_in(8) {
        saga["CompensationPolicy"] = json!({
            "OnStop": (["Compensate", "Abandon"][choices.one_of(2)]),
            "TimeoutSeconds": ([10, 60, 600][choices.one_of(3)]),
        });
    }
    saga
}

/// What all blocks of a machine have together.
#[derive(Default)]
struct Names {
    /// How many names are taken.
    taken: usize,
    /// Whether the pivot stands before what comes now.
    is_past: bool,
}

impl Names {
    fn next(&mut self) -> usize {
        self.taken += 1;
        self.taken
    }
}

fn block(choices: &mut Choices<'_>, depth: usize, named: &mut Names) -> Value {
    let length = 1 + choices.one_of(CHAIN_MAX);
    let names: Vec<String> = (0..length)
        .map(|index| format!("{}{}", ["T", "U", "V", "W"][index], named.next()))
        .collect();
    let number = named.next();
    let (end, failed) = (format!("End{number}"), format!("Failed{number}"));
    let mut states = Map::new();
    let (mut fails, mut tasks) = (false, Vec::new());
    for (index, name) in names.iter().enumerate() {
        let next = names.get(index + 1).unwrap_or(&end);
        let later = &names[index + 1..];
        let mut escape = |choices: &mut Choices<'_>| match choices.one_of(later.len() + 2) {
            0 => end.clone(),
            1 => {
                fails = true;
                failed.clone()
            }
            way => later[way - 2].clone(),
        };
        let mut state = match choices.one_of(10) {
            0..=4 => {
                tasks.push(name.clone());
                task(choices, name)
            }
            5 if depth < DEPTH_MAX => parallel(choices, depth, named),
            6 if depth < DEPTH_MAX => map(choices, depth, named),
            7 => json!({ "Type": "Wait", "Seconds": choices.one_of(20) }),
            8 if named.is_past => json!({ "Type": "Pass" }),
            8 if index > 0 && choices.once_in(2) => {
                json!({ "Type": "Compensate", "Through": names[0] })
            }
            8 => json!({ "Type": "Compensate" }),
            9 => {
                // Back to the last Task, or out of the chain, as that one's reply says.
                let again = tasks.last().unwrap_or(next).clone();
                let out = escape(choices);
                states.insert(name.clone(), choice(&again, &out, next));
                continue;
            }
            _ => json!({ "Type": "Pass" }),
        };
        if matches!(state["Type"].as_str(), Some("Task" | "Parallel" | "Map")) {
            recover(choices, name, &mut state, named.is_past, escape);
        }
        let may_be_pivot = depth == 0 && !named.is_past && state["Type"] == "Task";
        if may_be_pivot && state["Resource"] != "saga:child" && choices.once_in(8) {
            state["Pivot"] = json!(true);
            state.as_object_mut().map(|task| task.remove("Compensate"));
            named.is_past = true;
            tasks.clear();
        }
        if state["Type"] != "Compensate" {
            // So that there are variables wherever a scope ends.
            state["Assign"] = json!({ name.as_str(): "was here" });
        }
        state["Next"] = json!(next);
        states.insert(name.clone(), state);
    }
    if fails {
        states.insert(
            failed,
            json!({ "Type": "Fail", "Error": "E1", "Cause": "the saga says so" }),
        );
    }
    states.insert(end, json!({ "Type": "Succeed" }));
    json!({ "StartAt": names[0], "States": prune(states, &names[0]) })
}

/// How a state deals with errors, and is undone when it is not a Task.
fn recover(
    choices: &mut Choices<'_>,
    name: &str,
    state: &mut Value,
    is_past: bool,
    mut escape: impl FnMut(&mut Choices<'_>) -> String,
) {
    if choices.once_in(3) {
        state["Retry"] = json!([retry(choices)]);
    }
    if state["Type"] != "Task" && choices.once_in(4) {
        state["Compensate"] = json!({ "Resource": format!("queue:undo-{name}") });
    }
    if choices.once_in(3) {
        let catcher = json!({
            "ErrorEquals": [(["States.ALL", "States.TaskFailed", "E1"][choices.one_of(3)])],
            "ResultPath": "$.caught",
            "Next": escape(choices),
            "Compensate": choices.one_of(2) == 1 && !is_past,
        });
        state["Catch"] = json!([catcher]);
    }
}

fn task(choices: &mut Choices<'_>, name: &str) -> Value {
    let mut task = json!({
        "Type": "Task",
        "Resource": format!("queue:{name}"),
        "ResultPath": "$.result",
        "TimeoutSeconds": ([60, 10, 3, 3600][choices.one_of(4)]),
    });
    if choices.one_of(4) != 3 {
        task["Compensate"] = json!({ "Resource": format!("queue:undo-{name}") });
        if choices.once_in(4) {
            task["Compensate"]["Retry"] = json!([]);
        }
    } else if choices.once_in(2) {
        task["Resource"] = json!("saga:child");
    }
    if choices.once_in(6) {
        task["HeartbeatSeconds"] = json!(2);
    }
    task
}

fn parallel(choices: &mut Choices<'_>, depth: usize, named: &mut Names) -> Value {
    let branches = 1 + choices.one_of(3);
    let branches: Vec<Value> = (0..branches)
        .map(|_| block(choices, depth + 1, named))
        .collect();
    json!({ "Type": "Parallel", "Branches": branches, "ResultPath": "$.result" })
}

/// Its items are in the execution's input: see [`input`].
fn map(choices: &mut Choices<'_>, depth: usize, named: &mut Names) -> Value {
    let mut map = json!({
        "Type": "Map",
        "ItemsPath": "$$.Execution.Input.items",
        "ItemSelector": { "item.$": "$$.Map.Item.Value" },
        "MaxConcurrency": choices.one_of(4),
        "ItemProcessor": block(choices, depth + 1, named),
        "ResultPath": "$.result",
    });
    if choices.once_in(2) {
        map["ToleratedFailureCount"] = json!(choices.one_of(3));
    }
    map
}

/// What an execution of a random saga is started with.
pub fn input() -> Value {
    json!({ "items": [1, 2, 3, 4] })
}

fn retry(choices: &mut Choices<'_>) -> Value {
    json!({
        "ErrorEquals": [(["States.ALL", "States.Timeout", "E1"][choices.one_of(3)])],
        "MaxAttempts": 1 + choices.one_of(2),
        "IntervalSeconds": 1 + choices.one_of(5),
    })
}

fn choice(again: &str, out: &str, next: &str) -> Value {
    let says = |what: &str, next: &str| {
        json!({
            "And": [
                { "Variable": "$.result", "IsPresent": true },
                { "Variable": "$.result", "StringEquals": what },
            ],
            "Next": next,
        })
    };
    json!({
        "Type": "Choice",
        "Choices": [says("again", again), says("out", out)],
        "Default": next,
    })
}

/// Leaves out what nothing leads to, which a definition must not have.
fn prune(mut states: Map<String, Value>, first: &str) -> Map<String, Value> {
    let mut reached = vec![first.to_owned()];
    let mut index = 0;
    while let Some(name) = reached.get(index).cloned() {
        let state = &states[&name];
        let rules = ["Choices", "Catch"].into_iter().flat_map(|field| {
            let rules = state[field].as_array();
            rules.into_iter().flatten()
        });
        let found: Vec<String> = rules
            .map(|rule| &rule["Next"])
            .chain([&state["Next"], &state["Default"]])
            .filter_map(|next| next.as_str().map(str::to_owned))
            .collect();
        for next in found {
            if !reached.contains(&next) {
                reached.push(next);
            }
        }
        index += 1;
    }
    states.retain(|name, _| reached.contains(name));
    states
}
