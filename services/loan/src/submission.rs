//! The eight applicants, run through a coordinator: submitted, reviewed, rescued by an operator, and watched until they end.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::applicants::{Applicant, applicants};
use crate::{Actual, Coordinator, CoordinatorError, Progress, Step};

/// The definition of the saga.
pub const DEFINITION: &str = include_str!("../loan.asl.json");
/// The name it is uploaded under.
pub const MACHINE: &str = "loan";
/// The definition of the saga that it waits for.
pub const DISBURSEMENT_DEFINITION: &str = include_str!("../disbursement.asl.json");
/// The name by which it starts that one.
pub const DISBURSEMENT: &str = "disbursement";

/// The applicants, on their way.
pub struct Submission {
    coordinator: Coordinator,
    running: Vec<Running>,
}

/// One applicant, on the way.
struct Running {
    applicant: Applicant,
    arn: String,
    /// Whether it was seen suspended, and retried.
    operator: bool,
}

/// Why the applicants did not all get to an end.
#[derive(Debug, thiserror::Error)]
pub enum SubmissionError {
    /// A call failed.
    #[error(transparent)]
    Coordinator(#[from] CoordinatorError),
    /// An answer lacks what it must have.
    #[error("the answer to {call} has no {member}")]
    Incomplete {
        /// The call.
        call: &'static str,
        /// What it lacks.
        member: &'static str,
    },
    /// It takes too long. Tells what each was doing last.
    #[error("not all have ended after {} seconds: {left}", waited.as_secs())]
    TooSlow {
        /// How long it was waited.
        waited: Duration,
        /// Which have not ended.
        left: String,
    },
}

impl Submission {
    /// Uploads the saga and starts an execution for each applicant.
    ///
    /// # Errors
    /// The coordinator can't be reached, or refuses the definition or an execution.
    pub fn start(coordinator: Coordinator) -> Result<Self, SubmissionError> {
        call_patiently(&coordinator, "ListStateMachines", &json!({}))?;
        let machine = upload(&coordinator)?;
        Self::run(coordinator, &machine, &new_run(), &[])
    }

    /// Goes on with the applicants that a run before left in the middle; starts all of them when there are none.
    ///
    /// # Errors
    /// As [`Submission::start`].
    pub fn resume_or_start(coordinator: Coordinator) -> Result<(Self, Begun), SubmissionError> {
        call_patiently(&coordinator, "ListStateMachines", &json!({}))?;
        let machine = upload(&coordinator)?;
        let list_all = json!({ "stateMachineArn": machine, "maxResults": 1000 });
        let listed = coordinator.call("ListExecutions", &list_all)?;
        let listed = list(&listed, "executions");
        let mut left = listed.iter().filter(|it| it["status"] == "RUNNING");
        let (run, begun) = match left.find_map(run_of) {
            Some(run) => (run.to_owned(), Begun::Resumed),
            None => (new_run(), Begun::Anew),
        };
        Ok((Self::run(coordinator, &machine, &run, listed)?, begun))
    }

    /// Starts what is not among the executions listed.
    fn run(
        coordinator: Coordinator,
        machine: &str,
        run: &str,
        listed: &[Value],
    ) -> Result<Self, SubmissionError> {
        let mut running = Vec::new();
        for applicant in applicants() {
            let name = format!("{}-{run}", applicant.request.applicant);
            let found = listed.iter().find(|it| it["name"] == name.as_str());
            let arn = match found {
                Some(found) => text(found, "ListExecutions", "executionArn")?,
                None => {
                    let input = json!(applicant.request).to_string();
                    let start = json!({ "stateMachineArn": machine, "name": name, "input": input });
                    // The same name and input again is the same execution.
                    let started = call_patiently(&coordinator, "StartExecution", &start)?;
                    text(&started, "StartExecution", "executionArn")?
                }
            };
            running.push(Running {
                // Whether an operator helped before can't be told any more.
                operator: found.is_some() && applicant.expected.operator,
                applicant,
                arn,
            });
        }
        Ok(Self {
            coordinator,
            running,
        })
    }

    /// Plays the reviewer and the operator until all have ended, at most `wait_max`; then tells how. A coordinator that is away
    /// meanwhile is waited for.
    ///
    /// # Errors
    /// A call is refused, or it takes too long.
    pub fn finish(
        mut self,
        wait_max: Duration,
    ) -> Result<Vec<(Applicant, Actual)>, SubmissionError> {
        let begun = Instant::now();
        loop {
            let is_late = begun.elapsed() > wait_max;
            match self.act().and_then(|()| self.progress()) {
                Ok(progress) => {
                    let left = progress.iter().filter(|(_, progress)| !progress.is_over());
                    let left: Vec<String> = left.map(told).collect();
                    if left.is_empty() {
                        return self.outcomes();
                    }
                    if is_late {
                        let (waited, left) = (begun.elapsed(), left.join(", "));
                        return Err(SubmissionError::TooSlow { waited, left });
                    }
                }
                // A coordinator that restarts: what it had begun goes on when it is back.
                Err(SubmissionError::Coordinator(error)) if error.is_passing() && !is_late => {}
                Err(error) => return Err(error),
            }
            thread::sleep(POLL_EVERY);
        }
    }

