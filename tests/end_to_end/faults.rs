//! The sagas of the loan with every fault at every step: real services, real queues, and between them somebody who loses,
//! repeats, refuses and holds back messages. The services' own books are the judges.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::stream::{BoxStream, select_all};
use futures_util::{Stream, StreamExt as _};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};
use sagamore_loan::{DEFINITION, DISBURSEMENT_DEFINITION};
use sagamore_tests::live::{
    Client, Coordinator, Services, World, in_world, properties, tell, until,
};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_the_books_are_even() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let services = Services::start(world).await?;
        let client = &coordinator.client;
        let between = Between::start(world, client).await?;
        let mut executions = BTreeMap::new();
        for scenario in scenarios() {
            let execution = between.begin(client, &scenario).await?;
            executions.insert(execution, scenario);
        }
        for (execution, scenario) in &executions {
            let ended = between.until_ended(client, execution).await;
            let ended = ended.with_context(|| scenario.name())?;
            scenario.check(&ended)?;
        }
        // Long after all have ended, the answers come that were held back.
        between.deliver_late().await?;
        for (execution, scenario) in &executions {
            let settled = between.until_settled(client, execution).await;
            settled.with_context(|| scenario.name())?;
        }
        check_books(world, &executions).await?;
        tell(format!(
            "{} loans, each with a fault of its own",
            executions.len()
        ));
        coordinator.stop().await?;
        services.stop().await
    })
    .await
}

/// Which fault an execution meets, and at which step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Scenario {
    fault: Fault,
    step: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// None: it succeeds.
    Nothing,
    /// The step fails.
    Fail,
    /// Its message is lost.
    Lose,
    /// Its service works, and its answer is lost.
    LoseAnswer,
    /// Its service works, and its answer comes when the loan has ended.
    HoldAnswer,
    /// The last step fails, and then the undo of this one: an operator has it tried again.
    FailUndo,
    /// Every message comes twice, and the last step fails.
    Twice,
    /// Every message comes twice, and it succeeds.
    TwiceAndSucceed,
    /// The loan is stopped when the message of this step is under way.
    Stop,
}

/// The steps of both sagas, in their order, and whether they can be undone.
const STEPS: [(&str, bool); 8] = [
    ("OpenApplication", true),
    ("CheckCredit", true),
    ("VerifyIncome", false),
    ("AssessRisk", false),
    ("ReserveFunds", true),
    ("RegisterLoan", true),
    ("Transfer", false),
    ("NotifyApplicant", false),
];
const LAST: &str = "NotifyApplicant";

fn scenarios() -> Vec<Scenario> {
    let faults = [
        Fault::Fail,
        Fault::Lose,
        Fault::LoseAnswer,
        Fault::HoldAnswer,
        Fault::Stop,
    ];
    let at_each = faults.into_iter().flat_map(|fault| {
        let steps = STEPS.into_iter();
        steps.map(move |(step, _)| Scenario { fault, step })
    });
    let undoable = STEPS
        .into_iter()
        .filter(|(_, can_be_undone)| *can_be_undone);
    let undos = undoable.map(|(step, _)| Scenario {
        fault: Fault::FailUndo,
        step,
    });
    let whole = [Fault::Nothing, Fault::Twice, Fault::TwiceAndSucceed];
    let whole = whole.map(|fault| Scenario { fault, step: LAST });
    at_each.chain(undos).chain(whole).collect()
}

impl Scenario {
    fn name(self) -> String {
        format!("{:?}-{}", self.fault, self.step)
    }

    fn succeeds(self) -> bool {
        matches!(self.fault, Fault::Nothing | Fault::TwiceAndSucceed)
    }

