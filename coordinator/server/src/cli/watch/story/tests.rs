use serde_json::json;

use super::*;

/// Events as `(previous, type, name or detail)`, a second apart.
fn story(events: &[(u64, &str, &str)]) -> Story {
    let events: Vec<Value> = (1u64..)
        .zip(events)
        .map(|(id, (previous, kind, detail))| {
            let mut event =
                json!({ "id": id, "previousEventId": previous, "type": kind, "timestamp": id });
            if kind.ends_with("StateEntered") {
                event["stateEnteredEventDetails"] = json!({ "name": detail });
            } else if kind.ends_with("StateExited") {
                event["stateExitedEventDetails"] = json!({ "name": detail });
            } else if *kind == "MapStateStarted" {
                event["mapStateStartedEventDetails"] =
                    json!({ "length": detail.parse::<u64>().unwrap() });
            } else if !detail.is_empty() {
                event["taskFailedEventDetails"] = json!({ "error": detail });
            }
            event
        })
        .collect();
    let mut story = Story::default();
    // As they come: a few at a time, and some twice.
    for end in 1..=events.len() {
        story.tell(&events[end.saturating_sub(2)..end]);
    }
    story
}

/// `depth name standing done/failed`, a row each.
fn told(story: &Story) -> Vec<String> {
    let rows = story.rows().into_iter().map(|(depth, row)| {
        format!(
            "{depth} {} {:?} {}/{}",
            row.name,
            row.standing(),
            row.done,
            row.failed
        )
    });
    rows.collect()
}

#[test]
fn branches_stand_inside_their_parallel() {
    let story = story(&[
        (0, "ExecutionStarted", ""),
        (0, "TaskStateEntered", "A"),
        (2, "TaskScheduled", ""),
        (3, "TaskSucceeded", ""),
        (4, "TaskStateExited", "A"),
        (5, "ParallelStateEntered", "P"),
        (6, "ParallelStateStarted", ""),
        (7, "TaskStateEntered", "B"),
        (7, "TaskStateEntered", "C"),
        (8, "TaskStateExited", "B"),
        (10, "TaskStateEntered", "D"),
        (9, "TaskStateExited", "C"),
        (11, "TaskStateExited", "D"),
        (13, "ParallelStateSucceeded", ""),
        (13, "ParallelStateExited", "P"),
        (15, "SucceedStateEntered", "E"),
    ]);
    let expected = [
        "0 A Done 1/0",
        "0 P Done 1/0",
        "1 B Done 1/0",
        "1 C Done 1/0",
        "1 D Done 1/0",
        "0 E Running 0/0",
    ];
    assert_eq!(told(&story), expected);
    assert_eq!(story.last_event(), 16);
}

#[test]
fn iterations_are_counted() {
    let story = story(&[
        (0, "MapStateEntered", "M"),
        (1, "MapStateStarted", "3"),
        (2, "MapIterationStarted", ""),
        (2, "MapIterationStarted", ""),
        (3, "TaskStateEntered", "A"),
        (4, "TaskStateEntered", "A"),
        (5, "TaskStateExited", "A"),
        (7, "MapIterationSucceeded", ""),
        (7, "MapIterationStarted", ""),
        (9, "TaskStateEntered", "A"),
        (6, "TaskFailed", "Boom"),
        (11, "MapIterationFailed", ""),
    ]);
    assert_eq!(told(&story), ["0 M Running 0/0", "1 A Running 1/0"]);
    let rows = story.rows();
    assert_eq!(rows[0].1.iterations, Some((2, 3)));
    assert_eq!(
        (rows[1].1.open, rows[1].1.error.as_deref()),
        (2, Some("Boom"))
    );
}

#[test]
fn the_executions_of_a_map_run_are_not_counted_as_iterations() {
    let story = story(&[
        (0, "MapStateEntered", "M"),
        (1, "MapStateStarted", "0"),
        (2, "MapRunStarted", ""),
        (3, "MapRunSucceeded", ""),
        (4, "MapStateSucceeded", ""),
        (5, "MapStateExited", "M"),
    ]);
    assert_eq!(told(&story), ["0 M Done 1/0"]);
    assert_eq!(story.rows()[0].1.iterations, None);
}

#[test]
fn an_undo_is_told_of_its_step() {
    let begin = [
        (0, "TaskStateEntered", "A"),
        (1, "TaskStateExited", "A"),
        (2, "TaskStateEntered", "B"),
        (3, "TaskScheduled", ""),
        (4, "TaskFailed", "Refused"),
        (5, "TaskStateEntered", "Compensate(A)"),
        (6, "TaskScheduled", ""),
    ];
    let mut events = begin.to_vec();
    let halfway = story(&events);
    assert_eq!(told(&halfway), ["0 A Undoing 1/0", "0 B Failed 0/1"]);
    events.push((7, "TaskStateExited", "Compensate(A)"));
    events.push((5, "ExecutionFailed", "Refused"));
    let story = story(&events);
    assert_eq!(told(&story), ["0 A Undone 1/0", "0 B Failed 0/1"]);
    assert_eq!(story.rows()[1].1.error.as_deref(), Some("Refused"));
}

#[test]
fn a_loop_is_one_row() {
    let story = story(&[
        (0, "TaskStateEntered", "A"),
        (1, "TaskStateExited", "A"),
        (2, "ChoiceStateEntered", "Again"),
        (3, "ChoiceStateExited", "Again"),
        (4, "TaskStateEntered", "A"),
        (5, "TaskScheduled", ""),
        (6, "TaskFailed", "Busy"),
        (7, "TaskScheduled", ""),
    ]);
    assert_eq!(told(&story), ["0 A Running 1/0", "0 Again Done 1/0"]);
    assert_eq!(story.rows()[0].1.attempts, 2);
}

#[test]
fn a_step_that_succeeds_at_last_is_done() {
    let story = story(&[
        (0, "TaskStateEntered", "A"),
        (1, "TaskScheduled", ""),
        (2, "TaskFailed", "Busy"),
        (3, "TaskScheduled", ""),
        (4, "TaskSucceeded", ""),
        (5, "TaskStateExited", "A"),
    ]);
    assert_eq!(told(&story), ["0 A Done 1/0"]);
    assert_eq!(story.rows()[0].1.error, None);
}
