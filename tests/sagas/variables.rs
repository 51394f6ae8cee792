//! How much an execution may keep in variables.

use anyhow::{Result, ensure};
use sagamore_interpreter::{ClaimedEffect, Input, Payload, Reply, Scope, Status};
use sagamore_tests::saga::Saga;
use serde_json::{Map, Value, json};

/// How many values of a million bytes fit.
const FITTING: usize = 10;

#[test]
fn variables_have_a_limit_together() -> Result<()> {
    let (saga, _) = Saga::start(&assigning(FITTING, |at| format!("v{at}")), value())?;
    assert_eq!(saga.execution.head.status, Status::Succeeded);

    let one_more = assigning(FITTING + 1, |at| format!("v{at}"));
    let (saga, _) = Saga::start(&one_more, value())?;
    assert_eq!(error(&saga), Some("States.DataLimitExceeded"));
    Ok(())
}

#[test]
fn branches_share_the_limit_while_they_run() -> Result<()> {
    let (saga, _) = Saga::start(&branches(FITTING / 2, FITTING / 2), value())?;
    assert_eq!(saga.execution.head.status, Status::Running);

    let (saga, _) = Saga::start(&branches(FITTING / 2, FITTING / 2 + 1), value())?;
    assert_eq!(error(&saga), Some("States.DataLimitExceeded"));
    Ok(())
}

#[test]
fn the_variables_of_iterations_go_with_them() -> Result<()> {
    let inside = states(
        FITTING / 2 + 1,
        "I",
        |at| format!("v{at}"),
        json!({ "Type": "Succeed" }),
    );
    let map = json!({
        "Type": "Map",
        "Items": [1, 2],
        "MaxConcurrency": 1,
        "ItemSelector": "{% $states.input %}",
        "ItemProcessor": { "StartAt": "I0", "States": inside },
        "Output": "done",
        "End": true,
    });
    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "M", "States": { "M": map } });
    let (saga, _) = Saga::start(&definition.to_string(), value())?;
    assert_eq!(saga.execution.head.status, Status::Succeeded);
    Ok(())
}

#[test]
fn a_variable_that_is_assigned_again_takes_no_more() -> Result<()> {
    let (saga, _) = Saga::start(&assigning(FITTING + 2, |_| "v".to_owned()), value())?;
    assert_eq!(saga.execution.head.status, Status::Succeeded);
    Ok(())
}

/// Text of a million bytes.
fn value() -> Value {
    json!("x".repeat(1_000_000))
}

#[test]
fn a_branch_that_was_cut_off_forgets_its_variables_once_it_is_undone() -> Result<()> {
    let task = |name: &str, next: &str| {
        json!({
            "Type": "Task",
            "Resource": format!("queue:{name}"),
            "Compensate": { "Resource": format!("queue:undo-{name}") },
            "Assign": { name: "was here" },
            "Next": next,
        })
    };
    let mut broken = task("Break", "Over");
    broken["Catch"] =
        json!([{ "ErrorEquals": ["States.ALL"], "Compensate": true, "Next": "Over" }]);
    let over = json!({ "Type": "Succeed" });
    let branches = json!([
        { "StartAt": "Do", "States": { "Do": task("Do", "Break"), "Break": broken, "Over": over } },
        { "StartAt": "Other", "States": { "Other": task("Other", "Fine"), "Fine": over } },
    ]);
    let catch = json!([{ "ErrorEquals": ["States.ALL"], "Next": "Last" }]);
    let parallel = json!({ "Type": "Parallel", "Branches": branches, "Catch": catch, "End": true });
    let states = json!({ "P": parallel, "Last": task("Last", "End"), "End": over });
    let definition = json!({ "StartAt": "P", "States": states });
    let (mut saga, _) = Saga::start(&definition.to_string(), json!({}))?;
    // Do, Break, Other and the undo of Do, in the order in which they are answered.
    for (message, is_done) in [(0, true), (2, false), (1, false), (3, true)] {
        let reply = if is_done { success() } else { failure() };
        let (task, _) = saga.dispatched[message];
        let bytes = None;
        let taken = saga.take(&Input::Reply { task, reply, bytes })?;
        ensure!(taken.is_ok(), "{message}: {taken:?}");
    }
    let scopes = saga.execution.scopes.values();
    let keeping: Vec<_> = scopes.filter(|scope| !scope.variables.is_empty()).collect();
    assert_eq!(keeping, Vec::<&Scope>::new());
    Ok(())
}

fn success() -> Reply {
    Reply::Success(Payload::new(json!({})))
}

fn failure() -> Reply {
    Reply::Failure {
        error: "E".to_owned(),
        cause: None,
        effect: ClaimedEffect::None,
    }
}

/// What an execution failed with.
fn error(saga: &Saga) -> Option<&str> {
    saga.execution.head.error.as_deref()
}

/// Two branches that wait, once each has kept its input in so many variables.
fn branches(first: usize, second: usize) -> String {
    let branch = |states_of: usize, prefix: &str| {
        let waiting = json!({ "Type": "Wait", "Seconds": 60, "End": true });
        let states = states(states_of, prefix, |at| format!("v{at}"), waiting);
        json!({ "StartAt": format!("{prefix}0"), "States": states })
    };
    let parallel = json!({ "Type": "Parallel", "Branches": [branch(first, "A"), branch(second, "B")], "End": true });
    json!({ "QueryLanguage": "JSONata", "StartAt": "P", "States": { "P": parallel } }).to_string()
}

/// A machine of states that each keep their input in a variable.
fn assigning(count: usize, variable: impl Fn(usize) -> String) -> String {
    let all = states(count, "S", variable, json!({ "Type": "Succeed" }));
    json!({ "QueryLanguage": "JSONata", "StartAt": "S0", "States": all }).to_string()
}

/// States that each keep their input in a variable, and a last one.
fn states(
    count: usize,
    prefix: &str,
    variable: impl Fn(usize) -> String,
    last: Value,
) -> Map<String, Value> {
    let state = |at: usize| {
        let kept = json!({ variable(at): "{% $states.input %}" });
        let next = format!("{prefix}{}", at + 1);
        let state = json!({ "Type": "Pass", "Assign": kept, "Next": next });
        (format!("{prefix}{at}"), state)
    };
    let mut all: Map<String, Value> = (0..count).map(state).collect();
    all.insert(format!("{prefix}{count}"), last);
    all
}
