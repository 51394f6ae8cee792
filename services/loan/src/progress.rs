//! How far an execution is, read from the events of its history.

use std::collections::HashMap;

use serde_json::Value;

use crate::submission::compensated_state;

/// How far an execution is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Its status.
    pub status: String,
    /// Its error, when it ended with one.
    pub error: Option<String>,
    /// The status of its compensation.
    pub compensation: String,
    /// Its Tasks, in the order in which they were first entered.
    pub steps: Vec<Step>,
    /// Where a person decides, while one has to.
    pub review: Option<String>,
    /// The path that an undo is retried at, while one is suspended.
    pub retry: Option<String>,
}

/// A Task of an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The state's name.
    pub name: String,
    /// How it stands.
    pub state: StepState,
    /// The execution that does it, when one does.
    pub child: Option<String>,
}

/// How a [`Step`] stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    /// It is with its service, or with a person.
    Running,
    /// It is done.
    Done,
    /// It failed, or nobody heard of it in time.
    Failed,
    /// It is being undone.
    Undoing,
    /// It is undone.
    Undone,
}

impl Progress {
    /// The steps that the events of a whole history tell.
    pub fn steps_of(events: &[Value]) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        // Whose event each is: what has no name follows from one that has.
        let mut owners: HashMap<u64, String> = HashMap::new();
        for event in events {
            let kind = event["type"].as_str().unwrap_or_default();
            let entered = event["stateEnteredEventDetails"]["name"].as_str();
            let exited = event["stateExitedEventDetails"]["name"].as_str();
            let previous = event["previousEventId"].as_u64().unwrap_or(0);
            let owner = entered
                .or(exited)
                .map(str::to_owned)
                .or_else(|| owners.get(&previous).cloned());
            let Some(owner) = owner else { continue };
            let (name, undo) = match compensated_state(&owner) {
                Some(step) => (step.to_owned(), true),
                None => (owner.clone(), false),
            };
            let state = match (kind, undo) {
                ("TaskStateEntered" | "TaskScheduled", false) => Some(StepState::Running),
                ("TaskStateEntered" | "TaskScheduled", true) => Some(StepState::Undoing),
                ("TaskStateExited", false) => Some(StepState::Done),
                ("TaskStateExited", true) => Some(StepState::Undone),
                ("TaskFailed" | "TaskTimedOut" | "TaskStateAborted", false) => {
                    Some(StepState::Failed)
                }
                _ => None,
            };
            let known = steps.iter_mut().find(|step| step.name == name);
            match (known, state, child_of(event)) {
                (Some(step), state, child) => {
                    step.state = state.unwrap_or(step.state);
                    step.child = child.or(step.child.take());
                }
                (None, Some(state), child) => steps.push(Step { name, state, child }),
                (None, None, _) => {}
            }
            if let Some(id) = event["id"].as_u64() {
                owners.insert(id, owner);
            }
        }
        steps
    }

    /// Whether nothing more happens to it.
    pub fn is_over(&self) -> bool {
        self.status != "RUNNING" && self.compensation != "COMPENSATING"
    }
}

/// The execution that a Task says it started.
fn child_of(event: &Value) -> Option<String> {
    let output = event["taskSubmittedEventDetails"]["output"].as_str()?;
    let output: Value = serde_json::from_str(output).ok()?;
    Some(output["ExecutionArn"].as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(events: &[(u64, &str, Option<&str>)], expected: &[(&str, StepState)]) {
        let events: Vec<Value> = (1..)
            .zip(events)
            .map(|(id, (previous, kind, name))| {
                let details = if kind.ends_with("Exited") {
                    "stateExitedEventDetails"
                } else {
                    "stateEnteredEventDetails"
                };
                let mut event = json!({ "id": id, "previousEventId": previous, "type": kind });
                if let Some(name) = name {
                    event[details] = json!({ "name": name });
                }
                event
            })
            .collect();
        let steps = Progress::steps_of(&events);
        let seen: Vec<(&str, StepState)> = steps
            .iter()
            .map(|step| (step.name.as_str(), step.state))
            .collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn steps_side_by_side_are_told_apart() {
        check(
            &[
                (0, "ExecutionStarted", None),
                (0, "TaskStateEntered", Some("A")),
                (1, "TaskStateEntered", Some("B")),
                (2, "TaskScheduled", None),
                (3, "TaskScheduled", None),
                (5, "TaskFailed", None),
                (4, "TaskSucceeded", None),
                (7, "TaskStateExited", Some("A")),
            ],
            &[("A", StepState::Done), ("B", StepState::Failed)],
        );
    }

    #[test]
    fn a_step_that_an_execution_does_names_it() {
        let output = json!({ "ExecutionArn": "arn:child" }).to_string();
        let events = [
            json!({ "id": 1, "previousEventId": 0, "type": "TaskStateEntered", "stateEnteredEventDetails": { "name": "A" } }),
            json!({ "id": 2, "previousEventId": 1, "type": "TaskSubmitted", "taskSubmittedEventDetails": { "output": output } }),
            json!({ "id": 3, "previousEventId": 2, "type": "TaskFailed" }),
        ];
        let expected = Step {
            name: "A".to_owned(),
            state: StepState::Failed,
            child: Some("arn:child".to_owned()),
        };
        assert_eq!(Progress::steps_of(&events), [expected]);
    }

    #[test]
    fn an_undo_belongs_to_its_step() {
        check(
            &[
                (0, "TaskStateEntered", Some("A")),
                (1, "TaskStateExited", Some("A")),
                (2, "TaskStateEntered", Some("Compensate(A)")),
                (3, "TaskScheduled", None),
                (4, "TaskFailed", None),
                (5, "TaskScheduled", None),
            ],
            &[("A", StepState::Undoing)],
        );
    }
}
