//! `sagamore incidents` and `sagamore rollback`: what an operator sees and decides.

use std::io::Write;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use console::Style;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::client::{Client, Place, excerpt, show};

/// What to do with the open incidents.
#[derive(Debug, Args)]
pub struct Incidents {
    #[command(subcommand)]
    act: Option<Act>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the open incidents, the oldest first; so does no command
    List,
    /// Try it again: an undo, a state that failed past the pivot, a phase of undoing
    Retry {
        #[command(flatten)]
        decision: Decision,
        /// What the undo is sent in place of what the definition says: JSON
        #[arg(long, value_name = "JSON")]
        arguments: Option<String>,
    },
    /// Go on without: what could not be undone stays, a state that failed is taken for done
    Skip {
        #[command(flatten)]
        decision: Decision,
        /// What a skipped state has for its result: JSON
        #[arg(long, value_name = "JSON")]
        output: Option<String>,
    },
    /// Go on: it was undone by hand, or a pivot in doubt has had no effect
    Resolve {
        #[command(flatten)]
        decision: Decision,
    },
    /// Give up this and all that the same compensation has yet to undo
    Abandon {
        #[command(flatten)]
        decision: Decision,
    },
}

#[derive(Debug, Args)]
struct Decision {
    /// The incident, as the list shows it
    #[arg(value_name = "INCIDENT")]
    incident: String,
    /// Why: it is kept in the history; required but for retry
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who decides
    #[arg(long, value_name = "NAME", env = "USER")]
    by: Option<String>,
}

impl Incidents {
    /// Lists the incidents, or decides on one.
    ///
    /// # Errors
    /// Nobody answers, there is no such incident, or the decision is refused.
    pub fn run(&self, output: &mut dyn Write) -> anyhow::Result<()> {
        let client = self.place.client();
        let (name, decision, more) = match &self.act {
            None | Some(Act::List) => return show(&list(&client)?, output),
            Some(Act::Retry {
                decision,
                arguments,
            }) => ("retry", decision, Some(("arguments", arguments))),
            Some(Act::Skip { decision, output }) => ("skip", decision, Some(("output", output))),
            Some(Act::Resolve { decision }) => ("resolve", decision, None),
            Some(Act::Abandon { decision }) => ("abandon", decision, None),
        };
        let mut body = json!({ "by": decision.by, "reason": decision.reason });
        if let Some((member, Some(text))) = more {
            body[member] = serde_json::from_str(text)
                .with_context(|| format!("--{member} is not JSON: {text}"))?;
        }
        let incident = find(&client, &decision.incident)?;
        let path = format!(
            "/sagamore/v1/incidents/{}/{}/{name}",
            incident["execution"].as_str().unwrap_or_default(),
            incident["incident"]
        );
        let answer = client.post(&path, &body)?;
        let told = answer["status"].as_str().unwrap_or_default();
        writeln!(output, "{} {told}: {}", id(&incident), subject(&incident))?;
        Ok(())
    }
}

/// Which execution to roll back, and where.
#[derive(Debug, Args)]
pub struct Rollback {
    /// The execution: its ARN, or MACHINE:NAME
    #[arg(value_name = "EXECUTION")]
    execution: String,
    /// The error it ends with
    #[arg(long)]
    error: Option<String>,
    /// The cause it ends with
    #[arg(long)]
    cause: Option<String>,
    #[command(flatten)]
    place: Place,
}

impl Rollback {
    /// Stops the execution, and has what it did undone.
    ///
    /// # Errors
    /// Nobody answers, or there is no such execution.
    pub fn run(&self, output: &mut dyn Write) -> anyhow::Result<()> {
        let client = self.place.client();
        let arn = client.find(&self.execution)?;
        let about = json!({ "executionArn": arn });
        let before = client.call("DescribeExecution", &about)?;
        ensure!(
            before["status"] == "RUNNING",
            "{} has ended: it is {}",
            self.execution,
            before["status"].as_str().unwrap_or_default()
        );
        let request = json!({ "executionArn": arn, "error": self.error, "cause": self.cause });
        client.call("RollbackExecution", &request)?;
        let after = client.call("DescribeExecution", &about)?;
        let told = match after["status"].as_str() {
            Some("RUNNING") => format!(
                "undoing what it did; sagamore watch {} shows how far it is",
                self.execution
            ),
            status => format!("{}, with nothing to undo", status.unwrap_or_default()),
        };
        writeln!(output, "{}: {told}", self.execution)?;
        Ok(())
    }
}

fn list(client: &Client) -> anyhow::Result<String> {
    let incidents = client.incidents()?;
    if incidents.is_empty() {
        return Ok("No incident is open.\n".to_owned());
    }
    let mut list = String::new();
    for incident in &incidents {
        let text = |member: &str| incident[member].as_str().unwrap_or_default();
        let error = match incident["cause"].as_str() {
            Some(cause) => format!("{}: {}", text("error"), excerpt(cause)),
            None => text("error").to_owned(),
        };
        let acts: Vec<&str> = incident["acts"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let execution = text("execution_arn").rsplitn(3, ':').take(2);
        let execution: Vec<&str> = execution.collect();
        let execution = execution.into_iter().rev().collect::<Vec<_>>().join(":");
        let quiet = Style::new().dim();
        list += &format!(
            "{}  {}  {execution}  {}\n    {}\n    {}\n",
            Style::new().bold().apply_to(id(incident)),
            subject(incident),
            quiet.apply_to(age(text("opened_at"))),
            Style::new().red().apply_to(excerpt(&error)),
            quiet.apply_to(acts.join(" | "))
        );
    }
    Ok(list)
}

/// What an incident is about.
fn subject(incident: &Value) -> String {
    let state = incident["state"].as_str().unwrap_or_default();
    match incident["about"].as_str() {
        Some("pivot" | "pivot_undo") => format!("pivot {state} in doubt"),
        Some("state") => format!("{state} failed past the pivot"),
        Some("phase") => "undoing takes too long".to_owned(),
        Some(_) => format!("undo of {state} failed"),
        None => "an input can't be taken".to_owned(),
    }
}

/// The short name of an incident: the first digits of its execution's id, and its number.
pub(super) fn id(incident: &Value) -> String {
    let execution = incident["execution"].as_str().unwrap_or_default();
    let start = execution.get(..ID_DIGITS).unwrap_or(execution);
    format!("{start}/{}", incident["incident"])
}

fn find(client: &Client, name: &str) -> anyhow::Result<Value> {
    let Some((execution, number)) = name.split_once('/') else {
        bail!("{name:?} is no incident: sagamore incidents lists them, as in 9f3c2e11/23");
    };
    let incidents = client.incidents()?;
    let mut found = incidents.into_iter().filter(|incident| {
        let id = incident["execution"].as_str().unwrap_or_default();
        id.starts_with(execution) && incident["incident"].as_u64() == number.parse().ok()
    });
    let first = found
        .next()
        .with_context(|| format!("no incident {name} is open: sagamore incidents lists them"))?;
    ensure!(
        found.next().is_none(),
        "several incidents are called {name}: write more digits of the execution's id"
    );
    Ok(first)
}

/// How long ago.
fn age(opened_at: &str) -> String {
    let Ok(opened) = opened_at.parse::<Timestamp>() else {
        return String::new();
    };
    let age = Timestamp::now().duration_since(opened);
    let age = SignedDuration::from_secs(age.as_secs().max(0));
    format!("for {age:#}")
}

/// Enough digits of an id to tell a thousand executions apart.
const ID_DIGITS: usize = 8;
