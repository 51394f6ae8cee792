//! What the events of a history tell, state by state. A state that is entered again and again, in a loop or in the iterations of
//! a Map, is one row that counts: so a story stays as short as its definition.

use std::collections::HashMap;

use serde_json::Value;

/// The states of an execution, as far as they were entered.
#[derive(Debug, Default)]
pub struct Story {
    /// In the order in which they were entered first.
    rows: Vec<Row>,
    /// The last event that was told.
    last_event: u64,
    /// Whose events are whose, for what has no name follows from what has one.
    places: HashMap<u64, Place>,
}

/// A state.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its type: `Task`.
    pub kind: String,
    /// The state that it is inside of.
    around: Option<usize>,
    /// Visits that are not over.
    pub open: u32,
    /// Visits that went well.
    pub done: u32,
    /// Visits that failed.
    pub failed: u32,
    /// Undos that are not over.
    pub undoing: u32,
    /// Visits that were undone.
    pub undone: u32,
    /// Iterations of a Map, of those that are over.
    pub iterations: Option<(u32, u32)>,
    /// Attempts of the newest visit, or of its undo.
    pub attempts: u32,
    /// When the newest visit began, and when it ended, in seconds since 1970.
    pub times: (f64, Option<f64>),
    /// What went wrong last.
    pub error: Option<String>,
    /// The execution that does it, when one does.
    pub child: Option<String>,
}

/// How a state stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is worked at, or waited for.
    Running,
    /// It is done.
    Done,
    /// It failed.
    Failed,
    /// It is being undone.
    Undoing,
    /// It is undone.
    Undone,
}

/// What an event belongs to: a row, and the row around the state that follows.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    row: Option<usize>,
    around: Option<usize>,
}

impl Row {
    /// The one word for all its visits.
    pub fn standing(&self) -> Standing {
        if self.undoing > 0 {
            Standing::Undoing
        } else if self.open > 0 {
            Standing::Running
        } else if self.undone > 0 {
            Standing::Undone
        } else if self.failed > 0 && self.done == 0 {
            Standing::Failed
        } else {
            Standing::Done
        }
    }
}

impl Story {
    /// The states, each behind the one that it is inside of, and how deep it is.
    pub fn rows(&self) -> Vec<(usize, &Row)> {
        let mut rows = Vec::with_capacity(self.rows.len());
        self.gather(None, 0, &mut rows);
        rows
    }

    fn gather<'s>(&'s self, around: Option<usize>, depth: usize, rows: &mut Vec<(usize, &'s Row)>) {
        for (place, row) in self.rows.iter().enumerate() {
            if row.around == around {
                rows.push((depth, row));
                self.gather(Some(place), depth + 1, rows);
            }
        }
    }

    /// The id of the last event that was told, 0 for none.
    pub fn last_event(&self) -> u64 {
        self.last_event
    }

    /// Tells the next events, in order. What was told before is passed over.
    pub fn tell(&mut self, events: &[Value]) {
        for event in events {
            let id = event["id"].as_u64().unwrap_or(0);
            if id > self.last_event {
                self.last_event = id;
                let place = self.event(event);
                self.places.insert(id, place);
            }
        }
    }

    fn event(&mut self, event: &Value) -> Place {
        let kind = event["type"].as_str().unwrap_or_default();
        let at = event["timestamp"].as_f64().unwrap_or_default();
        let previous = event["previousEventId"].as_u64().unwrap_or(0);
        let before = self.places.get(&previous).copied().unwrap_or_default();
        if let Some(state) = kind.strip_suffix("StateEntered") {
            let name = event["stateEnteredEventDetails"]["name"].as_str();
            return self.entered(state, name.unwrap_or_default(), at, before);
        }
        if kind.ends_with("StateExited") {
            let name = event["stateExitedEventDetails"]["name"].as_str();
            return self.exited(name.unwrap_or_default(), at, before);
        }
        let Some(row) = before.row.and_then(|row| self.rows.get_mut(row)) else {
            return before;
        };
        match kind {
            "ParallelStateStarted" | "MapIterationStarted" => {
                return Place {
                    row: before.row,
                    around: before.row,
                };
            }
            "MapStateStarted" => {
                let length = &event["mapStateStartedEventDetails"]["length"];
                row.iterations = Some((0, count(length)));
                return Place {
                    row: before.row,
                    around: before.row,
                };
            }
            // Its iterations are executions of their own, which this history does not count.
            "MapRunStarted" => row.iterations = None,
            "MapIterationSucceeded" | "MapIterationFailed" | "MapIterationAborted" => {
                return self.iteration_over(before);
            }
            "TaskScheduled" | "LambdaFunctionScheduled" | "ActivityScheduled" => row.attempts += 1,
            "TaskSucceeded" | "LambdaFunctionSucceeded" | "ActivitySucceeded" => row.error = None,
            "TaskSubmitted" => row.child = child_of(event).or(row.child.take()),
            _ if kind.ends_with("StateAborted") => row.close(at, false),
            _ if kind.ends_with("Failed") || kind.ends_with("TimedOut") => {
                row.error = error_of(event);
                if kind.starts_with("Execution") {
                    self.close_all(at);
                }
            }
            "ExecutionAborted" => self.close_all(at),
            _ => {}
        }
        before
    }

