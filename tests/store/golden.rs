//! Golden rows: what was ever stored is read for ever.
//!
//! Each file holds rows of one kind, a line each, as some version wrote them. A line is added for what is new, and never changed or removed.

use std::collections::BTreeSet;
use std::fmt::Debug;

use sagamore::store::{Outgoing, SetAside};
use sagamore_interpreter::{Entry, Head, HistoryRecord, Incident, Input, Scope};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[test]
fn rows_are_read_for_ever() {
    check::<HistoryRecord>(HISTORY);
    check::<Head>(include_str!("golden/head.jsonl"));
    check::<Scope>(include_str!("golden/scope.jsonl"));
    check::<Entry>(include_str!("golden/entry.jsonl"));
    check::<Outgoing>(include_str!("golden/outgoing.jsonl"));
    check::<Incident>(include_str!("golden/incident.jsonl"));
    check::<SetAside>(include_str!("golden/set_aside.jsonl"));
    check::<Input>(include_str!("golden/letter.jsonl"));
}

#[test]
fn every_event_has_its_row() {
    let lines = HISTORY.lines().map(|line| {
        let record: Value = serde_json::from_str(line).unwrap();
        match &record["event"] {
            // An event without members is its name alone.
            Value::String(name) => name.clone(),
            event => event.as_object().unwrap().keys().next().unwrap().clone(),
        }
    });
    let seen: BTreeSet<String> = lines.collect();
    // What an unknown event is told lists all there are.
    let error = serde_json::from_str::<sagamore_interpreter::Event>(r#"{"nothing":{}}"#);
    let error = error.unwrap_err().to_string();
    let known = error.split_once("expected one of ").unwrap().1;
    let known = known.split(" at line").next().unwrap();
    let known: BTreeSet<String> = known
        .split(", ")
        .map(|name| name.trim_matches('`').to_owned())
        .collect();
    assert_eq!(seen, known);
}

#[track_caller]
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(lines: &str) {
    for line in lines.lines() {
        let row: T = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let again = serde_json::to_string(&row).unwrap();
        assert_eq!(serde_json::from_str::<T>(&again).unwrap(), row, "{line}");
    }
}

const HISTORY: &str = include_str!("golden/history.jsonl");
