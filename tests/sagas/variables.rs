//! How much an execution may keep in variables.

use anyhow::Result;
use sagamore_interpreter::{Event, HistoryRecord, Status};
use sagamore_tests::saga::Saga;
use serde_json::{Value, json};

/// How many values of a million bytes fit.
const FITTING: usize = 10;

#[test]
fn variables_have_a_limit_together() -> Result<()> {
    let (saga, _) = Saga::start(&assigning(FITTING, |at| format!("v{at}")), value())?;
    assert_eq!(saga.execution.head.status, Status::Succeeded);

    let one_more = assigning(FITTING + 1, |at| format!("v{at}"));
    let (saga, _) = Saga::start(&one_more, value())?;
    let Some(HistoryRecord {
        event: Event::ExecutionEnded(ending),
        ..
    }) = saga.history.last()
    else {
        panic!("it has not failed: {:?}", saga.execution.head.status);
    };
    assert_eq!(ending.error.as_deref(), Some("States.DataLimitExceeded"));
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

/// States that each keep their input in a variable.
fn assigning(states: usize, variable: impl Fn(usize) -> String) -> String {
    let state = |at: usize| {
        let kept = json!({ variable(at): "{% $states.input %}" });
        let state = json!({ "Type": "Pass", "Assign": kept, "Next": format!("S{}", at + 1) });
        (format!("S{at}"), state)
    };
    let mut all: serde_json::Map<String, Value> = (0..states).map(state).collect();
    all.insert(format!("S{states}"), json!({ "Type": "Succeed" }));
    json!({ "QueryLanguage": "JSONata", "StartAt": "S0", "States": all }).to_string()
}
