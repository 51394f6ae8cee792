//! Little sagas, what happens to them, and what must come of it.
//!
//! An undo is written `~A#1`, a second round `~A#1/2`, an attempt that is not the first `A#1@2`.

mod pivot;
mod script;

use serde_json::json;

use script::{chain, check, map, parallel, read, start};

#[test]
fn a_saga_that_succeeds_releases_its_entries() {
    check(
        chain(&["A", "B"], json!({})),
        "ok A#1, ok B#1",
        "SUCCEEDED NONE | A#1 Released, B#1 Released",
    );
}

#[test]
fn a_chain_is_undone_last_first() {
    let saga = || chain(&["A", "B", "C"], json!({}));
    check(
        saga(),
        "ok A#1, timeout B#1, ok ~B#1",
        "RUNNING COMPENSATING | out ~A#1 | A#1 Compensating, B#1 Compensated",
    );
    check(
        saga(),
        "ok A#1, timeout B#1, ok ~B#1, ok ~A#1",
        "FAILED States.Timeout COMPENSATED | A#1 Compensated, B#1 Compensated",
    );
    check(
        saga(),
        "ok A#1, fail B#1 E1",
        "RUNNING COMPENSATING | out ~A#1 | A#1 Compensating, B#1 NotExecuted",
    );
    check(saga(), "fail A#1 E1", "FAILED E1 NONE | A#1 NotExecuted");
}

#[test]
fn the_outcome_of_a_visit_is_that_of_all_its_attempts() {
    let retries =
        json!({ "B": { "Retry": [{ "ErrorEquals": ["States.ALL"], "MaxAttempts": 1 }] } });
    let saga = || chain(&["A", "B"], retries.clone());
    check(
        saga(),
        "ok A#1, timeout B#1",
        "RUNNING NONE | timers B#1 | A#1 Committed, B#1 Armed",
    );
    check(
        saga(),
        "ok A#1, timeout B#1, timer B#1, fail B#1@2 E1",
        "RUNNING COMPENSATING | out ~B#1 | A#1 Committed, B#1 Compensating",
    );
    check(
        saga(),
        "ok A#1, timeout B#1, ok B#1, stop",
        "RUNNING COMPENSATING | out ~B#1 | A#1 Committed, B#1 Compensating",
    );
    check(
        saga(),
        "ok A#1, fail B#1 E1, timer B#1, fail B#1@2 E1",
        "RUNNING COMPENSATING | out ~A#1 | A#1 Compensating, B#1 NotExecuted",
    );
}

#[test]
fn a_step_in_flight_drains_before_its_chain_is_undone() {
    let saga = || chain(&["A", "B"], json!({}));
    check(
        saga(),
        "ok A#1, stop",
        "RUNNING COMPENSATING | draining B#1 | A#1 Committed, B#1 Armed",
    );
    check(
        saga(),
        "ok A#1, stop, ok B#1",
        "RUNNING COMPENSATING | out ~B#1 | A#1 Committed, B#1 Compensating",
    );
    check(
        saga(),
        "ok A#1, stop, fail B#1 E1, ok ~A#1",
        "ABORTED COMPENSATED | A#1 Compensated, B#1 NotExecuted",
    );
    check(
        saga(),
        "ok A#1, execution timeout, timeout B#1, ok ~B#1, stop, ok ~A#1",
        "TIMED_OUT COMPENSATED | A#1 Compensated, B#1 Compensated",
    );
}

#[test]
fn a_stop_may_abandon() {
    let mut saga = chain(&["A", "B"], json!({}));
    saga["CompensationPolicy"] = json!({ "OnStop": "Abandon" });
    check(
        saga.clone(),
        "ok A#1, stop",
        "ABORTED ABANDONED | A#1 Abandoned, B#1 Abandoned",
    );
    check(
        saga,
        "ok A#1, rollback, timeout B#1",
        "RUNNING COMPENSATING | out ~B#1 | A#1 Committed, B#1 Compensating",
    );
}

