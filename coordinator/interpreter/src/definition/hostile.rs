//! Definitions that mean harm, and sound ones with random changes: none may panic the parser or hold it up.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::Machine;
use super::fault::tests::faults;
use crate::limits::DEFINITION_FAULTS_MAX;

/// A saga with every state type, every field of a Task and a loop.
pub(super) const SAGA: &str = r#"{
  "Comment": "a loan", "Version": "1.0", "TimeoutSeconds": 3600, "QueryLanguage": "JSONPath",
  "StartAt": "Score",
  "States": {
    "Score": { "Type": "Task", "Resource": "queue:credit.score", "TimeoutSeconds": 5, "HeartbeatSeconds": 2,
      "Parameters": { "name.$": "$.name", "fixed": [1, "é\u00e9"] }, "ResultSelector": { "score.$": "$.score" },
      "ResultPath": "$.credit", "OutputPath": "$", "Next": "Both",
      "Retry": [{ "ErrorEquals": ["States.Timeout"], "BackoffRate": 1.5, "JitterStrategy": "FULL" }],
      "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Undo", "ResultPath": null, "Compensate": true }],
      "Compensate": { "Resource": "queue:credit.forget", "Parameters": { "name.$": "$.Input.name" } } },
    "Both": { "Type": "Parallel", "Next": "Enough?", "ResultPath": null, "Branches": [
      { "StartAt": "Reserve", "States": { "Reserve": { "Type": "Task", "Resource": "exchange:funds/reserve", "End": true } } },
      { "StartAt": "Ask", "States": { "Ask": { "Type": "Task", "Resource": "review:loan", "End": true } } } ] },
    "Enough?": { "Type": "Choice", "Default": "Wait", "Choices": [
      { "And": [{ "Variable": "$.credit.score", "NumericGreaterThanEquals": 600 },
                { "Not": { "Variable": "$.name", "StringMatches": "test*" } }], "Next": "Approved" },
      { "Variable": "$.stop", "IsPresent": true, "Next": "Refused" } ] },
    "Wait": { "Type": "Wait", "Seconds": 10, "Next": "Score" },
    "Undo": { "Type": "Compensate", "Next": "Refused" },
    "Refused": { "Type": "Fail", "Error": "Refused", "CausePath": "$.why" },
    "Approved": { "Type": "Pass", "Result": { "approved": true }, "Next": "Done" },
    "Done": { "Type": "Succeed" }
  }
}"#;

/// The first fault of a text that means harm, which must be found at once.
fn check(text: &str, expected: &str) {
    let started = Instant::now();
    let found = faults(text);
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "took {:?}",
        started.elapsed()
    );
    assert!(found.len() <= DEFINITION_FAULTS_MAX);
    assert!(
        found.iter().all(|fault| fault.len() < 2000),
        "a fault is longer than its reader's patience"
    );
    assert!(
        found
            .first()
            .is_some_and(|first| first.starts_with(expected)),
        "{:?}",
        found.first()
    );
}

