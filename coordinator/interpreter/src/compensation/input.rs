//! The input of a compensation: its ledger entry. Source: the saga extension, "The input of a compensation".

use serde_json::{Value, json};

use super::of_visit;
use crate::execution::Step;
use crate::history::{Outcome, Trigger};

/// The state input of the undo of `step`. `Result` and `Output` are null while the outcome is unknown.
pub(crate) fn entry_input(step: &Step, trigger: &Trigger) -> Value {
    let attempts: Vec<Value> = step
        .attempts
        .iter()
        .map(|attempt| {
            json!({
                "Number": attempt.number,
                "Outcome": outcome_name(attempt.outcome.unwrap_or(Outcome::Unknown)),
                "Result": attempt.result.as_deref(),
                "Error": attempt.error,
            })
        })
        .collect();
    json!({
        "State": step.state.as_str(),
        "Input": *step.input,
        "Arguments": *step.arguments,
        "Result": step.result.as_deref(),
        "Output": step.output.as_deref(),
        "Error": step.error,
        "Cause": step.cause,
        "Outcome": outcome_name(of_visit(&step.attempts)),
        "IdempotencyKey": step.key,
        "Round": step.round,
        "Attempts": attempts,
        "Trigger": {
            "Kind": trigger.kind,
            "Error": trigger.error,
            "Cause": trigger.cause,
            "State": trigger.state,
        },
    })
}

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Committed => "Committed",
        Outcome::NotExecuted => "NotExecuted",
        Outcome::Unknown => "Unknown",
    }
}