#[test]
fn an_undo_that_fails_waits_for_an_operator() {
    let saga = || {
        let mut saga = chain(&["A", "B"], json!({}));
        saga["CompensationPolicy"] = json!({
            "Retry": [{ "ErrorEquals": ["States.ALL"], "MaxAttempts": 1 }]
        });
        saga
    };
    let suspended = "ok A#1, fail B#1 E1 unknown, fail ~B#1 E2, timer ~B#1, timeout ~B#1@2";
    check(
        saga(),
        suspended,
        "RUNNING SUSPENDED | incidents ~B#1 | A#1 Committed, B#1 Suspended",
    );
    check(
        saga(),
        &format!("{suspended}, retry ~B#1, fail ~B#1@3 E2"),
        "RUNNING COMPENSATING | timers ~B#1 | A#1 Committed, B#1 Compensating",
    );
    check(
        saga(),
        &format!("{suspended}, skip ~B#1, ok ~A#1"),
        "FAILED E1 INCOMPLETE | A#1 Compensated, B#1 Skipped",
    );
    check(
        saga(),
        &format!("{suspended}, resolve ~B#1, ok ~A#1"),
        "FAILED E1 COMPENSATED | A#1 Compensated, B#1 Resolved",
    );
    check(
        saga(),
        &format!("{suspended}, abandon ~B#1"),
        "FAILED E1 ABANDONED | A#1 Abandoned, B#1 Abandoned",
    );
}

#[test]
fn an_undo_has_nine_attempts_unless_it_says_otherwise() {
    let mut script = "ok A#1, fail B#1 E1".to_owned();
    for attempt in 1..9 {
        script += &format!(", fail ~A#1@{attempt} E2, timer ~A#1");
    }
    check(
        chain(&["A", "B"], json!({})),
        &format!("{script}, fail ~A#1@9 E2"),
        "RUNNING SUSPENDED | incidents ~A#1 | A#1 Suspended, B#1 NotExecuted",
    );
    let none = json!({ "A": { "Compensate": { "Resource": "queue:undo", "Retry": [] } } });
    check(
        chain(&["A", "B"], none),
        "ok A#1, fail B#1 E1, fail ~A#1 E2",
        "RUNNING SUSPENDED | incidents ~A#1 | A#1 Suspended, B#1 NotExecuted",
    );
}

#[test]
fn a_phase_that_passes_its_timeout_has_one_incident() {
    let saga = || chain(&["A", "B"], json!({}));
    let over = "ok A#1, fail B#1 E1 committed, phase timeout";
    check(
        saga(),
        over,
        "RUNNING SUSPENDED | incidents ~#0 | A#1 Committed, B#1 Suspended",
    );
    check(
        saga(),
        &format!("{over}, ok ~B#1, skip ~#0, retry ~#0"),
        "RUNNING COMPENSATING | out ~B#1@2 | A#1 Committed, B#1 Compensating",
    );
    check(
        saga(),
        &format!("{over}, abandon ~#0"),
        "FAILED E1 ABANDONED | A#1 Abandoned, B#1 Abandoned",
    );
    check(
        saga(),
        "ok A#1, stop, phase timeout, timeout B#1",
        "RUNNING SUSPENDED | incidents ~#0 | A#1 Committed, B#1 Unknown",
    );
}

#[test]
fn a_late_success_is_undone_in_its_turn_or_once_more() {
    let saga = || chain(&["A", "B"], json!({}));
    check(
        saga(),
        "ok A#1, timeout B#1, ok B#1, ok ~B#1",
        "RUNNING COMPENSATING | out ~B#1/2 | A#1 Committed, B#1 Compensated, B#1/2 Compensating",
    );
    check(
        saga(),
        "ok A#1, timeout B#1, ok ~B#1, ok B#1, ok B#1",
        "RUNNING COMPENSATING | out ~A#1 ~B#1/2 | A#1 Compensating, B#1 Compensated, B#1/2 Compensating",
    );
    check(
        saga(),
        "ok A#1, fail B#1 E1, ok B#1, ok ~A#1",
        "RUNNING COMPENSATING | out ~B#1 | A#1 Compensated, B#1 Compensating",
    );
    check(
        saga(),
        "ok A#1, timeout B#1, ok ~B#1, ok ~A#1, ok A#1, ok B#1",
        "FAILED States.Timeout COMPENSATING | out ~B#1/2 | A#1 Compensated, B#1 Compensated, B#1/2 Compensating",
    );
    check(
        saga(),
        "fail A#1 E1, ok A#1, ok ~A#1",
        "FAILED E1 COMPENSATED | A#1 Compensated",
    );
}

#[test]
fn a_late_success_of_a_step_that_was_caught_stays_until_its_scope_is_undone() {
    let catches = json!({ "A": { "Catch": [{ "ErrorEquals": ["E1"], "Next": "B" }] } });
    let saga = || chain(&["A", "B"], catches.clone());
    check(
        saga(),
        "fail A#1 E1, ok A#1",
        "RUNNING NONE | out B#1 | A#1 Committed, B#1 Armed",
    );
    check(
        saga(),
        "fail A#1 E1, ok B#1, ok A#1",
        "SUCCEEDED COMPENSATING | out ~A#1 | A#1 Compensating, B#1 Released",
    );
}