    /// Decides what waits for a decision, and retries what is suspended.
    ///
    /// # Errors
    /// A call fails.
    pub fn act(&mut self) -> Result<(), SubmissionError> {
        self.review()?;
        self.operate()
    }

    /// How far each applicant is.
    ///
    /// # Errors
    /// A call fails.
    pub fn progress(&self) -> Result<Vec<(Applicant, Progress)>, SubmissionError> {
        let reviews = self.coordinator.get("/sagamore/v1/reviews")?;
        let incidents = self.coordinator.get("/sagamore/v1/incidents")?;
        let mut all = Vec::new();
        for running in &self.running {
            let input = json!({ "executionArn": running.arn });
            let described = self.coordinator.call("DescribeExecution", &input)?;
            let of_it = |listed: &Value, member: &str| {
                let mut entries = list(listed, member).iter();
                entries.find(|entry| running.is_in(entry)).cloned()
            };
            let compensation = described["compensation"]["status"].as_str();
            let review = of_it(&reviews, "reviews");
            let incident = of_it(&incidents, "incidents");
            let progress = Progress {
                status: text(&described, "DescribeExecution", "status")?,
                error: described["error"].as_str().map(str::to_owned),
                compensation: compensation.unwrap_or("NONE").to_owned(),
                steps: self.steps(&running.arn)?,
                review: review.and_then(|review| review["url"].as_str().map(str::to_owned)),
                retry: incident.as_ref().map(retry_path).transpose()?,
            };
            all.push((running.applicant.clone(), progress));
        }
        Ok(all)
    }

    /// How each applicant ended.
    ///
    /// # Errors
    /// A call fails.
    pub fn outcomes(&self) -> Result<Vec<(Applicant, Actual)>, SubmissionError> {
        let outcome = |running: &Running| Ok((running.applicant.clone(), self.look(running)?));
        self.running.iter().map(outcome).collect()
    }

    /// Decides every review of ours that waits for a person.
    fn review(&mut self) -> Result<(), SubmissionError> {
        let listed = self.coordinator.get("/sagamore/v1/reviews")?;
        for review in list(&listed, "reviews") {
            let Some(running) = self.running.iter().find(|running| running.is_in(review)) else {
                continue;
            };
            let Some(approved) = running.applicant.approved else {
                continue;
            };
            let token = text(review, "reviews", "token")?;
            let comment = if approved {
                "we know them"
            } else {
                "too much for now"
            };
            let decision = json!({ "approved": approved, "comment": comment, "reviewer": "rita" });
            self.coordinator
                .post(&format!("/reviews/{token}"), &decision)?;
        }
        Ok(())
    }

    /// Retries every suspended undo of ours. An execution that was set aside is a defect, and no retry's business.
    fn operate(&mut self) -> Result<(), SubmissionError> {
        let listed = self.coordinator.get("/sagamore/v1/incidents")?;
        for incident in list(&listed, "incidents") {
            let position = self
                .running
                .iter()
                .position(|running| running.is_in(incident));
            let Some(running) = position.map(|position| &mut self.running[position]) else {
                continue;
            };
            if incident["kind"] != "suspended" {
                continue;
            }
            let path = retry_path(incident)?;
            let act = json!({ "by": "olga", "reason": "the ledger is open again" });
            self.coordinator.post(&path, &act)?;
            running.operator = true;
        }
        Ok(())
    }

    fn look(&self, running: &Running) -> Result<Actual, SubmissionError> {
        let input = json!({ "executionArn": running.arn });
        let described = self.coordinator.call("DescribeExecution", &input)?;
        let compensation = described["compensation"]["status"].as_str();
        Ok(Actual {
            status: text(&described, "DescribeExecution", "status")?,
            error: described["error"].as_str().map(str::to_owned),
            compensation: compensation.unwrap_or("NONE").to_owned(),
            undone: self.undone(&running.arn)?,
            operator: running.operator,
        })
    }

    /// The steps of an execution, and in the place of one that another execution does that one's.
    fn steps(&self, arn: &str) -> Result<Vec<Step>, SubmissionError> {
        let mut steps = Vec::new();
        for step in Progress::steps_of(&self.events(arn)?) {
            match &step.child {
                Some(child) => steps.extend(self.steps(child)?),
                None => steps.push(step),
            }
        }
        Ok(steps)
    }

    /// The states that were undone, in the order in which their undos ended.
    fn undone(&self, arn: &str) -> Result<Vec<String>, SubmissionError> {
        let mut undone: Vec<String> = Vec::new();
        for (_, state) in self.undos(arn)? {
            // A late answer takes another round, which finds nothing to undo.
            if !undone.contains(&state) {
                undone.push(state);
            }
        }
        Ok(undone)
    }