#[test]
fn a_flood_of_brackets_is_one_fault() {
    let deep = "Objects and arrays are too deeply nested";
    check(&"[".repeat(50_000), &format!(" {deep}"));
    check(&r#"{"a":"#.repeat(50_000), &format!(" {deep}"));
}

#[test]
fn a_mebibyte_in_one_line_is_read_at_once() {
    check(&"x".repeat(1024 * 1024), " Unrecognized token 'xxx");
    check(
        &" ".repeat(1024 * 1024 + 1),
        " The definition has 1048577 bytes",
    );
    check(
        &"1,".repeat(512 * 1024),
        " Unexpected character ',' after the end",
    );
}

#[test]
fn an_invalid_escape_is_one_fault() {
    check(r#"{"StartAt":"\q"}"#, " Unrecognized character escape");
    check(
        r#"{"StartAt":"\udead"}"#,
        " \\udead is half of a surrogate pair",
    );
}

#[test]
fn a_flood_of_keys_is_told_as_far_as_it_can_be_read() {
    let same = r#""a":1,"#.repeat(170_000);
    check(
        &format!("{{{same}\"a\":1}}"),
        "/a Field 'a' is not supported",
    );
    let distinct: String = (0..90_000).map(|key| format!("\"a{key}\":1,")).collect();
    check(
        &format!("{{{distinct}\"b\":1}}"),
        "/a0 Field 'a0' is not supported",
    );
}

#[test]
fn a_flood_of_states_is_told_as_far_as_it_can_be_read() {
    let astray = |state| format!(r#""state{state}":{{"Type":"Pass","Next":"stat{state}"}},"#);
    let states: String = (0..20_000).map(astray).collect();
    check(
        &format!(r#"{{"StartAt":"A","States":{{{states}"A":1}}}}"#),
        "/States/state0/Next Missing 'Next' target: stat0",
    );
}

#[test]
fn a_long_key_is_cut_in_its_faults() {
    let long = "k".repeat(500_000);
    check(
        &format!(r#"{{"StartAt":"A","{long}":{{"a":1,"a":2}}}}"#),
        " These fields are required: [States]",
    );
}

#[test]
fn a_deep_condition_is_read_to_its_end() {
    let open = r#"{"Not":"#.repeat(115);
    let close = "}".repeat(115);
    let rule = format!(r#"{open}{{"IsNull":1}}{close}"#);
    check(
        &format!(r#"{{"StartAt":"A","States":{{"A":{{"Type":"Choice","Choices":[{rule}]}}}}}}"#),
        "/States Workflow has no terminal state",
    );
}

proptest! {
    #[test]
    fn a_changed_definition_never_panics(
        cuts in prop::collection::vec((0..SAGA.len(), 0..40_usize, prop::sample::select(PIECES)), 1..6)
    ) {
        let mut text: Vec<char> = SAGA.chars().collect();
        for (at, length, piece) in cuts {
            let start = at.min(text.len());
            let end = (start + length).min(text.len());
            text.splice(start..end, piece.chars());
        }
        let text: String = text.into_iter().collect();
        for fault in Machine::parse(&text).err().unwrap_or_default() {
            prop_assert!(fault.line >= 1 && fault.column >= 1 && !fault.problem.is_empty() && !fault.remedy.is_empty());
        }
    }

    #[test]
    fn a_definition_with_changed_values_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(VALUES)), 1..8)
    ) {
        let mut definition: serde_json::Value = serde_json::from_str(SAGA).expect("the saga is JSON");
        for (at, value) in changes {
            let mut pointers = Vec::new();
            list_pointers(&definition, String::new(), &mut pointers);
            let value = serde_json::from_str(value).expect("a value is JSON");
            if let Some(place) = definition.pointer_mut(at.get(&pointers).as_str()) {
                *place = value;
            }
        }
        let text = definition.to_string();
        for fault in Machine::parse(&text).err().unwrap_or_default() {
            prop_assert!(definition.pointer(&fault.pointer).is_some(), "{fault}");
        }
        // However it is printed, it means the same.
        let printed = serde_json::to_string_pretty(&definition).expect("it is JSON");
        prop_assert_eq!(meaning(&printed), meaning(&text));
        prop_assert_eq!(meaning(&escaped(&text)), meaning(&text));
    }
}

/// The machine of a definition, state by state, or the faults without their lines.
fn meaning(text: &str) -> Result<Vec<String>, Vec<(String, String)>> {
    let faults = |faults: Vec<super::Fault>| {
        let faults = faults.into_iter();
        faults
            .map(|fault| (fault.pointer, fault.problem))
            .collect::<Vec<_>>()
    };
    let (machine, _) = Machine::parse(text).map_err(faults)?;
    let mut states: Vec<String> = machine.states().map(|state| format!("{state:?}")).collect();
    states.sort_unstable();
    states.push(format!("{:?} {:?}", machine.blocks, machine.timeout));
    Ok(states)
}

/// The text with all that is not ASCII as escapes.
fn escaped(text: &str) -> String {
    let escape = |character: char| match character.is_ascii() {
        true => character.to_string(),
        false => {
            let units = character.encode_utf16(&mut [0; 2]).to_vec();
            units.iter().map(|unit| format!("\\u{unit:04x}")).collect()
        }
    };
    text.chars().map(escape).collect()
}

fn list_pointers(value: &serde_json::Value, pointer: String, pointers: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(members) => {
            for (key, member) in members {
                list_pointers(member, format!("{pointer}/{key}"), pointers);
            }
        }
        serde_json::Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                list_pointers(element, format!("{pointer}/{index}"), pointers);
            }
        }
        _ => {}
    }
    pointers.push(pointer);
}

/// What a change of the text puts in.
const PIECES: &[&str] = &[
    "",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    ",",
    ":",
    "null",
    "1e999",
    "-",
    "é",
    "\"Next\":",
    "\"Type\":",
    "\"States\":{",
    "$",
    "$.a[",
    "\u{0}",
];

/// What a change of a value puts in.
const VALUES: &[&str] = &[
    "null",
    "true",
    "0",
    "-1",
    "1.5",
    "1e300",
    "\"\"",
    "\"Score\"",
    "\"$.a\"",
    "\"$[\"",
    "\"Task\"",
    "\"Choice\"",
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    "{\"a.$\":1}",
    "{\"StartAt\":\"Score\",\"States\":{\"Score\":{\"Type\":\"Parallel\"}}}",
];
