//! What happens to a Map, as lines.

use sagamore_interpreter::Event;

use super::{failure, payload, within};

pub(super) fn map(event: &Event) -> String {
    match event {
        Event::MapStateStarted {
            scope,
            length,
            concurrency,
            failures_max,
            ..
        } => format!(
            "{}MapStateStarted {length} items, {concurrency} at a time, {failures_max} may fail",
            within(*scope)
        ),
        Event::MapItemsRead {
            run,
            length,
            concurrency,
            failures_max,
            ..
        } => format!(
            "{}items read: {length}, {concurrency} at a time, {failures_max} may fail",
            within(*run)
        ),
        Event::MapRunStarted { run, arn } => format!(
            "{}MapRunStarted {}",
            within(*run),
            arn.rsplit_once(':').map_or("", |(run, _)| run)
        ),
        Event::MapRunSucceeded { run } => format!("{}MapRunSucceeded", within(*run)),
        Event::MapRunFailed { run, error, cause } => format!(
            "{}MapRunFailed {}",
            within(*run),
            failure(error, cause.as_ref())
        ),
        Event::MapStateSucceeded { scope } => format!("{}MapStateSucceeded", within(*scope)),
        Event::MapStateFailed {
            scope,
            error,
            cause,
        } => format!(
            "{}MapStateFailed {}",
            within(*scope),
            failure(error, cause.as_ref())
        ),
        other => iteration(other),
    }
}

fn iteration(event: &Event) -> String {
    match event {
        Event::MapIterationStarted {
            run, index, name, ..
        } => format!("{}MapIterationStarted {name} {index}", within(*run)),
        Event::MapIterationSucceeded {
            scope,
            index,
            name,
            output,
        } => format!(
            "{}MapIterationSucceeded {name} {index} {}",
            within(*scope),
            payload(output)
        ),
        Event::MapIterationFailed {
            scope,
            index,
            name,
            items,
        } => {
            let items = match items {
                1 => String::new(),
                items => format!(", {items} items"),
            };
            format!("{}MapIterationFailed {name} {index}{items}", within(*scope))
        }
        Event::MapIterationAborted { scope, index, name } => {
            format!("{}MapIterationAborted {name} {index}", within(*scope))
        }
        Event::IterationForgone { scope } => format!("{}iteration forgone", within(*scope)),
        other => format!("{other:?}"),
    }
}
