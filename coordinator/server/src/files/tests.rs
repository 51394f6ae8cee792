use std::fs;
use std::path::PathBuf;

use sagamore_interpreter::definition::{Dataset, ResultFormat, Transformation};
use sagamore_interpreter::{
    Event, Execution, ExecutionId, Head, HistoryRecord, Sequence, Start, Status,
};
use serde_json::json;

use super::*;
use crate::store::RevisionId;

/// A directory of files that goes with its test.
struct Root(PathBuf);

impl Root {
    fn new(files: &[(&str, &str)]) -> Root {
        let root = std::env::temp_dir().join(format!("sagamore-files-{}", uuid::Uuid::new_v4()));
        for (path, text) in files {
            let file = root.join(path);
            fs::create_dir_all(file.parent().expect("it is in a bucket")).expect("there is room");
            fs::write(file, text).expect("there is room");
        }
        Root(root)
    }

    fn read(
        &self,
        bucket: &str,
        key: &str,
        dataset: Dataset,
        items_max: u32,
    ) -> Result<Value, String> {
        read::items(&self.0, &call(bucket, key, dataset, items_max)).map(Value::Array)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn call(bucket: &str, key: &str, dataset: Dataset, items_max: u32) -> ItemsCall {
    ItemsCall {
        dataset,
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        items_max,
    }
}

fn csv(headers: Option<&[&str]>) -> Dataset {
    Dataset::Csv {
        headers: headers.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
        delimiter: ',',
    }
}

#[test]
fn an_array_of_json_is_read_wherever_it_stands() {
    let root = Root::new(&[
        ("b/all.json", "[1,{\"a\":2},null]"),
        ("b/deep/one.json", "\u{feff}{\"list\":{\"items\":[3]}}"),
    ]);
    let json = |pointer: &str| Dataset::Json(pointer.to_owned());
    assert_eq!(
        root.read("b", "all.json", json(""), 0),
        Ok(json!([1, {"a": 2}, null]))
    );
    assert_eq!(
        root.read("b", "all.json", json(""), 2),
        Ok(json!([1, {"a": 2}]))
    );
    assert_eq!(
        root.read("b", "deep/one.json", json("/list/items"), 0),
        Ok(json!([3]))
    );
    assert_eq!(
        root.read("b", "deep/one.json", json("/list"), 0),
        Err(
            "'b/deep/one.json' can't be read: Attempting to map over non-iterable node.".to_owned()
        )
    );
    assert_eq!(
        root.read("b", "deep/one.json", json("/no"), 0),
        Err("'b/deep/one.json' can't be read: there is nothing at '/no' in it".to_owned())
    );
}

#[test]
fn each_line_of_json_lines_is_an_item() {
    let root = Root::new(&[("b/lines", "1\n\n{\"a\":2}\r\nfalse"), ("b/bad", "1\n{\n")]);
    assert_eq!(
        root.read("b", "lines", Dataset::JsonLines, 0),
        Ok(json!([1, {"a": 2}, false]))
    );
    assert_eq!(
        root.read("b", "lines", Dataset::JsonLines, 1),
        Ok(json!([1]))
    );
    // What is not wanted is not read.
    assert_eq!(root.read("b", "bad", Dataset::JsonLines, 1), Ok(json!([1])));
    let refused = root.read("b", "bad", Dataset::JsonLines, 0).unwrap_err();
    assert!(
        refused.starts_with("'b/bad' can't be read: line 2: EOF"),
        "{refused}"
    );
}

#[test]
fn columns_of_csv_are_fields_of_items() {
    let root = Root::new(&[("b/t.csv", "A,B\n1,2\n3\n4,5,6\n"), ("b/empty.csv", "")]);
    assert_eq!(
        root.read("b", "t.csv", csv(None), 0),
        Ok(json!([{"A": "1", "B": "2"}, {"A": "3", "B": ""}, {"A": "4", "B": "5"}]))
    );
    assert_eq!(
        root.read("b", "t.csv", csv(Some(&["X", "Y", "Z"])), 2),
        Ok(json!([{"X": "A", "Y": "B", "Z": ""}, {"X": "1", "Y": "2", "Z": ""}]))
    );
    assert_eq!(root.read("b", "empty.csv", csv(None), 0), Ok(json!([])));
}

#[test]
fn objects_are_listed_in_the_order_of_their_keys() {
    let root = Root::new(&[
        ("b/x/2", "22"),
        ("b/x/1", "1"),
        ("b/x1", ""),
        ("b/y", "y"),
        ("c/z", ""),
    ]);
    let keys = |prefix: &str, items_max: u32| {
        let listed = root
            .read("b", prefix, Dataset::Objects, items_max)
            .expect("it is there");
        let sized = listed.as_array().cloned().unwrap_or_default();
        let sized = sized
            .iter()
            .map(|object| format!("{} {}", object["Key"], object["Size"]));
        sized.collect::<Vec<_>>().join(", ").replace('"', "")
    };
    assert_eq!(keys("", 0), "x/1 1, x/2 2, x1 0, y 1");
    assert_eq!(keys("x/", 0), "x/1 1, x/2 2");
    assert_eq!(keys("x", 2), "x/1 1, x/2 2");
    assert_eq!(keys("x/2", 0), "x/2 2");
    assert_eq!(keys("no", 0), "");
}

#[test]
fn nothing_outside_of_the_bucket_is_read() {
    let root = Root::new(&[("b/t", "[]"), ("secret/t", "[1]"), ("t", "[2]")]);
    std::os::unix::fs::symlink("../secret/t", root.0.join("b/link")).expect("a link can be made");
    std::os::unix::fs::symlink("/", root.0.join("all")).expect("a link can be made");
    let json = || Dataset::Json(String::new());
    for key in [
        "../secret/t",
        "/etc/passwd",
        "x/../../t",
        "",
        "./t",
        "x//t",
        "a\0b",
    ] {
        let refused = root.read("b", key, json(), 0).unwrap_err();
        assert!(refused.contains("is not valid"), "{key}: {refused}");
    }
    for bucket in ["..", ".", "", "b/..", "/"] {
        let refused = root.read(bucket, "t", json(), 0).unwrap_err();
        assert!(refused.contains("is not valid"), "{bucket}: {refused}");
    }
    let refused = |bucket, key| root.read(bucket, key, json(), 0).unwrap_err();
    assert_eq!(
        refused("b", "link"),
        "The key 'link' leads out of the bucket 'b'"
    );
    assert_eq!(
        refused("all", "etc/hostname"),
        "The specified bucket does not exist: 'all'"
    );
    assert_eq!(
        refused("no", "t"),
        "The specified bucket does not exist: 'no'"
    );
    assert_eq!(
        refused("b", "no"),
        "The specified key does not exist: 'no' in the bucket 'b'"
    );
    let listed = root
        .read("b", "", Dataset::Objects, 0)
        .expect("it is there");
    assert_eq!(
        listed.as_array().map(Vec::len),
        Some(1),
        "links are not listed"
    );
}

#[tokio::test]
async fn without_a_directory_the_map_is_told_how_to_get_one() {
    let refused = Files::new(None)
        .read(call("b", "k", Dataset::JsonLines, 0))
        .await;
    assert_eq!(refused, Err(NO_FILES.to_owned()));
}

/// An execution of a Map Run that has ended.
fn ended(name: &str, output: Option<Value>) -> ExecutionRow {
    let at = jiff::Timestamp::UNIX_EPOCH;
    let arn = format!("arn:aws:states:r:a:execution:m/each:{name}");
    let start = Start {
        name: name.to_owned(),
        machine_arn: "arn:aws:states:r:a:stateMachine:m/each".to_owned(),
        machine_name: "m".to_owned(),
        role_arn: String::new(),
        input: Payload::new(json!({ "of": name })),
        parent: None,
        block: None,
        map_run: Some(MAP_RUN.to_owned()),
        arn: arn.clone(),
    };
    let record = HistoryRecord {
        sequence: Sequence(1),
        at,
        event_id: Some(1),
        previous_event_id: 0,
        event: Event::ExecutionStarted {
            start: Box::new(start),
            timeout_at: None,
        },
    };
    let begun = Execution::begin(ExecutionId::of(&arn), &record).expect("it begins");
    let is_success = output.is_some();
    let head = Head {
        status: if is_success {
            Status::Succeeded
        } else {
            Status::Failed
        },
        stopped_at: Some(at),
        output: output.map(Payload::new),
        error: (!is_success).then(|| "Bad".to_owned()),
        ..begun.head
    };
    let revision = RevisionId(uuid::Uuid::nil());
    ExecutionRow { head, revision }
}

const MAP_RUN: &str = "arn:aws:states:r:a:mapRun:m/each:42";

fn results_call(prefix: &str, transformation: Transformation, is_lines: bool) -> ResultsCall {
    ResultsCall {
        map_run: MAP_RUN.to_owned(),
        bucket: Some("out".to_owned()),
        prefix: prefix.to_owned(),
        format: ResultFormat {
            transformation,
            is_lines,
        },
    }
}

#[test]
fn results_are_files_by_their_status_and_a_manifest() {
    let root = Root::new(&[("out/.keep", "")]);
    let rows = [
        ended("one", Some(json!([1, 2]))),
        ended("two", None),
        ended("three", Some(json!("x"))),
    ];
    let written = |call: &ResultsCall| {
        let results = Results::of(&rows, call.format.transformation);
        results.export(&root.0, call).expect("there is room")
    };
    let text = |key: &str| fs::read_to_string(root.0.join("out").join(key)).expect("it is there");

    let answer = written(&results_call("jobs/", Transformation::Flatten, true));
    assert_eq!(
        answer,
        json!({ "MapRunArn": MAP_RUN, "ResultWriterDetails": { "Bucket": "out", "Key": "jobs/42/manifest.json" } })
    );
    let manifest: Value = serde_json::from_str(&text("jobs/42/manifest.json")).expect("JSON");
    let failed = text("jobs/42/FAILED_0.jsonl");
    assert_eq!(
        manifest,
        json!({
            "DestinationBucket": "out",
            "MapRunArn": MAP_RUN,
            "ResultFiles": {
                "FAILED": [{ "Key": "jobs/42/FAILED_0.jsonl", "Size": failed.len() }],
                "PENDING": [],
                "SUCCEEDED": [{ "Key": "jobs/42/SUCCEEDED_0.jsonl", "Size": 8 }],
            },
        })
    );
    assert_eq!(text("jobs/42/SUCCEEDED_0.jsonl"), "1\n2\n\"x\"\n");

    written(&results_call("", Transformation::None, false));
    let whole: Value = serde_json::from_str(&text("42/SUCCEEDED_0.json")).expect("JSON");
    let date = "1970-01-01T00:00:00.000Z";
    assert_eq!(
        whole[1],
        json!({
            "ExecutionArn": "arn:aws:states:r:a:execution:m/each:three",
            "Input": "{\"of\":\"three\"}",
            "InputDetails": { "Included": true },
            "Name": "three",
            "Output": "\"x\"",
            "OutputDetails": { "Included": true },
            "RedriveCount": 0,
            "RedriveStatus": "NOT_REDRIVABLE",
            "StartDate": date,
            "StateMachineArn": "arn:aws:states:r:a:stateMachine:m/each",
            "Status": "SUCCEEDED",
            "StopDate": date,
        })
    );
    let left = fs::read_dir(root.0.join("out/42")).expect("it is there");
    assert_eq!(left.count(), 3, "nothing unfinished is left");
}

#[test]
fn nothing_is_written_outside_of_the_bucket() {
    let root = Root::new(&[("out/.keep", ""), ("secret/t", "")]);
    std::os::unix::fs::symlink("../secret", root.0.join("out/link")).expect("a link can be made");
    let refused = |prefix: &str| {
        let call = results_call(prefix, Transformation::None, false);
        let results = Results::of(&[], Transformation::None);
        results.export(&root.0, &call).expect_err("it is outside")
    };
    assert_eq!(
        refused("link/x"),
        "The prefix 'link/x/42' leads out of the bucket 'out'"
    );
    for prefix in ["..", "../secret", "/etc", "a/../b", "a//b"] {
        assert!(refused(prefix).contains("is not valid"), "{prefix}");
    }
    let secret = fs::read_dir(root.0.join("secret")).expect("it is there");
    assert_eq!(secret.count(), 1);
}
