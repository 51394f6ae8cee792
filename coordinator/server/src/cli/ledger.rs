//! `sagamore ledger`: what an execution did that can be undone, and how each of it stands.

use std::collections::HashMap;
use std::io::Write;

use clap::Args;
use console::Style;
use serde_json::{Value, json};

use super::client::{Client, Error, Place, excerpt, show};

/// Whose ledger to show, and where.
#[derive(Debug, Args)]
pub struct Ledger {
    /// The execution: its ARN, or MACHINE:NAME
    #[arg(value_name = "EXECUTION")]
    execution: String,
    #[command(flatten)]
    place: Place,
}

impl Ledger {
    /// Shows the ledger, with those of the executions that did some of its steps.
    ///
    /// # Errors
    /// Nobody answers, or there is no such execution.
    pub fn run(&self, output: &mut dyn Write) -> anyhow::Result<()> {
        let client = self.place.client();
        let arn = client.find(&self.execution)?;
        let mut rows = Vec::new();
        let whole = gather(&client, &arn, 0, &mut rows)?;
        let compensation = &whole["compensation"];
        let mut text = format!(
            "{}  {}, {}\n",
            Style::new().bold().apply_to(name(&whole)),
            text_of(&whole["status"]),
            text_of(&compensation["status"])
        );
        if rows.is_empty() {
            text += "It did nothing that can be undone.\n";
        }
        let widths = [0, 1].map(|column| {
            let cells = rows
                .iter()
                .map(|row: &Row| row.cells[column].chars().count());
            cells.max().unwrap_or(0)
        });
        for Row { cells, style } in rows {
            let [state, stands, more] = cells;
            let stands = format!("{stands:<width$}", width = widths[1]);
            let line = format!(
                "  {state:<width$}  {}  {more}",
                style.apply_to(stands),
                width = widths[0]
            );
            text += line.trim_end();
            text.push('\n');
        }
        show(&text, output)
    }
}

struct Row {
    cells: [String; 3],
    style: Style,
}

/// The rows of an execution and of those it waited for, in the order of arming; what the coordinator told of the first.
fn gather(
    client: &Client,
    execution: &str,
    depth: usize,
    rows: &mut Vec<Row>,
) -> Result<Value, Error> {
    let ledger = client.get(&format!("/sagamore/v1/executions/{execution}/ledger"))?;
    let undone = ledger["undone"]
        .as_array()
        .map_or(&[] as &[_], Vec::as_slice);
    let places: HashMap<String, usize> = undone.iter().map(Value::to_string).zip(1..).collect();
    for entry in ledger["entries"].as_array().into_iter().flatten() {
        rows.push(row(entry, depth, places.get(&entry["entry"].to_string())));
        let attempts = entry["attempts"].as_array().into_iter().flatten();
        for child in attempts.filter_map(|attempt| attempt["execution"].as_str()) {
            if depth < DEPTH_MAX {
                match gather(client, child, depth + 1, rows) {
                    // One that never began has no ledger.
                    Ok(_) | Err(Error::Refused(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(ledger)
}

fn row(entry: &Value, depth: usize, undone: Option<&usize>) -> Row {
    let state = format!("{}{}", "  ".repeat(depth), text_of(&entry["state"]));
    let disposition = text_of(&entry["disposition"]);
    let style = match disposition {
        "Compensated" | "Resolved" => Style::new().blue(),
        "Suspended" | "Abandoned" | "Skipped" => Style::new().red(),
        "Compensating" => Style::new().yellow(),
        _ => Style::new(),
    };
    let mut more = Vec::new();
    if entry["pivot"] == json!(true) {
        more.push("the pivot".to_owned());
    }
    let attempts = entry["attempts"]
        .as_array()
        .map_or(&[] as &[_], Vec::as_slice);
    if let Some(last) = attempts.last() {
        let outcome = text_of(&last["outcome"]).replace('_', " ");
        let error = last["error"].as_str().map(excerpt);
        let error = error.map_or(String::new(), |error| format!(" ({error})"));
        let outcome = if outcome.is_empty() { "out" } else { &outcome };
        more.push(match attempts.len() {
            1 => format!("{outcome}{error}"),
            many => format!("attempt {many} {outcome}{error}"),
        });
    }
    match undone {
        Some(place) => more.push(format!("undone as number {place}")),
        None => {
            if let Some(progress) = entry["undo"]["progress"]
                .as_str()
                .filter(|it| *it != "over")
            {
                more.push(format!("undo {progress}"));
            }
        }
    }
    if entry["round"].as_u64() > Some(1) {
        more.push(format!("round {}", entry["round"]));
    }
    Row {
        cells: [state, disposition.to_owned(), more.join(", ")],
        style,
    }
}

/// The execution as MACHINE:NAME.
fn name(ledger: &Value) -> String {
    let arn = text_of(&ledger["execution_arn"]);
    let mut parts = arn.rsplitn(3, ':');
    let (name, machine) = (parts.next(), parts.next());
    format!(
        "{}:{}",
        machine.unwrap_or_default(),
        name.unwrap_or_default()
    )
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// How deep executions that wait for one another are shown.
const DEPTH_MAX: usize = 8;
