//! Sagas, inputs and snapshots as short texts.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::{Act, Effect, Input, Label, Reference, Reply, Snapshot, Task};

/// A machine of Tasks with undos, but for what `other` says of a state, and then a Succeed.
pub(super) fn chain(names: &[&str], other: Value) -> Value {
    let mut states = json!({ "End": { "Type": "Succeed" } });
    for (index, name) in names.iter().enumerate() {
        let mut state = json!({
            "Type": "Task",
            "Resource": format!("queue:{name}"),
            "ResultPath": "$.result",
            "Next": names.get(index + 1).unwrap_or(&"End"),
        });
        let fields = other[name].as_object().cloned().unwrap_or_default();
        if fields.get("Type").is_none() {
            state["Compensate"] = json!({ "Resource": format!("queue:undo-{name}") });
        }
        for (field, value) in fields {
            state[&field] = value;
        }
        states[name] = state;
    }
    json!({ "StartAt": names[0], "States": states })
}

pub(super) fn parallel(branches: &[&[&str]]) -> Value {
    let branches = branches.iter().map(|names| chain(names, json!({})));
    json!({ "Type": "Parallel", "Branches": branches.collect::<Vec<_>>() })
}

pub(super) fn map(names: &[&str], fields: &Value) -> Value {
    let mut map = fields.clone();
    map["Type"] = json!("Map");
    map["ItemsPath"] = json!("$$.Execution.Input.items");
    map["ItemProcessor"] = chain(names, json!({}));
    map
}

/// Starts the saga, has all that happen to it, and compares what can be observed.
#[track_caller]
pub(super) fn check(definition: Value, script: &str, expected: &str) {
    let mut saga = start(&definition);
    for line in script.split(", ") {
        saga.take(&read(line)).expect(line);
        let seen = saga.snapshot();
        saga.take(&Input::Restart).expect("a restart is taken");
        assert_eq!(saga.snapshot(), seen, "a restart changes something");
    }
    assert_eq!(write(&saga.snapshot()), expected, "after {script}");
}

pub(super) fn start(definition: &Value) -> Reference {
    Reference::start(definition, &json!({ "items": [1, 2, 3] })).expect("a plain definition")
}

pub(super) fn read(line: &str) -> Input {
    let words: Vec<&str> = line.split(' ').collect();
    let task = || task(words[1]);
    let incident = || task().label;
    let operator = |act| Input::Operator {
        incident: incident(),
        act,
    };
    match words[0] {
        "ok" => Input::Answer {
            task: task(),
            reply: Reply::Success(json!(words.get(2))),
        },
        "fail" => Input::Answer {
            task: task(),
            reply: Reply::Failure {
                error: words[2].to_owned(),
                effect: match words.get(3).copied() {
                    None => Effect::None,
                    Some("committed") => Effect::Committed,
                    Some(_) => Effect::Unknown,
                },
            },
        },
        "timeout" => Input::TimedOut { task: task() },
        "timer" => Input::TimerOver { of: incident() },
        "stop" => Input::Stop,
        "rollback" => Input::Rollback,
        "execution" => Input::ExecutionTimeout,
        "phase" => Input::PhaseTimeout,
        "retry" => operator(Act::Retry),
        "skip" => operator(Act::Skip { output: None }),
        "resolve" => operator(Act::Resolve),
        "abandon" => operator(Act::Abandon),
        other => panic!("{other} is no input"),
    }
}

fn task(text: &str) -> Task {
    let (rest, attempt) = text.split_once('@').unwrap_or((text, "1"));
    let (rest, round) = rest.split_once('/').unwrap_or((rest, "1"));
    let (state, ordinal) = rest.split_once('#').expect("an ordinal");
    let visit = Label::visit(
        state.trim_start_matches('~'),
        ordinal.parse().expect("a number"),
    );
    let is_undo = state.starts_with('~');
    Task {
        label: if is_undo { visit.undo() } else { visit },
        round: if is_undo {
            round.parse().expect("a number")
        } else {
            0
        },
        attempt: attempt.parse().expect("a number"),
    }
}

fn write(seen: &Snapshot) -> String {
    let tasks = |tasks: &BTreeSet<Task>| {
        let mut texts: Vec<String> = tasks.iter().map(write_task).collect();
        texts.sort();
        texts
    };
    let labels = |labels: &BTreeSet<Label>| labels.iter().map(write_label).collect::<Vec<_>>();
    let error = seen.error.as_deref().map(|error| format!(" {error}"));
    let mut text = format!(
        "{}{} {}",
        seen.status,
        error.unwrap_or_default(),
        seen.compensation
    );
    for (what, found) in [
        ("out", tasks(&seen.out)),
        ("draining", tasks(&seen.draining)),
        ("timers", labels(&seen.timers)),
        ("incidents", labels(&seen.incidents)),
    ] {
        if !found.is_empty() {
            text += &format!(" | {what} {}", found.join(" "));
        }
    }
    let entries = seen.ledger.iter().map(|(label, round, disposition)| {
        let round = if *round > 1 {
            format!("/{round}")
        } else {
            String::new()
        };
        format!("{}{round} {disposition:?}", write_label(label))
    });
    text + " | " + &entries.collect::<Vec<_>>().join(", ")
}

fn write_task(task: &Task) -> String {
    let mut text = write_label(&task.label);
    if task.round > 1 {
        text += &format!("/{}", task.round);
    }
    if task.attempt > 1 {
        text += &format!("@{}", task.attempt);
    }
    text
}

fn write_label(label: &Label) -> String {
    let undo = if label.is_undo { "~" } else { "" };
    format!("{undo}{}#{}", label.state, label.ordinal)
}
