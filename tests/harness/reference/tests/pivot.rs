//! Before, at and after the point of no return.

use serde_json::json;

use super::script::{chain, check, parallel};

#[test]
fn nothing_before_a_committed_pivot_is_undone() {
    let pivot = json!({ "P": { "Pivot": true } });
    let saga = || chain(&["A", "P", "B"], pivot.clone());
    check(
        saga(),
        "ok A#1, ok P#1, fail B#1 E1",
        "RUNNING SUSPENDED | incidents B#1 | A#1 Released, P#1 Released, B#1 Armed",
    );
    check(
        saga(),
        "ok A#1, ok P#1, fail B#1 E1, retry B#1, ok B#1@2",
        "SUCCEEDED NONE | A#1 Released, P#1 Released, B#1 Released",
    );
    check(
        saga(),
        "ok A#1, ok P#1, fail B#1 E1, skip B#1",
        "SUCCEEDED NONE | A#1 Released, P#1 Released, B#1 NotExecuted",
    );
    check(
        saga(),
        "ok A#1, ok P#1, fail B#1 E1, abandon B#1",
        "FAILED E1 ABANDONED | A#1 Released, P#1 Released, B#1 Abandoned",
    );
    check(
        saga(),
        "ok A#1, ok P#1, stop",
        "ABORTED NONE | A#1 Released, P#1 Released, B#1 Released",
    );
    check(
        saga(),
        "ok A#1, fail P#1 E1",
        "RUNNING COMPENSATING | out ~A#1 | A#1 Compensating, P#1 NotExecuted",
    );
}

#[test]
fn after_the_pivot_an_error_waits_where_it_arose() {
    let inside = json!({ "P": { "Pivot": true }, "Q": parallel(&[&["B"], &["C"]]) });
    let saga = || chain(&["P", "Q"], inside.clone());
    check(
        saga(),
        "ok P#1, fail B#1 E1",
        "RUNNING SUSPENDED | out C#1 | incidents B#1 | P#1 Released, B#1 Armed, C#1 Armed",
    );
    check(
        saga(),
        "ok P#1, fail B#1 E1, ok C#1, skip B#1",
        "SUCCEEDED NONE | P#1 Released, B#1 NotExecuted, C#1 Released",
    );
}

#[test]
fn a_pivot_in_doubt_asks() {
    let saga = || chain(&["A", "P", "B"], json!({ "P": { "Pivot": true } }));
    let doubt = "ok A#1, timeout P#1";
    check(
        saga(),
        doubt,
        "RUNNING SUSPENDED | incidents P#1 | A#1 Committed, P#1 Armed",
    );
    for way in ["skip P#1", "ok P#1", "retry P#1, ok P#1@2"] {
        check(
            saga(),
            &format!("{doubt}, {way}"),
            "RUNNING NONE | out B#1 | A#1 Released, P#1 Released, B#1 Armed",
        );
    }
    check(
        saga(),
        &format!("{doubt}, resolve P#1"),
        "RUNNING COMPENSATING | out ~A#1 | A#1 Compensating, P#1 NotExecuted",
    );
    check(
        saga(),
        &format!("{doubt}, abandon P#1"),
        "FAILED States.Timeout ABANDONED | A#1 Abandoned, P#1 Abandoned",
    );
}

#[test]
fn a_pivot_in_doubt_is_asked_about_when_its_turn_comes() {
    let saga = || chain(&["A", "P"], json!({ "P": { "Pivot": true } }));
    let stopped = "ok A#1, stop, timeout P#1";
    check(
        saga(),
        &format!("{stopped}, retry ~P#1"),
        "RUNNING SUSPENDED | incidents ~P#1 | A#1 Committed, P#1 Suspended",
    );
    for way in ["skip ~P#1", "ok P#1"] {
        check(
            saga(),
            &format!("{stopped}, {way}"),
            "ABORTED NONE | A#1 Released, P#1 Released",
        );
    }
    check(
        saga(),
        &format!("{stopped}, resolve ~P#1, ok ~A#1"),
        "ABORTED COMPENSATED | A#1 Compensated, P#1 Resolved",
    );
    check(
        saga(),
        "ok A#1, stop, ok P#1",
        "ABORTED NONE | A#1 Released, P#1 Released",
    );
}