    /// What becomes of a task message of this state.
    fn way(self, state: &str, attempt: &str) -> Way {
        let is_step = state == self.step;
        let last_fails = matches!(self.fault, Fault::FailUndo | Fault::Twice);
        if last_fails && state == LAST {
            return Way::Fail;
        }
        match self.fault {
            Fault::Fail if is_step => Way::Fail,
            Fault::Lose if is_step => Way::Lose,
            Fault::LoseAnswer if is_step => Way::LoseAnswer,
            Fault::HoldAnswer if is_step => Way::HoldAnswer,
            Fault::Stop if is_step => Way::Stop,
            Fault::FailUndo if attempt == "1" && state == format!("Compensate({})", self.step) => {
                Way::Fail
            }
            Fault::Twice | Fault::TwiceAndSucceed => Way::Twice,
            Fault::Nothing
            | Fault::Fail
            | Fault::Lose
            | Fault::LoseAnswer
            | Fault::HoldAnswer
            | Fault::FailUndo
            | Fault::Stop => Way::Through,
        }
    }

    fn check(self, ended: &Value) -> Result<()> {
        let status = match self.fault {
            Fault::Nothing | Fault::TwiceAndSucceed => "SUCCEEDED",
            Fault::Stop => "ABORTED",
            Fault::Fail
            | Fault::Lose
            | Fault::LoseAnswer
            | Fault::HoldAnswer
            | Fault::FailUndo
            | Fault::Twice => "FAILED",
        };
        ensure!(ended["status"] == status, "{}: {ended}", self.name());
        Ok(())
    }

    /// The definition of one of the two machines: its messages go through us, and only the step at fault is given up soon.
    fn definition(self, text: &str, fronts: &BTreeMap<String, String>) -> Result<Value> {
        let mut text = text.to_owned();
        for (queue, front) in fronts {
            text = text.replace(&format!("\"queue:{queue}\""), &format!("\"queue:{front}\""));
        }
        let child = format!("\"saga:{}\"", self.child());
        let text = text.replace("\"saga:disbursement\"", &child);
        let mut machine: Value = serde_json::from_str(&text)?;
        let loses = matches!(
            self.fault,
            Fault::Lose | Fault::LoseAnswer | Fault::HoldAnswer
        );
        each_state(&mut machine, &mut |name, state| {
            if state["Type"] == "Task" && name == self.step && loses {
                state["TimeoutSeconds"] = json!(1);
            }
            if state["TimeoutSeconds"] == 3 {
                state["TimeoutSeconds"] = json!(30);
            }
            if self.fault == Fault::FailUndo && state.get("Compensate").is_some() {
                state["Compensate"]["Retry"] = json!([]);
            }
        });
        Ok(machine)
    }

    fn child(self) -> String {
        format!("disbursement-{}", self.name())
    }
}

fn each_state(block: &mut Value, change: &mut impl FnMut(&str, &mut Value)) {
    for (name, state) in block["States"].as_object_mut().into_iter().flatten() {
        if state["Type"] == "Task" {
            change(name, state);
        }
        let branches = state.get_mut("Branches").and_then(Value::as_array_mut);
        for branch in branches.into_iter().flatten() {
            each_state(branch, change);
        }
    }
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy)]
enum Way {
    Through,
    Twice,
    Lose,
    LoseAnswer,
    HoldAnswer,
    Fail,
    Stop,
}

/// Who stands between the coordinator and the services.
struct Between {
    /// The queue that we consume in place of each service's.
    fronts: BTreeMap<String, String>,
    post: Arc<Post>,
}

struct Post {
    channel: Channel,
    client: Client,
    /// Where the answers go that are not to arrive, or not yet.
    lost: String,
    held: String,
    /// Whose messages they are.
    scenarios: Mutex<BTreeMap<String, (Scenario, String)>>,
    /// The token of each message whose answer is held back, and where it was to go.
    late: Mutex<Vec<(BasicProperties, Vec<u8>)>>,
    reply_to: Mutex<Option<String>>,
}

impl Between {
    async fn start(world: &World, client: &Client) -> Result<Between> {
        let channel = world.broker.connection.create_channel().await?;
        let mut fronts = BTreeMap::new();
        for queue in queues()? {
            let front = world.queue(&format!("front-{queue}")).await?;
            fronts.insert(queue, front);
        }
        let post = Arc::new(Post {
            client: Client {
                address: client.address.clone(),
            },
            lost: world.queue("lost").await?,
            held: world.queue("held").await?,
            channel: channel.clone(),
            scenarios: Mutex::default(),
            late: Mutex::default(),
            reply_to: Mutex::default(),
        });
        let mut deliveries = Vec::new();
        for (queue, front) in &fronts {
            deliveries.push(consume(&channel, front, Some(queue.clone())).await?);
        }
        deliveries.push(consume(&channel, &post.held, None).await?);
        tokio::spawn(Arc::clone(&post).work(select_all(deliveries)));
        Ok(Between { fronts, post })
    }