#[test]
fn a_catcher_with_compensate_undoes_its_scope_and_goes_on() {
    let catches = json!({ "B": { "Catch": [
        { "ErrorEquals": ["States.ALL"], "Next": "C", "Compensate": true }
    ] } });
    let saga = || chain(&["A", "B", "C"], catches.clone());
    check(
        saga(),
        "ok A#1, fail B#1 E1 unknown, ok ~B#1, ok ~A#1",
        "RUNNING COMPENSATED | out C#1 | A#1 Compensated, B#1 Compensated, C#1 Armed",
    );
    check(
        saga(),
        "ok A#1, fail B#1 E1, stop, ok ~A#1",
        "ABORTED COMPENSATED | A#1 Compensated, B#1 NotExecuted",
    );
    check(
        saga(),
        "ok A#1, fail B#1 E1, ok ~A#1, ok B#1, ok C#1",
        "SUCCEEDED COMPENSATING | out ~B#1 | A#1 Compensated, B#1 Compensating, C#1 Released",
    );
}

#[test]
fn a_compensate_goes_back_through_a_state() {
    let undoes = json!({ "Undo": { "Type": "Compensate", "Through": "B" } });
    check(
        chain(&["A", "B", "C", "Undo", "D"], undoes),
        "ok A#1, ok B#1, ok C#1, ok ~C#1, ok ~B#1",
        "RUNNING COMPENSATED | out D#1 | A#1 Committed, B#1 Compensated, C#1 Compensated, D#1 Armed",
    );
}

#[test]
fn each_visit_of_a_loop_is_undone_last_first() {
    let again = json!({ "C": { "Type": "Choice", "Default": "End", "Choices": [{
        "And": [
            { "Variable": "$.result", "IsPresent": true },
            { "Variable": "$.result", "StringEquals": "again" },
        ],
        "Next": "A",
    }] } });
    check(
        chain(&["A", "C"], again),
        "ok A#1 again, ok A#2 again, fail A#3 E1, ok ~A#2",
        "RUNNING COMPENSATING | out ~A#1 | A#1 Compensating, A#2 Compensated, A#3 NotExecuted",
    );
}

#[test]
fn a_branch_that_fails_has_its_siblings_undone() {
    let saga = || {
        chain(
            &["A", "P"],
            json!({ "P": parallel(&[&["B", "C"], &["D"]]) }),
        )
    };
    check(
        saga(),
        "ok A#1, ok B#1, fail C#1 E1",
        "RUNNING COMPENSATING | out ~B#1 | draining D#1 | A#1 Committed, B#1 Compensating, D#1 Armed, C#1 NotExecuted",
    );
    check(
        saga(),
        "ok A#1, ok B#1, fail C#1 E1, ok ~B#1, timeout D#1, ok ~D#1",
        "RUNNING COMPENSATING | out ~A#1 | A#1 Compensating, B#1 Compensated, D#1 Compensated, C#1 NotExecuted",
    );
}

#[test]
fn what_a_plain_catcher_aborts_stays_until_its_scope_is_undone() {
    let mut aborts = parallel(&[&["B"], &["D"]]);
    aborts["Catch"] = json!([{ "ErrorEquals": ["E1"], "Next": "E" }]);
    let saga = || chain(&["P", "E"], json!({ "P": aborts }));
    check(
        saga(),
        "fail B#1 E1",
        "RUNNING NONE | out E#1 | B#1 NotExecuted, D#1 Unknown, E#1 Armed",
    );
    check(
        saga(),
        "fail B#1 E1, fail E#1 E2, ok B#1",
        "RUNNING COMPENSATING | out ~B#1 ~D#1 | B#1 Compensating, D#1 Compensating, E#1 NotExecuted",
    );
    check(
        saga(),
        "fail B#1 E1, ok D#1, ok E#1",
        "SUCCEEDED NONE | B#1 NotExecuted, D#1 Released, E#1 Released",
    );
}

