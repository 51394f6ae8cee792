//! A small HTTP client: one connection a call, so that nothing outlives a coordinator that is killed.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{until, within};

/// A client of the coordinator at an address.
#[derive(Clone, Debug)]
pub struct Client {
    /// Host and port.
    pub address: String,
}

/// What the coordinator answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body, which is JSON.
    ///
    /// # Errors
    /// It is not.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("not JSON: {}", self.body))
    }
}

impl Client {
    /// Calls Step Functions' `action`.
    ///
    /// # Errors
    /// The coordinator can't be reached, or says no.
    pub async fn call(&self, action: &str, input: &Value) -> Result<Value> {
        let answer = self.try_call(action, input).await?;
        let Answer { status, body } = &answer;
        ensure!(
            *status == 200,
            "{action} was answered with {status}: {body}"
        );
        answer.json()
    }

    /// Calls Step Functions' `action`, whatever comes of it.
    ///
    /// # Errors
    /// The coordinator can't be reached.
    pub async fn try_call(&self, action: &str, input: &Value) -> Result<Answer> {
        let target = format!("X-Amz-Target: AWSStepFunctions.{action}");
        let headers = [&target, "Content-Type: application/x-amz-json-1.0"];
        self.request("POST", "/", &headers, &input.to_string())
            .await
    }

    /// Gets `path`, as JSON where there is a choice.
    ///
    /// # Errors
    /// The coordinator can't be reached.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.request("GET", path, &["Accept: application/json"], "")
            .await
    }

    /// Posts JSON to `path`.
    ///
    /// # Errors
    /// The coordinator can't be reached.
    pub async fn post(&self, path: &str, input: &Value) -> Result<Answer> {
        let headers = ["Content-Type: application/json"];
        self.request("POST", path, &headers, &input.to_string())
            .await
    }

    /// Makes any request.
    ///
    /// # Errors
    /// The coordinator can't be reached.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &str,
    ) -> Result<Answer> {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
            self.address
        );
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        let what = format!("{method} {path} to be answered");
        let answered = within(&what, CALL_MAX, self.exchange(request.as_bytes())).await?;
        let text =
            answered.with_context(|| format!("failed to ask {} for {path}", self.address))?;
        read(&text).with_context(|| format!("not an answer of HTTP: {text}"))
    }

    async fn exchange(&self, request: &[u8]) -> Result<String> {
        let mut stream = TcpStream::connect(&self.address).await?;
        stream.write_all(request).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8(answer)?)
    }

    /// Creates a machine and returns its ARN.
    ///
    /// # Errors
    /// The definition is refused.
    pub async fn create(&self, name: &str, definition: &Value) -> Result<String> {
        let role = "arn:aws:iam::123456789012:role/sagamore";
        let input = json!({ "name": name, "definition": definition.to_string(), "roleArn": role });
        text(
            &self.call("CreateStateMachine", &input).await?,
            "stateMachineArn",
        )
    }

    /// Starts an execution and returns its ARN.
    ///
    /// # Errors
    /// The coordinator says no.
    pub async fn start(&self, machine: &str, input: &Value) -> Result<String> {
        let input = json!({ "stateMachineArn": machine, "input": input.to_string() });
        text(&self.call("StartExecution", &input).await?, "executionArn")
    }

    /// What is known of an execution.
    ///
    /// # Errors
    /// There is none.
    pub async fn describe(&self, execution: &str) -> Result<Value> {
        self.call("DescribeExecution", &json!({ "executionArn": execution }))
            .await
    }

    /// Waits until an execution has ended, and returns what is known of it then.
    ///
    /// # Errors
    /// It takes longer than `wait_max`.
    pub async fn ended(&self, execution: &str, wait_max: Duration) -> Result<Value> {
        let what = format!("{execution} to end");
        until(&what, wait_max, async || {
            let described = self.describe(execution).await?;
            Ok((described["status"] != "RUNNING").then_some(described))
        })
        .await
    }

    /// The events of an execution, at most a thousand.
    ///
    /// # Errors
    /// There is no such execution.
    pub async fn history(&self, execution: &str) -> Result<Vec<Value>> {
        let input = json!({ "executionArn": execution, "maxResults": 1000 });
        let history = self.call("GetExecutionHistory", &input).await?;
        let events = history["events"].as_array();
        Ok(events.context("a history has events")?.clone())
    }
}

fn read(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = body.to_owned();
    Some(Answer { status, body })
}

fn text(answer: &Value, member: &str) -> Result<String> {
    let text = answer[member].as_str();
    Ok(text
        .with_context(|| format!("{answer} has no {member}"))?
        .to_owned())
}

const CALL_MAX: Duration = Duration::from_secs(30);
