//! What the real Step Functions answered, where the recordings are: in `../shared/conformance` beside the project, or where
//! `SAGAMORE_RECORDINGS` says. Without them, or without a Python that can import boto3, nothing is judged, and that is said.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sagamore_tests::live::{Coordinator, Process, World, in_world, tell, until};
use serde_json::Value;
use tokio::process::Command;

/// The least share of the cases that have to pass, and the least that have to be the same to the letter.
const PASS_MIN: f64 = 0.99;
const STRICT_MIN: f64 = 0.97;
/// The same of those that call functions.
const FUNCTIONS_PASS_MIN: f64 = 0.97;
const FUNCTIONS_STRICT_MIN: f64 = 0.94;

#[tokio::test]
async fn recorded_executions_end_as_in_step_functions() -> Result<()> {
    in_world(async |world| {
        let Some(recordings) = recordings().await? else {
            return Ok(());
        };
        // AWS's own limit, which cases run into.
        let limit = [("SAGAMORE_PAYLOAD_BYTES_MAX", "262144")];
        let coordinator = Coordinator::start(world, &limit).await?;
        let least = (PASS_MIN, STRICT_MIN);
        recordings
            .judge(world, &coordinator, "cases.jsonl", least)
            .await?;
        let cases = "cases_lambda.jsonl";
        let worker = function_worker(world, &recordings.directory.join(cases)).await?;
        let least = (FUNCTIONS_PASS_MIN, FUNCTIONS_STRICT_MIN);
        recordings.judge(world, &coordinator, cases, least).await?;
        worker.kill().await?;
        coordinator.stop().await
    })
    .await
}

impl Recordings {
    /// Runs the cases that are executions, and fails when fewer are right than have to be.
    async fn judge(
        &self,
        world: &World,
        coordinator: &Coordinator,
        cases: &str,
        (pass_min, strict_min): (f64, f64),
    ) -> Result<()> {
        let report = world.directory.join("report.json");
        let endpoint = format!("http://{}", coordinator.client.address);
        let mut command = Command::new(&self.python);
        command
            .arg(self.directory.join("run.py"))
            .args(["--endpoint", &endpoint, "--kind", "exec", "--jobs", "4"])
            .arg("--cases")
            .arg(self.directory.join(cases))
            .arg("--report")
            .arg(&report);
        // It says by its status whether all passed, which is more than is asked.
        let output = command.stdin(Stdio::null()).output().await?;
        let report = std::fs::read_to_string(&report).with_context(|| {
            let said = String::from_utf8_lossy(&output.stderr);
            format!("the runner wrote no report: {said}")
        })?;
        let report: Vec<Value> = serde_json::from_str(&report)?;
        ensure!(!report.is_empty(), "no case was run");
        let count = |member: &str| report.iter().filter(|case| case[member] == true).count();
        let (passed, strict) = (count("ok"), count("strict"));
        tell(format!(
            "{cases}: {passed} of {} recorded executions pass, {strict} to the letter",
            report.len()
        ));
        #[expect(clippy::cast_precision_loss, reason = "there are some hundreds")]
        let share = |count: usize| count as f64 / report.len() as f64;
        let failed = report.iter().filter(|case| case["ok"] != true);
        let failed: Vec<String> = failed
            .map(|case| format!("{}: {}", case["id"], case["why"]))
            .collect();
        ensure!(
            share(passed) >= pass_min && share(strict) >= strict_min,
            "at least {pass_min} of them have to pass and {strict_min} to the letter:\n{}",
            failed.join("\n")
        );
        Ok(())
    }
}

async fn function_worker(world: &World, cases: &Path) -> Result<Process> {
    let mut command = Command::new(pika_python()?);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/end_to_end/function_worker.py");
    command.args(["-u", script]).arg(cases);
    let environment = world.environment()?;
    let worker = Process::start("function-worker", command, &environment, &world.directory)?;
    until("the functions' worker", READY_MAX, async || {
        Ok(worker.said()?.contains("ready").then_some(()))
    })
    .await?;
    Ok(worker)
}

/// The recordings, and what can run them.
struct Recordings {
    directory: PathBuf,
    /// A Python that can import boto3.
    python: String,
}

async fn recordings() -> Result<Option<Recordings>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    let directory = env::var_os("SAGAMORE_RECORDINGS").map_or(beside, PathBuf::from);
    if !directory.join("run.py").exists() {
        tell("the recorded cases are left out: they are not there");
        return Ok(None);
    }
    for python in [pika_python()?, "python3".to_owned()] {
        let mut command = Command::new(&python);
        command.args(["-c", "import boto3"]).stderr(Stdio::null());
        if command.status().await.is_ok_and(|status| status.success()) {
            return Ok(Some(Recordings { directory, python }));
        }
    }
    tell("the recorded cases are left out: no Python can import boto3");
    Ok(None)
}

fn pika_python() -> Result<String> {
    env::var("PIKA_PYTHON").context("PIKA_PYTHON is not set: run `cargo verify`")
}

const READY_MAX: Duration = Duration::from_secs(30);
