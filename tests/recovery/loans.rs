//! The loans of a run: what each asks for, and how it must end.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sagamore_loan::{DEFINITION, DISBURSEMENT, DISBURSEMENT_DEFINITION, Faults, Request};
use sagamore_tests::live::{Broker, Client, World, properties, until};
use serde_json::{Value, json};
use sqlx::PgPool;

/// What a loan shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Story {
    /// All goes well.
    Approved,
    /// The transfer is refused, and all is undone.
    TransferRefused,
    /// The reservation is answered after its timeout, and all is undone. Unless nobody was there when the time was up: an
    /// answer that came before anybody looked is not too late.
    Late,
    /// The credit bureau fails twice, then answers.
    CreditFails,
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ending {
    pub status: String,
    pub error: Option<String>,
    pub compensation: String,
}

/// The loans that were asked for.
pub struct Loans {
    stories: Vec<Story>,
}

impl Loans {
    /// Uploads the machines of the run.
    pub async fn upload(client: &Client) -> Result<Self> {
        let mut disbursement = serde_json::from_str(DISBURSEMENT_DEFINITION)?;
        give_time(&mut disbursement);
        client.create(DISBURSEMENT, &disbursement).await?;
        client
            .create(PATIENT, &definition(PATIENCE_SECONDS)?)
            .await?;
        client.create(HASTY, &definition(HASTE_SECONDS)?).await?;
        Ok(Self {
            stories: Vec::new(),
        })
    }

    /// Asks for some more, by commands that outlive the broker.
    pub async fn ask(&mut self, broker: &Broker, queue: &str, count: u32) -> Result<()> {
        for _ in 0..count {
            let number = self.stories.len();
            let story = STORIES[number % STORIES.len()];
            let machine = if story == Story::Late { HASTY } else { PATIENT };
            let body = json!({ "stateMachineArn": machine, "input": json!(story.request(number)).to_string() });
            let command = properties()
                .with_type("StartExecution".into())
                .with_message_id(name(number).into());
            broker
                .publish(queue, command, body.to_string().as_bytes())
                .await?;
            self.stories.push(story);
        }
        Ok(())
    }

    pub fn count(&self) -> usize {
        self.stories.len()
    }

    /// The loans by the name of their execution.
    pub fn by_name(&self) -> BTreeMap<String, Story> {
        let named = self.stories.iter().enumerate();
        named
            .map(|(number, story)| (name(number), *story))
            .collect()
    }

    /// Waits until all have ended, each as it must; returns how many ended how.
    pub async fn all_end(
        &self,
        world: &World,
        wait_max: Duration,
    ) -> Result<BTreeMap<String, usize>> {
        let pool = &world.database.pool;
        let mut left = (0, 0);
        let all = until("all loans to end", wait_max, async || {
            let counts =
                "SELECT count(*), count(*) FILTER (WHERE status <> 'RUNNING') FROM executions
                 WHERE start::json -> 'parent' IS NULL";
            left = sqlx::query_as(counts).fetch_one(pool).await?;
            Ok((left == (self.count() as i64, self.count() as i64)).then_some(()))
        });
        all.await.with_context(|| {
            format!(
                "of {} there are {} and {} have ended",
                self.count(),
                left.0,
                left.1
            )
        })?;
        let endings = endings(pool).await?;
        let mut how = BTreeMap::new();
        for (name, story) in self.by_name() {
            let ending = endings
                .get(&name)
                .with_context(|| format!("{name} was never started"))?;
            ensure!(
                story.may_end(ending),
                "{name}, a loan of {story:?}, ended as {ending}"
            );
            *how.entry(format!("{story:?}: {ending}")).or_default() += 1;
        }
        Ok(how)
    }
}

impl Story {
    fn request(self, number: usize) -> Request {
        let mut faults = Faults::default();
        match self {
            Story::Approved => {}
            Story::TransferRefused => faults.transfer_is_refused = true,
            Story::Late => faults.reservation_is_late = true,
            Story::CreditFails => faults.bureau_fails = 2,
        }
        Request {
            applicant: name(number),
            amount: 20_000,
            income: 3_000,
            faults,
        }
    }

    fn may_end(self, ending: &Ending) -> bool {
        let Ending {
            status,
            error,
            compensation,
        } = ending;
        match (status.as_str(), error.as_deref(), compensation.as_str()) {
            ("SUCCEEDED", None, "NONE") => self != Story::TransferRefused,
            ("FAILED", Some("Transfer.Refused"), "COMPENSATED") => self == Story::TransferRefused,
            // The broker drops a task message whose time is up, and says so when it is faster than the timer.
            ("FAILED", Some("States.Timeout" | "Sagamore.DeadLettered"), "COMPENSATED") => {
                self == Story::Late
            }
            _ => false,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            status,
            error,
            compensation,
        } = self;
        write!(
            formatter,
            "{status} {} {compensation}",
            error.as_deref().unwrap_or("-")
        )
    }
}

/// How the executions of a database ended, by name.
async fn endings(database: &PgPool) -> Result<BTreeMap<String, Ending>> {
    let heads = "SELECT name, head FROM executions";
    let heads: Vec<(String, String)> = sqlx::query_as(heads).fetch_all(database).await?;
    let mut endings = BTreeMap::new();
    for (name, head) in heads {
        let head: sagamore_interpreter::Head = serde_json::from_str(&head)?;
        let ending = Ending {
            status: head.status.as_str().to_owned(),
            error: head.error.clone(),
            compensation: head.compensation_status().as_str().to_owned(),
        };
        endings.insert(name, ending);
    }
    Ok(endings)
}

/// The loan's own definition, with more time for all that is not to time out, however long a server is away.
///
/// A service that loses its database in a handler says so with an error of its name; a saga that is to survive that tries
/// again, as this one does.
fn definition(reservation_seconds: u64) -> Result<Value> {
    let mut definition = serde_json::from_str(DEFINITION)?;
    give_time(&mut definition);
    let states = &mut definition["States"];
    states["ReserveFunds"]["TimeoutSeconds"] = json!(reservation_seconds);
    Ok(definition)
}

fn give_time(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(give_time);
            let resource = members.get("Resource").and_then(Value::as_str);
            if resource.is_some_and(|resource| resource.starts_with("queue:")) {
                members.insert("TimeoutSeconds".to_owned(), json!(PATIENCE_SECONDS));
                let retry = members.entry("Retry").or_insert_with(|| json!([]));
                retry.as_array_mut().expect("Retry is a list").insert(
                    0,
                    json!({
                        "ErrorEquals": ["Worker.Database", "Worker.MemoryFailed"],
                        "IntervalSeconds": 1,
                        "MaxAttempts": 100,
                        "BackoffRate": 1.0
                    }),
                );
            }
        }
        Value::Array(items) => items.iter_mut().for_each(give_time),
        _ => {}
    }
}

fn name(number: usize) -> String {
    format!("loan-{number:05}")
}

/// One in ten is late: each holds the service that moves the money for seconds.
const STORIES: [Story; 10] = [
    Story::Approved,
    Story::TransferRefused,
    Story::CreditFails,
    Story::Approved,
    Story::TransferRefused,
    Story::Late,
    Story::Approved,
    Story::TransferRefused,
    Story::CreditFails,
    Story::Approved,
];
const PATIENT: &str = "patient-loan";
const HASTY: &str = "hasty-loan";
/// Longer than any outage here.
const PATIENCE_SECONDS: u64 = 900;
/// Shorter than a late reservation takes.
const HASTE_SECONDS: u64 = 2;