    /// When which state was undone, in an execution and in those that it waited for.
    fn undos(&self, arn: &str) -> Result<Vec<(f64, String)>, SubmissionError> {
        let events = self.events(arn)?;
        let mut undos = Vec::new();
        for step in Progress::steps_of(&events) {
            if let Some(child) = &step.child {
                undos.extend(self.undos(child)?);
            }
        }
        for event in &events {
            let name = event["stateExitedEventDetails"]["name"].as_str();
            if let Some(state) = name.and_then(compensated_state) {
                let at = event["timestamp"].as_f64().unwrap_or_default();
                undos.push((at, state.to_owned()));
            }
        }
        undos.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        Ok(undos)
    }

    /// All events of an execution.
    fn events(&self, arn: &str) -> Result<Vec<Value>, SubmissionError> {
        let mut events = Vec::new();
        let mut next = Value::Null;
        loop {
            let mut input = json!({ "executionArn": arn, "maxResults": 1000 });
            if !next.is_null() {
                input["nextToken"] = next;
            }
            let mut page = self.coordinator.call("GetExecutionHistory", &input)?;
            events.extend(list(&page, "events").iter().cloned());
            next = page["nextToken"].take();
            if next.is_null() {
                return Ok(events);
            }
        }
    }
}

/// Whether a submission began anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// All applicants were submitted.
    Anew,
    /// It goes on with those that a run before left.
    Resumed,
}

impl Running {
    /// Whether an entry of a list is about this execution.
    fn is_in(&self, entry: &Value) -> bool {
        entry["execution_arn"] == self.arn.as_str()
    }
}

/// What the names of a run's executions end with.
fn new_run() -> String {
    Uuid::new_v4().simple().to_string()
}

fn run_of(execution: &Value) -> Option<&str> {
    Some(execution["name"].as_str()?.split_once('-')?.1)
}

/// Calls until the coordinator is there: it may be starting, or starting again. Only for what may be asked twice.
fn call_patiently(
    coordinator: &Coordinator,
    action: &str,
    input: &Value,
) -> Result<Value, CoordinatorError> {
    let begun = Instant::now();
    loop {
        match coordinator.call(action, input) {
            Err(error) if error.is_passing() && begun.elapsed() < START_MAX => {
                thread::sleep(POLL_EVERY);
            }
            answered => return answered,
        }
    }
}

/// Uploads both machines; the ARN of the loan's.
fn upload(coordinator: &Coordinator) -> Result<String, SubmissionError> {
    upload_one(coordinator, DISBURSEMENT, DISBURSEMENT_DEFINITION)?;
    upload_one(coordinator, MACHINE, DEFINITION)
}

/// Creates a state machine, or gives the one of this name this definition.
fn upload_one(
    coordinator: &Coordinator,
    name: &str,
    definition: &str,
) -> Result<String, SubmissionError> {
    let machine = json!({
        "name": name,
        "definition": definition,
        "roleArn": "arn:aws:iam::123456789012:role/sagamore",
        "type": "STANDARD",
    });
    match coordinator.call("CreateStateMachine", &machine) {
        Ok(created) => text(&created, "CreateStateMachine", "stateMachineArn"),
        Err(CoordinatorError::Refused { kind, .. }) if kind == "StateMachineAlreadyExists" => {
            let listed = coordinator.call("ListStateMachines", &json!({ "maxResults": 1000 }))?;
            let same_name = |machine: &&Value| machine["name"] == name;
            let found = list(&listed, "stateMachines").iter().find(same_name);
            let arn = text(
                found.unwrap_or(&Value::Null),
                "ListStateMachines",
                "stateMachineArn",
            )?;
            let update = json!({ "stateMachineArn": arn, "definition": definition });
            coordinator.call("UpdateStateMachine", &update)?;
            Ok(arn)
        }
        Err(error) => Err(error.into()),
    }
}

fn told((applicant, progress): &(Applicant, Progress)) -> String {
    let name = &applicant.request.applicant;
    format!("{name} {} {}", progress.status, progress.compensation)
}

fn retry_path(incident: &Value) -> Result<String, SubmissionError> {
    let execution = text(incident, "incidents", "execution")?;
    let number = &incident["incident"];
    Ok(format!("/sagamore/v1/incidents/{execution}/{number}/retry"))
}

/// `ReserveFunds` of `Compensate(ReserveFunds)`.
pub(crate) fn compensated_state(name: &str) -> Option<&str> {
    name.strip_prefix("Compensate(")?.strip_suffix(')')
}

fn list<'a>(answer: &'a Value, member: &str) -> &'a [Value] {
    answer[member].as_array().map_or(&[], Vec::as_slice)
}

fn text(
    answer: &Value,
    call: &'static str,
    member: &'static str,
) -> Result<String, SubmissionError> {
    let text = answer[member].as_str();
    let text = text.ok_or(SubmissionError::Incomplete { call, member })?;
    Ok(text.to_owned())
}

/// How long a coordinator may take to start.
const START_MAX: Duration = Duration::from_secs(30);
const POLL_EVERY: Duration = Duration::from_millis(200);
