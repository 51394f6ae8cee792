//! What the commands ask a coordinator.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use ureq::Agent;

/// Where the coordinator is.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// Where the coordinator is
    #[arg(
        long,
        value_name = "URL",
        env = "SAGAMORE_URL",
        default_value = "http://127.0.0.1:8083",
        global = true
    )]
    url: String,
}

impl Place {
    pub(super) fn client(&self) -> Client {
        Client::new(&self.url)
    }
}

/// A coordinator at an address.
pub(super) struct Client {
    url: String,
    agent: Agent,
}

/// Why the coordinator did not answer as asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("no coordinator answers at {url} (--url, SAGAMORE_URL)")]
    Unreachable {
        url: String,
        #[source]
        source: Box<ureq::Error>,
    },
    #[error("the coordinator at {url} can't answer now: {message}")]
    Away { url: String, message: String },
    #[error("{0}")]
    Refused(String),
    #[error("{0:?} is neither the ARN of an execution nor MACHINE:NAME")]
    NoExecution(String),
    #[error("there is no machine {0:?}; its executions are named MACHINE:NAME")]
    NoMachine(String),
}

impl Error {
    /// Whether the same call may succeed later.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Error::Unreachable { .. } | Error::Away { .. })
    }
}

impl Client {
    fn new(url: &str) -> Client {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(CALL_MAX))
            .build();
        Client {
            url: url.trim_end_matches('/').to_owned(),
            agent: config.into(),
        }
    }

    /// The ARN of an execution that is named by it, or by its machine and its name.
    pub(super) fn find(&self, execution: &str) -> Result<String, Error> {
        if execution.starts_with("arn:") {
            return Ok(execution.to_owned());
        }
        let no_execution = || Error::NoExecution(execution.to_owned());
        let (machine, name) = execution.split_once(':').ok_or_else(no_execution)?;
        let mut next = Value::Null;
        loop {
            let mut input = json!({ "maxResults": PAGE });
            if !next.is_null() {
                input["nextToken"] = next;
            }
            let mut page = self.call("ListStateMachines", &input)?;
            let mut machines = list(&page, "stateMachines").iter();
            if let Some(found) = machines.find(|it| it["name"] == machine) {
                let arn = found["stateMachineArn"].as_str().unwrap_or_default();
                let execution = arn.replacen(":stateMachine:", ":execution:", 1);
                return Ok(format!("{execution}:{name}"));
            }
            next = page["nextToken"].take();
            if next.is_null() {
                return Err(Error::NoMachine(machine.to_owned()));
            }
        }
    }

    /// The events after one, in order: read from the end, since that is near.
    pub(super) fn events_after(&self, arn: &str, last: u64) -> Result<Vec<Value>, Error> {
        let mut events = Vec::new();
        let mut next = Value::Null;
        loop {
            let mut input =
                json!({ "executionArn": arn, "maxResults": PAGE, "reverseOrder": true });
            if !next.is_null() {
                input["nextToken"] = next;
            }
            let mut page = self.call("GetExecutionHistory", &input)?;
            let is_new = |event: &&Value| event["id"].as_u64() > Some(last);
            let seen = list(&page, "events").len();
            let new = list(&page, "events").iter().take_while(is_new);
            let before = events.len();
            events.extend(new.cloned());
            next = page["nextToken"].take();
            if next.is_null() || events.len() - before < seen {
                events.reverse();
                return Ok(events);
            }
        }
    }

    /// Where the first review of these executions is decided.
    pub(super) fn review(&self, arns: &[String]) -> Result<Option<String>, Error> {
        let listed = self.get("/sagamore/v1/reviews")?;
        let review = of_these(&listed, "reviews", arns);
        Ok(review.and_then(|review| Some(review["url"].as_str()?.to_owned())))
    }

    /// The command that decides on the first incident of these executions.
    pub(super) fn decision(&self, arns: &[String]) -> Result<Option<String>, Error> {
        let incidents = self.incidents()?;
        let mut of_these = incidents.iter().filter(|incident| {
            let arn = incident["execution_arn"].as_str();
            arn.is_some_and(|arn| arns.iter().any(|it| it == arn))
        });
        Ok(of_these.next().map(|incident| {
            let acts = incident["acts"]
                .as_array()
                .map_or(&[] as &[_], Vec::as_slice);
            let acts: Vec<&str> = acts.iter().filter_map(Value::as_str).collect();
            let id = super::incidents::id(incident);
            format!("sagamore incidents {} {id}", acts.join("|"))
        }))
    }

    /// What waits for an operator, the oldest first.
    pub(super) fn incidents(&self) -> Result<Vec<Value>, Error> {
        let mut listed = self.get("/sagamore/v1/incidents")?;
        match listed["incidents"].take() {
            Value::Array(incidents) => Ok(incidents),
            _ => Ok(Vec::new()),
        }
    }

    /// Posts to an address of our own.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        let request = self
            .agent
            .post(format!("{}{path}", self.url))
            .header("Content-Type", "application/json");
        self.read(request.send(body.to_string()))
    }

    /// Calls Step Functions' `action`.
    pub(super) fn call(&self, action: &str, input: &Value) -> Result<Value, Error> {
        let request = self
            .agent
            .post(&self.url)
            .header("X-Amz-Target", format!("AWSStepFunctions.{action}"))
            .header("Content-Type", "application/x-amz-json-1.0");
        self.read(request.send(input.to_string()))
    }

    /// Gets what is at an address of our own.
    pub(super) fn get(&self, path: &str) -> Result<Value, Error> {
        self.read(self.agent.get(format!("{}{path}", self.url)).call())
    }

    fn read(
        &self,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Value, Error> {
        let unreachable = |source| Error::Unreachable {
            url: self.url.clone(),
            source: Box::new(source),
        };
        let mut response = response.map_err(unreachable)?;
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let body = body.read_to_string().map_err(unreachable)?;
        let status = response.status();
        let answer: Option<Value> = serde_json::from_str(&body).ok();
        match answer {
            Some(answer) if status.is_success() => Ok(answer),
            answer => {
                let message = answer.as_ref().and_then(|it| it["message"].as_str());
                let message = message.map_or_else(|| format!("it answers {status}"), str::to_owned);
                Err(match status.is_server_error() {
                    true => Error::Away {
                        url: self.url.clone(),
                        message,
                    },
                    false => Error::Refused(message),
                })
            }
        }
    }
}

fn of_these<'a>(listed: &'a Value, member: &str, arns: &[String]) -> Option<&'a Value> {
    list(listed, member).iter().find(|entry| {
        let arn = entry["execution_arn"].as_str();
        arn.is_some_and(|arn| arns.iter().any(|it| it == arn))
    })
}

fn list<'a>(answer: &'a Value, member: &str) -> &'a [Value] {
    answer[member].as_array().map_or(&[], Vec::as_slice)
}

const CALL_MAX: Duration = Duration::from_secs(30);
/// Entries of one answer.
const PAGE: u32 = 1_000;
/// The most that an answer of so many entries may have.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Writes a text; whoever stops reading has seen enough.
pub(super) fn show(text: &str, output: &mut dyn Write) -> anyhow::Result<()> {
    match output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
    {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// The begin of a text, on one line: what services say is not for a terminal to obey.
pub(super) fn excerpt(text: &str) -> String {
    let mut line: String = text.chars().take(EXCERPT_MAX).collect();
    line = line.replace(|c: char| c.is_control(), " ");
    if text.chars().count() > EXCERPT_MAX {
        line.push('…');
    }
    line
}

/// The longest text that is shown, in characters.
const EXCERPT_MAX: usize = 300;
