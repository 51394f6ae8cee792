//! The machines of these tests, and the undo by which most of them are judged.

use serde_json::{Value, json};

/// One Task on a queue, with these members beside.
pub fn task(queue: &str, members: Value) -> Value {
    let mut state = json!({ "Type": "Task", "Resource": format!("queue:{queue}"), "End": true });
    let object = state.as_object_mut().expect("a state is an object");
    object.extend(members.as_object().expect("members are an object").clone());
    json!({ "StartAt": "Ask", "States": { "Ask": state } })
}

/// One Task whose undo goes to another queue.
pub fn undoable(queue: &str, undo: &str) -> Value {
    task(
        queue,
        json!({ "Compensate": { "Resource": format!("queue:{undo}") } }),
    )
}

/// A state that waits for a second, and nothing else.
pub fn second() -> Value {
    json!({ "StartAt": "Second", "States": { "Second": { "Type": "Wait", "Seconds": 1, "End": true } } })
}
