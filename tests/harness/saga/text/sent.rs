//! What executions send: to services, to one another.

use sagamore_interpreter::{Body, FileCall, Input, Route};

pub(super) fn route(route: &Route, is_told: bool) -> String {
    match route {
        Route::Queue(name) => format!("queue:{name}{}", if is_told { " told" } else { "" }),
        Route::Exchange {
            exchange,
            routing_key,
        } => format!("exchange:{exchange}/{routing_key}"),
        Route::Review(name) => format!("review:{name}"),
        Route::Execution(child) => {
            let machine = child.machine_arn.rsplit(':').next().unwrap_or_default();
            let waits = if child.is_waited_for {
                ""
            } else {
                " not waited for"
            };
            format!("execution:{machine}:{}{waits}", child.name)
        }
        Route::Files(FileCall::Read(call)) => format!(
            "files: read {}/{} as {:?}, {} items",
            call.bucket, call.key, call.dataset, call.items_max
        ),
        Route::Files(FileCall::Write(call)) => format!(
            "files: write to {}/{} {:?} {}",
            call.bucket.as_deref().unwrap_or("-"),
            call.prefix,
            call.format.transformation,
            if call.format.is_lines {
                "lines"
            } else {
                "array"
            }
        ),
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
        Input::Stop { error, cause, .. } => format!(
            "child to stop {} {:?}",
            error.as_deref().unwrap_or_default(),
            cause.as_deref().unwrap_or_default()
        ),
        Input::CompensateChild { parent, task, .. } => {
            format!("child of task {} to undo by task {task}", parent.task)
        }
        Input::ReleaseChild { parent } => {
            format!("child of task {} that it stays", parent.task)
        }
        Input::ChildCompensated { task, end } => format!("parent of task {task}: {end:?}"),
        other => format!("{other:?}"),
    }
}
