//! What executions send: to services, to one another.

use sagamore_interpreter::{Body, Destination, Input};

pub(super) fn destination(destination: &Destination) -> String {
    match destination {
        Destination::Queue { name, is_told } => {
            format!("queue:{name}{}", if *is_told { " told" } else { "" })
        }
        Destination::Exchange {
            exchange,
            routing_key,
        } => format!("exchange:{exchange}/{routing_key}"),
        Destination::Review(name) => format!("review:{name}"),
        Destination::Execution(child) => {
            let machine = child.machine_arn.rsplit(':').next().unwrap_or_default();
            let waits = if child.is_waited_for {
                ""
            } else {
                " not waited for"
            };
            format!("execution:{machine}:{}{waits}", child.name)
        }
    }
}

pub(super) fn body(body: &Body) -> String {
    match body {
        Body::Json(value) => super::payload(value),
        Body::Text(text) => format!("text {text:?}"),
    }
}

/// What one execution says to another.
pub(super) fn said(input: &Input) -> String {
    match input {
        Input::ChildStarted { task, .. } => format!("parent of the start of task {task}"),
        Input::ChildEnded { task, end } => {
            format!("parent of the end of task {task}: {}", end.status.as_str())
        }
        Input::Stop { error, cause } => format!(
            "child to stop {} {:?}",
            error.as_deref().unwrap_or_default(),
            cause.as_deref().unwrap_or_default()
        ),
        other => format!("{other:?}"),
    }
}
