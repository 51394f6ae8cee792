//! Distributed Maps on files: items that are read, results that are written.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use sagamore_tests::live::{Client, Coordinator, in_world};
use serde_json::{Value, json};

#[tokio::test]
async fn rows_of_a_file_go_through_a_service_and_what_came_of_them_into_files() -> Result<()> {
    in_world(async |world| {
        let files = tempfile()?;
        write(
            &files,
            "loans/may.csv",
            "name,amount\nada,5\nbob,\"1,000\"\neve,7\n",
        )?;
        std::fs::create_dir_all(files.join("results"))?;
        let given = files.display().to_string();
        let settings = [("SAGAMORE_FILES", given.as_str())];
        let coordinator = Coordinator::start(world, &settings).await?;
        let queue = world.queue("score").await?;
        let machine = coordinator.client.create("may", &machine(&queue)).await?;
        let execution = coordinator
            .client
            .start(&machine, &json!({ "month": "may" }))
            .await?;
        let mut asked = Vec::new();
        for _ in 0..3 {
            asked.push(world.broker.take(&queue).await?);
        }
        // What was read is kept: the file is not asked again.
        coordinator.process.kill().await?;
        write(&files, "loans/may.csv", "")?;
        let coordinator = Coordinator::start(world, &settings).await?;
        for task in &asked {
            let row: Value = serde_json::from_slice(&task.delivery.data)?;
            let answer = match row["amount"].as_str() {
                Some("7") => (Some("failure"), json!({ "error": "Bad", "cause": "seven" })),
                _ => (None, json!([row["name"]])),
            };
            let body = answer.1.to_string();
            world.broker.reply(task, answer.0, body.as_bytes()).await?;
        }
        let ended = coordinator.client.ended(&execution, END_MAX).await?;
        assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
        let output = ended["output"].as_str().unwrap_or_default();
        let output: Value = serde_json::from_str(output)?;
        let details = &output["ResultWriterDetails"];
        let key = details["Key"].as_str().context("a key")?;
        let manifest = read(&files, &format!("results/{key}"))?;
        assert_eq!(manifest["MapRunArn"], output["MapRunArn"]);
        let listed = |status: &str| {
            let key = manifest["ResultFiles"][status][0]["Key"].as_str();
            read(&files, &format!("results/{}", key.unwrap_or_default()))
        };
        let names = |results: &Value, member: &str| {
            let results = results.as_array().cloned().unwrap_or_default();
            let mut names: Vec<String> = results.iter().map(|it| it[member].to_string()).collect();
            names.sort();
            names.join(" ")
        };
        assert_eq!(
            names(&listed("SUCCEEDED")?, "Output"),
            r#""[\"ada\"]" "[\"bob\"]""#
        );
        assert_eq!(names(&listed("FAILED")?, "Cause"), r#""seven""#);
        check_map_run(&coordinator.client, &execution, &output["MapRunArn"]).await?;
        std::fs::remove_dir_all(files)?;
        coordinator.stop().await
    })
    .await
}

/// Three executions, one of which failed and all of whose results were written.
async fn check_map_run(client: &Client, execution: &str, arn: &Value) -> Result<()> {
    let run = json!({ "mapRunArn": arn, "statusFilter": "SUCCEEDED" });
    let of_run = client.call("ListExecutions", &run).await?;
    assert_eq!(of_run["executions"].as_array().map(Vec::len), Some(2));
    assert_eq!(of_run["executions"][0]["mapRunArn"], *arn);
    let run = json!({ "mapRunArn": arn });
    let run = client.call("DescribeMapRun", &run).await?;
    assert_eq!(run["status"], "SUCCEEDED", "{run}");
    assert_eq!(run["executionArn"], execution);
    assert_eq!(run["toleratedFailurePercentage"], 40.0);
    let counts = json!({ "pending": 0, "running": 0, "succeeded": 2, "failed": 1, "timedOut": 0, "aborted": 0,
        "total": 3, "resultsWritten": 3 });
    assert_eq!(
        (&run["itemCounts"], &run["executionCounts"]),
        (&counts, &counts)
    );
    let runs = json!({ "executionArn": execution });
    let runs = client.call("ListMapRuns", &runs).await?;
    assert_eq!(runs["mapRuns"][0]["mapRunArn"], *arn);
    let unknown =
        json!({ "mapRunArn": "arn:aws:states:us-east-1:000000000000:mapRun:may/each:none" });
    let unknown = client.try_call("DescribeMapRun", &unknown).await?;
    assert_eq!(unknown.json()?["__type"], "ResourceNotFound");
    Ok(())
}

#[tokio::test]
async fn a_map_run_is_described_while_it_runs_and_once_it_is_stopped() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let client = &coordinator.client;
        let queue = world.queue("slow").await?;
        let each = json!({
            "Type": "Map",
            "MaxConcurrency": 1,
            "ItemBatcher": { "MaxItemsPerBatch": 2 },
            "ItemProcessor": {
                "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
                "StartAt": "Do",
                "States": { "Do": { "Type": "Task", "Resource": format!("queue:{queue}"), "End": true } },
            },
            "End": true,
        });
        let machine = json!({ "StartAt": "Each", "States": { "Each": each } });
        let machine = client.create("slow", &machine).await?;
        let execution = client.start(&machine, &json!([1, 2, 3, 4, 5])).await?;
        let first = world.broker.take(&queue).await?;
        world.broker.reply(&first, None, b"{}").await?;
        world.broker.take(&queue).await?;
        let listed = json!({ "executionArn": execution });
        let listed = client.call("ListMapRuns", &listed).await?;
        let described = json!({ "mapRunArn": listed["mapRuns"][0]["mapRunArn"] });
        let run = client.call("DescribeMapRun", &described).await?;
        assert_eq!((&run["status"], &run["maxConcurrency"]), (&json!("RUNNING"), &json!(1)));
        let has = |counts: &Value, names: [&str; 4]| names.map(|name| counts[name].as_u64().unwrap_or(9));
        let names = ["succeeded", "running", "pending", "total"];
        assert_eq!(has(&run["itemCounts"], names), [2, 2, 1, 5]);
        assert_eq!(has(&run["executionCounts"], names), [1, 1, 1, 3]);
        client.call("StopExecution", &json!({ "executionArn": execution })).await?;
        let ended = client.ended(&execution, END_MAX).await?;
        let run = client.call("DescribeMapRun", &described).await?;
        assert_eq!(run["status"], "ABORTED", "{run} {ended}");
        assert!(run["stopDate"].is_number(), "{run}");
        coordinator.stop().await
    })
    .await
}

fn machine(queue: &str) -> Value {
    let each = json!({
        "Type": "Map",
        "Label": "each",
        "ToleratedFailurePercentage": 40,
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": { "InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW" },
            "Parameters": { "Bucket": "loans", "Key.$": "States.Format('{}.csv', $.month)" },
        },
        "ItemProcessor": {
            "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
            "StartAt": "Score",
            "States": { "Score": { "Type": "Task", "Resource": format!("queue:{queue}"), "End": true } },
        },
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": { "Bucket": "results", "Prefix": "scores" },
        },
        "End": true,
    });
    json!({ "StartAt": "Each", "States": { "Each": each } })
}

fn tempfile() -> Result<PathBuf> {
    let directory = std::env::temp_dir().join(format!("sagamore-files-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}

fn write(files: &Path, key: &str, text: &str) -> Result<()> {
    let file = files.join(key);
    std::fs::create_dir_all(file.parent().context("it is in a bucket")?)?;
    Ok(std::fs::write(file, text)?)
}

fn read(files: &Path, key: &str) -> Result<Value> {
    let text = std::fs::read_to_string(files.join(key)).with_context(|| key.to_owned())?;
    Ok(serde_json::from_str(&text)?)
}

const END_MAX: Duration = Duration::from_secs(60);