    async fn begin(&self, client: &Client, scenario: &Scenario) -> Result<String> {
        let child = scenario.definition(DISBURSEMENT_DEFINITION, &self.fronts)?;
        client.create(&scenario.child(), &child).await?;
        let loan = scenario.definition(DEFINITION, &self.fronts)?;
        let machine = client.create(&scenario.name(), &loan).await?;
        let name = scenario.name();
        let execution = format!(
            "{}:{name}",
            machine.replace(":stateMachine:", ":execution:")
        );
        // Known before its first message is.
        lock(&self.post.scenarios).insert(name.clone(), (*scenario, execution));
        let input = json!({ "applicant": name, "amount": 20_000, "income": 3_000, "faults": {} });
        let start = json!({ "stateMachineArn": machine, "name": name, "input": input.to_string() });
        let started = client.call("StartExecution", &start).await?;
        Ok(started["executionArn"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    /// Waits for the end, and has what failed for good tried again.
    async fn until_ended(&self, client: &Client, execution: &str) -> Result<Value> {
        until("the end of a loan", END_MAX, async || {
            self.retry_incidents(client).await?;
            let described = client.describe(execution).await?;
            Ok((described["status"] != "RUNNING").then_some(described))
        })
        .await
    }

    async fn until_settled(&self, client: &Client, execution: &str) -> Result<()> {
        until("all to be undone", END_MAX, async || {
            self.retry_incidents(client).await?;
            let described = client.describe(execution).await?;
            let status = described["compensation"]["status"].as_str();
            Ok(matches!(status, Some("NONE" | "COMPENSATED")).then_some(()))
        })
        .await
    }

    async fn retry_incidents(&self, client: &Client) -> Result<()> {
        let listed = client.get("/sagamore/v1/incidents").await?.json()?;
        for incident in listed["incidents"].as_array().into_iter().flatten() {
            let execution = incident["execution"].as_str().unwrap_or_default();
            let path = format!(
                "/sagamore/v1/incidents/{execution}/{}/retry",
                incident["incident"]
            );
            client.post(&path, &json!({ "by": "olga" })).await?;
        }
        Ok(())
    }

    async fn deliver_late(&self) -> Result<()> {
        let to = lock(&self.post.reply_to).clone();
        let to = to.context("no message said where its answer goes")?;
        let late = std::mem::take(&mut *lock(&self.post.late));
        ensure!(!late.is_empty(), "no answer was held back");
        for (properties, body) in late {
            self.post.publish(&to, properties, &body).await?;
        }
        Ok(())
    }
}

impl Post {
    async fn work(self: Arc<Self>, mut deliveries: impl Stream<Item = Delivered> + Unpin) {
        while let Some((queue, Ok(delivery))) = deliveries.next().await {
            match queue {
                Some(queue) => {
                    let passed = self.pass_on(&queue, &delivery).await;
                    passed.expect("a message is passed on");
                }
                None => {
                    let late = (delivery.properties.clone(), delivery.data.clone());
                    lock(&self.late).push(late);
                }
            }
            let _ = delivery.ack(BasicAckOptions::default()).await;
        }
    }

    async fn pass_on(&self, queue: &str, delivery: &Delivery) -> Result<()> {
        let asked = &delivery.properties;
        let (execution, state) = (
            header(asked, "sagamore-execution"),
            header(asked, "sagamore-state"),
        );
        let (scenario, loan) = self
            .scenario(&execution)
            .context("a message of no scenario")?;
        let way = scenario.way(&state, &header(asked, "sagamore-attempt"));
        // It is ours now, and waits for nobody.
        let properties = asked.clone().with_expiration("600000".into());
        if let Some(reply_to) = asked.reply_to() {
            lock(&self.reply_to).get_or_insert_with(|| reply_to.to_string());
        }
        let answered_to = |to: &str| properties.clone().with_reply_to(to.into());
        let body = &delivery.data;
        match way {
            Way::Through => self.publish(queue, properties, body).await,
            Way::Twice => {
                self.publish(queue, properties.clone(), body).await?;
                self.publish(queue, properties, body).await
            }
            Way::Lose => Ok(()),
            Way::LoseAnswer => self.publish(queue, answered_to(&self.lost), body).await,
            Way::HoldAnswer => self.publish(queue, answered_to(&self.held), body).await,
            Way::Fail => {
                let to = asked.reply_to().clone().context("a task has a reply_to")?;
                let reply = self::properties().with_type("failure".into());
                let token = asked.correlation_id().clone();
                let reply = reply.with_correlation_id(token.context("a task has a token")?);
                let failure = br#"{"error": "Fault.Injected", "effect": "none"}"#;
                self.publish(to.as_str(), reply, failure).await
            }
            Way::Stop => {
                let stop = json!({ "executionArn": loan, "error": "Stopped" });
                self.client.call("StopExecution", &stop).await?;
                self.publish(queue, properties, body).await
            }
        }
    }

    fn scenario(&self, execution: &str) -> Option<(Scenario, String)> {
        let known = lock(&self.scenarios);
        let mut known = known.iter();
        let found = known.find(|(name, _)| is_of(execution, name));
        found.map(|(_, scenario)| scenario.clone())
    }

    async fn publish(&self, queue: &str, properties: BasicProperties, body: &[u8]) -> Result<()> {
        let options = BasicPublishOptions::default();
        let sent = self
            .channel
            .basic_publish("".into(), queue.into(), options, body, properties);
        sent.await?.await?;
        Ok(())
    }
}

/// A delivery, with the queue of the service that it is for; `None` of an answer that is held back.
type Delivered = (Option<String>, lapin::Result<Delivery>);

async fn consume(
    channel: &Channel,
    queue: &str,
    of: Option<String>,
) -> Result<BoxStream<'static, Delivered>> {
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
    let deliveries = consumer.await?.map(move |delivery| (of.clone(), delivery));
    Ok(deliveries.boxed())
}

fn header(properties: &BasicProperties, name: &str) -> String {
    let headers = properties.headers().as_ref();
    match headers.and_then(|headers| headers.inner().get(name)) {
        Some(AMQPValue::LongString(text)) => text.to_string(),
        Some(AMQPValue::LongInt(number)) => number.to_string(),
        Some(AMQPValue::LongLongInt(number)) => number.to_string(),
        Some(AMQPValue::LongUInt(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// The queues that the two definitions send to.
fn queues() -> Result<BTreeSet<String>> {
    let mut queues = BTreeSet::new();
    for text in [DEFINITION, DISBURSEMENT_DEFINITION] {
        for part in text.split("\"queue:").skip(1) {
            let queue = part.split('"').next().context("a resource ends")?;
            queues.insert(queue.to_owned());
        }
    }
    Ok(queues)
}

/// Of every loan that did not succeed nothing is left that can be undone; of one that did, everything is there once.
async fn check_books(world: &World, executions: &BTreeMap<String, Scenario>) -> Result<()> {
    let left: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT execution, state, sum(CASE kind WHEN 'done' THEN 1 ELSE -1 END)::bigint
         FROM loan_effects GROUP BY execution, state",
    )
    .fetch_all(&world.database.pool)
    .await?;
    for scenario in executions.values() {
        let name = scenario.name();
        for (state, _) in STEPS
            .into_iter()
            .filter(|(_, can_be_undone)| *can_be_undone)
        {
            let of_state = left
                .iter()
                .filter(|(execution, of, _)| of == state && is_of(execution, &name));
            let count: i64 = of_state.map(|(.., count)| count).sum();
            let expected = i64::from(scenario.succeeds());
            ensure!(
                count == expected,
                "{name}: the effect of {state} is there {count} times"
            );
        }
    }
    Ok(())
}

/// Whether an execution has this name, or is a child of one that has: it is named after it.
fn is_of(execution: &str, name: &str) -> bool {
    let of = execution.rsplit(':').next().unwrap_or_default();
    of.strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const END_MAX: Duration = Duration::from_secs(120);
