//! What the executions of a Map Run came to, as files or as one array. Source: Step Functions, "ResultWriter".

use std::fs;
use std::io::Write as _;
use std::path::Path;

use sagamore_interpreter::definition::Transformation;
use sagamore_interpreter::{ResultsCall, Status};
use serde_json::{Map, Value, json};

use super::place;
use crate::store::ExecutionRow;

/// The results of executions that have ended, in the order in which these were started.
pub(super) struct Results {
    succeeded: Vec<Value>,
    failed: Vec<Value>,
}

impl Results {
    pub(super) fn of(rows: &[ExecutionRow], transformation: Transformation) -> Results {
        let mut results = Results {
            succeeded: Vec::new(),
            failed: Vec::new(),
        };
        for row in rows {
            match (&row.head.output, transformation) {
                (None, _) => results.failed.push(description(row)),
                (Some(_), Transformation::None) => results.succeeded.push(description(row)),
                (Some(output), Transformation::Compact) => {
                    results.succeeded.push((**output).clone());
                }
                (Some(output), Transformation::Flatten) => match &**output {
                    Value::Array(elements) => results.succeeded.extend(elements.iter().cloned()),
                    output => results.succeeded.push(output.clone()),
                },
            }
        }
        results
    }

    /// All of them, those of failures behind the others.
    pub(super) fn into_array(mut self) -> Value {
        self.succeeded.append(&mut self.failed);
        Value::Array(self.succeeded)
    }

    /// Writes them under the prefix, in a directory of the Map Run's own: what was written there before is replaced. Returns
    /// what the Map has for it.
    pub(super) fn export(&self, root: &Path, call: &ResultsCall) -> Result<Value, String> {
        let (map_run, is_lines) = (&call.map_run, call.format.is_lines);
        let bucket = call.bucket.as_deref().unwrap_or_default();
        let id = map_run.rsplit(':').next().unwrap_or_default();
        let prefix = match call.prefix.trim_end_matches('/') {
            "" => id.to_owned(),
            prefix => format!("{prefix}/{id}"),
        };
        let directory = place::directory(root, bucket, &prefix)?;
        let kind = if is_lines { "jsonl" } else { "json" };
        let put = |name: &str, text: &str| {
            put(&directory, name, text)
                .map_err(|error| format!("'{bucket}/{prefix}/{name}' can't be written: {error}"))
        };
        let write = |status: &str, results: &[Value]| -> Result<Value, String> {
            if results.is_empty() {
                return Ok(json!([]));
            }
            let name = format!("{status}_0.{kind}");
            let text = text(results, is_lines);
            put(&name, &text)?;
            Ok(json!([{ "Key": format!("{prefix}/{name}"), "Size": text.len() }]))
        };
        let manifest = json!({
            "DestinationBucket": bucket,
            "MapRunArn": map_run,
            "ResultFiles": {
                "FAILED": write("FAILED", &self.failed)?,
                "PENDING": [],
                "SUCCEEDED": write("SUCCEEDED", &self.succeeded)?,
            },
        });
        put("manifest.json", &manifest.to_string())?;
        Ok(json!({
            "MapRunArn": map_run,
            "ResultWriterDetails": { "Bucket": bucket, "Key": format!("{prefix}/manifest.json") },
        }))
    }
}

fn text(results: &[Value], is_lines: bool) -> String {
    if !is_lines {
        let texts: Vec<String> = results.iter().map(Value::to_string).collect();
        return format!("[{}]", texts.join(","));
    }
    results.iter().map(|result| format!("{result}\n")).collect()
}

/// Writes a file whole, or not at all.
fn put(directory: &Path, name: &str, text: &str) -> std::io::Result<()> {
    let unfinished = directory.join(format!(".{name}.{}", uuid::Uuid::new_v4()));
    let written = fs::File::create(&unfinished).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let done = written.and_then(|()| fs::rename(&unfinished, directory.join(name)));
    if done.is_err() {
        // What is wrong is told by the error in hand.
        let _ = fs::remove_file(&unfinished);
    }
    done
}

/// All there is to know of an execution.
fn description(row: &ExecutionRow) -> Value {
    let head = &row.head;
    let date = |at: jiff::Timestamp| json!(format!("{at:.3}"));
    let included = || json!({ "Included": true });
    let members = [
        ("Cause", head.cause.as_ref().map(|cause| json!(cause))),
        ("Error", head.error.as_ref().map(|error| json!(error))),
        ("ExecutionArn", Some(json!(head.start.arn))),
        ("Input", Some(json!(head.start.input.to_string()))),
        ("InputDetails", Some(included())),
        ("Name", Some(json!(head.start.name))),
        (
            "Output",
            head.output.as_ref().map(|output| json!(output.to_string())),
        ),
        ("OutputDetails", head.output.as_ref().map(|_| included())),
        ("RedriveCount", Some(json!(0))),
        ("RedriveStatus", Some(json!("NOT_REDRIVABLE"))),
        ("StartDate", Some(date(head.started_at))),
        ("StateMachineArn", Some(json!(head.start.machine_arn))),
        ("Status", Some(json!(head.status.as_str()))),
        ("StopDate", head.stopped_at.map(date)),
    ];
    let members = members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(members.collect::<Map<_, _>>())
}

/// Whether an execution is over, and so a result.
pub(super) fn is_over(row: &ExecutionRow) -> bool {
    row.head.status != Status::Running
}