#[test]
fn a_retried_parallel_undoes_its_failed_try_first() {
    let mut retries = parallel(&[&["B"], &["D"]]);
    retries["Retry"] = json!([{ "ErrorEquals": ["E1"], "MaxAttempts": 1 }]);
    let saga = || chain(&["A", "P"], json!({ "P": retries }));
    check(
        saga(),
        "ok A#1, fail B#1 E1 unknown",
        "RUNNING COMPENSATING | out ~B#1 | draining D#1 | A#1 Committed, B#1 Compensating, D#1 Armed",
    );
    check(
        saga(),
        "ok A#1, fail B#1 E1 unknown, ok ~B#1, fail D#1 E2",
        "RUNNING COMPENSATED | timers P#1 | A#1 Committed, B#1 Compensated, D#1 NotExecuted",
    );
    check(
        saga(),
        "ok A#1, fail B#1 E1, fail D#1 E2, timer P#1, ok D#1",
        "RUNNING COMPENSATING | out B#2 D#2 ~D#1 | A#1 Committed, B#1 NotExecuted, D#1 Compensating, B#2 Armed, D#2 Armed",
    );
    check(
        saga(),
        "ok A#1, fail B#1 E1, fail D#1 E2, timer P#1, fail B#2 E1, fail D#2 E1",
        "RUNNING COMPENSATING | out ~A#1 | A#1 Compensating, B#1 NotExecuted, D#1 NotExecuted, B#2 NotExecuted, D#2 NotExecuted",
    );
}

#[test]
fn an_enclosing_scope_takes_over_a_branch_that_undoes() {
    let mut outer = parallel(&[&["B", "Undo", "C"], &["D"]]);
    outer["Branches"][0]["States"]["Undo"]["Type"] = json!("Compensate");
    check(
        chain(&["A", "P"], json!({ "P": outer })),
        "ok A#1, ok B#1, fail D#1 E1, ok ~B#1, ok ~A#1",
        "FAILED E1 COMPENSATED | A#1 Compensated, B#1 Compensated, D#1 NotExecuted",
    );
}

#[test]
fn a_parallel_may_have_an_undo_of_its_own() {
    let mut own = parallel(&[&["B"], &["D"]]);
    own["Compensate"] = json!({ "Resource": "queue:undo-p" });
    let saga = || chain(&["P", "E"], json!({ "P": own }));
    check(
        saga(),
        "ok B#1, ok D#1, fail E#1 E1",
        "RUNNING COMPENSATING | out ~P#1 | B#1 Released, D#1 Released, P#1 Compensating, E#1 NotExecuted",
    );
    check(
        saga(),
        "ok B#1, fail D#1 E1",
        "RUNNING COMPENSATING | out ~B#1 | B#1 Compensating, D#1 NotExecuted",
    );
}

#[test]
fn a_tolerated_iteration_is_undone_at_once() {
    let tolerates = json!({ "MaxConcurrency": 2, "ToleratedFailureCount": 1 });
    let saga = || chain(&["M"], json!({ "M": map(&["B", "C"], &tolerates) }));
    check(
        saga(),
        "ok B#1, fail C#1 E1",
        "RUNNING COMPENSATING | out B#2 ~B#1 | B#1 Compensating, B#2 Armed, C#1 NotExecuted",
    );
    check(
        saga(),
        "ok B#1, fail C#1 E1, ok ~B#1",
        "RUNNING COMPENSATED | out B#2 B#3 | B#1 Compensated, B#2 Armed, C#1 NotExecuted, B#3 Armed",
    );
    check(
        saga(),
        "ok B#1, fail C#1 E1, fail B#2 E2, ok ~B#1",
        "FAILED E2 COMPENSATED | B#1 Compensated, B#2 NotExecuted, C#1 NotExecuted",
    );
}

#[test]
fn the_iterations_of_a_map_are_undone_within_its_concurrency() {
    let narrow = json!({ "MaxConcurrency": 1 });
    let saga = || chain(&["M", "E"], json!({ "M": map(&["B"], &narrow) }));
    let failed = "ok B#1, ok B#2, ok B#3, fail E#1 E1";
    check(
        saga(),
        failed,
        "RUNNING COMPENSATING | out ~B#1 | B#1 Compensating, B#2 Committed, B#3 Committed, E#1 NotExecuted",
    );
    check(
        saga(),
        &format!("{failed}, ok ~B#1"),
        "RUNNING COMPENSATING | out ~B#2 | B#1 Compensated, B#2 Compensating, B#3 Committed, E#1 NotExecuted",
    );
}

#[test]
fn what_never_was_is_refused() {
    let mut saga = start(&chain(&["A"], json!({})));
    for input in [
        "ok A#1@2",
        "ok B#1",
        "timer A#1",
        "retry A#1",
        "timeout ~A#1",
    ] {
        assert!(saga.take(&read(input)).is_err(), "{input} is taken");
    }
}