    fn entered(&mut self, kind: &str, name: &str, at: f64, before: Place) -> Place {
        if let Some(step) = undone_step(name)
            && let Some(row) = self.find(step)
        {
            // What failed is not entered again once others are undone for it.
            if let Some(failed) = before.row.map(|failed| &mut self.rows[failed])
                && failed.error.is_some()
                && failed.open > 0
            {
                failed.close(at, false);
            }
            let undone = &mut self.rows[row];
            undone.undoing += 1;
            undone.attempts = 0;
            return Place {
                row: Some(row),
                around: before.around,
            };
        }
        let row = self.find(name).unwrap_or_else(|| {
            self.rows.push(Row::new(name, kind, before.around));
            self.rows.len() - 1
        });
        let entered = &mut self.rows[row];
        entered.open += 1;
        entered.attempts = 0;
        entered.error = None;
        entered.times = (at, None);
        Place {
            row: Some(row),
            around: before.around,
        }
    }

    fn exited(&mut self, name: &str, at: f64, before: Place) -> Place {
        if let Some(row) = undone_step(name).and_then(|step| self.find(step)) {
            let undone = &mut self.rows[row];
            undone.undoing = undone.undoing.saturating_sub(1);
            undone.undone += 1;
            return Place {
                row: Some(row),
                around: before.around,
            };
        }
        let Some(row) = self.find(name) else {
            return before;
        };
        let is_caught = self.rows[row].error.is_some();
        self.rows[row].close(at, !is_caught);
        Place {
            row: Some(row),
            around: self.rows[row].around,
        }
    }

    /// The row around the iteration that ended is the Map's.
    fn iteration_over(&mut self, before: Place) -> Place {
        let is_map = |row: usize| self.rows[row].iterations.is_some();
        let mut near = [before.row, before.around].into_iter().flatten();
        let map = near.find(|row| is_map(*row));
        if let Some((over, _)) = map.and_then(|map| self.rows[map].iterations.as_mut()) {
            *over += 1;
        }
        Place {
            row: map,
            around: map,
        }
    }

    fn close_all(&mut self, at: f64) {
        for row in &mut self.rows {
            while row.open > 0 {
                row.close(at, false);
            }
        }
    }

    /// Names are unique in a machine.
    fn find(&self, name: &str) -> Option<usize> {
        self.rows.iter().position(|row| row.name == name)
    }
}

impl Row {
    fn new(name: &str, kind: &str, around: Option<usize>) -> Row {
        Row {
            name: name.to_owned(),
            kind: kind.to_owned(),
            around,
            open: 0,
            done: 0,
            failed: 0,
            undoing: 0,
            undone: 0,
            iterations: None,
            attempts: 0,
            times: (0.0, None),
            error: None,
            child: None,
        }
    }

    fn close(&mut self, at: f64, is_well: bool) {
        self.open = self.open.saturating_sub(1);
        match is_well {
            true => self.done += 1,
            false => self.failed += 1,
        }
        self.times.1 = Some(at);
    }
}

/// `ReserveFunds` of `Compensate(ReserveFunds)`.
fn undone_step(name: &str) -> Option<&str> {
    name.strip_prefix("Compensate(")?.strip_suffix(')')
}

/// The execution that a Task says it started.
fn child_of(event: &Value) -> Option<String> {
    let output = event["taskSubmittedEventDetails"]["output"].as_str()?;
    let output: Value = serde_json::from_str(output).ok()?;
    Some(output["ExecutionArn"].as_str()?.to_owned())
}

/// The error of an event, whatever its type.
fn error_of(event: &Value) -> Option<String> {
    let members = event.as_object()?.iter();
    let mut details = members.filter(|(name, _)| name.ends_with("EventDetails"));
    Some(details.next()?.1["error"].as_str()?.to_owned())
}

fn count(value: &Value) -> u32 {
    value
        .as_u64()
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
