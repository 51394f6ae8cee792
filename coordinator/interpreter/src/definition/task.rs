//! A Task with all that may go wrong with it: timeouts, retriers, catchers.

use jiff::SignedDuration;

use super::compensation::parse_compensation;
use super::document::Node;
use super::fault::{FaultCode, Faults, excerpt};
use super::fields::{Fields, integer, path, string};
use super::recovery::{parse_catch, parse_retry};
use super::spelling::nearest;
use super::states::parse_transition;
use super::vocabulary::TASK;
use super::{Compensation, StateName, Transition};
use crate::limits::BROKER_NAME_BYTES_MAX;
use crate::query::{Path, ReferencePath, Template};

/// A `Task` state.
#[derive(Debug)]
pub struct Task {
    /// `Resource`: where its task message goes.
    pub resource: Resource,
    /// `Parameters`.
    pub parameters: Option<Template>,
    /// `ResultSelector`.
    pub result_selector: Option<Template>,
    /// `ResultPath`; `None` is `null`: the result is dropped.
    pub result_path: Option<ReferencePath>,
    /// `TimeoutSeconds` or `TimeoutSecondsPath`; `None` leaves it to [`Resource::timeout_default`].
    pub timeout: Option<Seconds>,
    /// `HeartbeatSeconds` or `HeartbeatSecondsPath`.
    pub heartbeat: Option<Seconds>,
    /// `Retry`, in order.
    pub retry: Vec<Retrier>,
    /// `Catch`, in order.
    pub catch: Vec<Catcher>,
    /// `Compensate`: the Task that undoes this one. Source: the saga extension.
    pub compensate: Option<Box<Compensation>>,
    /// `Next` or `End`.
    pub transition: Transition,
}

/// Where the work of a [`Task`] is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// `queue:<name>`: a service behind a queue, which replies.
    Queue(String),
    /// `exchange:<exchange>/<routing.key>`: told, and done once the broker confirms.
    Exchange {
        /// The exchange's name.
        exchange: String,
        /// The routing key.
        routing_key: String,
    },
    /// `review:<name>`: a person.
    Review(String),
}

impl std::fmt::Display for Resource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Resource::Queue(name) => write!(formatter, "queue:{name}"),
            Resource::Exchange {
                exchange,
                routing_key,
            } => write!(formatter, "exchange:{exchange}/{routing_key}"),
            Resource::Review(name) => write!(formatter, "review:{name}"),
        }
    }
}

impl Resource {
    /// How long a Task may take that does not say: 1 hour, and 30 days for a person.
    pub fn timeout_default(&self) -> SignedDuration {
        match self {
            Resource::Queue(_) | Resource::Exchange { .. } => SignedDuration::from_hours(1),
            Resource::Review(_) => SignedDuration::from_hours(30 * 24),
        }
    }
}

/// A number of seconds that stands in the definition, or that a path yields.
#[derive(Debug)]
pub enum Seconds {
    /// As written: 1 to [`Seconds::MAX`].
    Literal(u32),
    /// `…SecondsPath`.
    Path(Path),
}

impl Seconds {
    /// The most seconds any field takes. Source: States Language, "TimeoutSeconds"; Step Functions.
    pub const MAX: u32 = 99_999_999;
}

/// One entry of `Retry`.
#[derive(Debug)]
pub struct Retrier {
    /// `ErrorEquals`; never empty.
    pub error_equals: Vec<ErrorName>,
    /// `IntervalSeconds`: 1 to 99,999,999; default 1.
    pub interval_seconds: u32,
    /// `MaxAttempts`: 0 to 99,999,999 retries; default 3.
    pub max_attempts: u32,
    /// `BackoffRate`: at least 1.0; default 2.0.
    pub backoff_rate: f64,
    /// `MaxDelaySeconds`: the cap of one delay, below 31,622,400.
    pub max_delay_seconds: Option<u32>,
    /// `JitterStrategy`; default none.
    pub jitter: Jitter,
}

/// `JitterStrategy` of a [`Retrier`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jitter {
    /// The delay as computed.
    None,
    /// Evenly drawn between 0 and the delay as computed.
    Full,
}

/// One entry of `Catch`.
#[derive(Debug)]
pub struct Catcher {
    /// `ErrorEquals`; never empty.
    pub error_equals: Vec<ErrorName>,
    /// `ResultPath` of the error output; `None` is `null`: the error is dropped.
    pub result_path: Option<ReferencePath>,
    /// `Compensate`: whether the scope that failed is undone before `Next`. Source: the saga extension.
    pub compensate: bool,
    /// `Next`.
    pub next: StateName,
}

/// A name in `ErrorEquals`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorName {
    /// `States.ALL`: everything that can be caught.
    All,
    /// `States.TaskFailed`: every error of a Task but a timeout.
    TaskFailed,
    /// Any other name, compared as it stands.
    Named(String),
}

/// Reads a Task state.
pub(super) fn parse_task(node: Node<'_>, faults: &mut Faults) -> Option<Task> {
    let fields = Fields::open(node, &TASK, faults)?;
    let resource = parse_resource(fields, faults);
    let parameters = fields.template("Parameters", faults);
    let result_selector = fields.template("ResultSelector", faults);
    let result_path = fields.result_path(faults);
    let timeout = parse_seconds(fields, ["TimeoutSeconds", "TimeoutSecondsPath"], faults);
    let heartbeat = parse_seconds(fields, ["HeartbeatSeconds", "HeartbeatSecondsPath"], faults);
    if let Some(Seconds::Literal(timeout)) = timeout {
        check_heartbeat(fields, heartbeat.as_ref(), timeout, faults);
    }
    let retry = parse_retry(fields, faults).unwrap_or_default();
    let catch = parse_catch(fields, faults);
    let compensate = fields
        .get("Compensate")
        .and_then(|node| parse_compensation(node, resource.as_ref(), faults));
    let transition = parse_transition(fields, faults);
    Some(Task {
        resource: resource?,
        parameters,
        result_selector,
        result_path,
        timeout,
        heartbeat,
        retry,
        catch,
        compensate: compensate.map(Box::new),
        transition: transition?,
    })
}

/// Reads a number of seconds as written, or its path.
fn parse_seconds(
    fields: Fields<'_>,
    names: [&'static str; 2],
    faults: &mut Faults,
) -> Option<Seconds> {
    match fields.at_most_one(&names, faults)? {
        (name, node) if name == names[0] => {
            integer(node, 1..=Seconds::MAX, faults).map(Seconds::Literal)
        }
        (_, node) => path(node, faults).map(Seconds::Path),
    }
}

/// A heartbeat that may come as late as the timeout never tells anything.
pub(super) fn check_heartbeat(
    fields: Fields<'_>,
    heartbeat: Option<&Seconds>,
    timeout: u32,
    faults: &mut Faults,
) {
    if let Some(Seconds::Literal(heartbeat)) = heartbeat
        && *heartbeat >= timeout
        && let Some(node) = fields.get("HeartbeatSeconds")
    {
        faults.schema(
            node.spot(),
            "HeartbeatSeconds must be smaller than TimeoutSeconds",
            format!("write a number below {timeout}, or a longer TimeoutSeconds"),
        );
    }
}

/// Reads `Resource` of a Task or of its `Compensate`.
pub(super) fn parse_resource(fields: Fields<'_>, faults: &mut Faults) -> Option<Resource> {
    fields.require(&["Resource"], faults);
    let node = fields.get("Resource")?;
    let text = string(node, faults)?;
    match Resource::parse(text) {
        Ok(resource) => Some(resource),
        Err((problem, remedy)) => {
            faults.error(node.spot(), FaultCode::InvalidResource, problem, remedy);
            None
        }
    }
}

const RESOURCES: &str = "write queue:<name>, exchange:<exchange>/<routing key> or review:<name>";

impl Resource {
    /// A resource from its text, or what is wrong and what would be right.
    fn parse(text: &str) -> Result<Resource, (String, String)> {
        let shown = excerpt(text);
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        let name =
            |name: &str| broker_name(name).map_err(|problem| (problem, RESOURCES.to_owned()));
        match scheme {
            "queue" => Ok(Resource::Queue(name(rest)?)),
            "review" => Ok(Resource::Review(name(rest)?)),
            "exchange" => {
                let remedy = "write exchange:<exchange>/<routing key>".to_owned();
                let (exchange, routing_key) = rest
                    .split_once('/')
                    .ok_or((format!("Resource '{shown}' has no routing key"), remedy))?;
                Ok(Resource::Exchange {
                    exchange: name(exchange)?,
                    routing_key: name(routing_key)?,
                })
            }
            "arn" => Err((
                format!("This version does not run the Resource '{shown}'"),
                match text.rsplit_once(":function:") {
                    Some((_, function)) => format!(
                        "write queue:{} for a service behind that queue",
                        excerpt(function)
                    ),
                    None => RESOURCES.to_owned(),
                },
            )),
            "saga" | "http" => Err((
                format!("This version does not run the Resource '{shown}'"),
                RESOURCES.to_owned(),
            )),
            _ => Err((
                format!("Value is not a valid resource: '{shown}'"),
                match nearest(scheme, ["queue", "exchange", "review"]) {
                    Some(scheme) => format!("did you mean '{scheme}:{}'?", excerpt(rest)),
                    None => RESOURCES.to_owned(),
                },
            )),
        }
    }
}

/// A name that AMQP can carry.
fn broker_name(name: &str) -> Result<String, String> {
    if name.is_empty() {
        return Err("The Resource names nothing".to_owned());
    }
    if name.len() > BROKER_NAME_BYTES_MAX {
        return Err(format!(
            "The Resource's name has {} bytes, of {BROKER_NAME_BYTES_MAX} at most",
            name.len()
        ));
    }
    if name.chars().any(char::is_control) {
        return Err("The Resource's name has a control character".to_owned());
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::fault::tests::state_faults;

    fn check(fields: &str, expected: &[&str]) {
        let state = format!(r#"{{"Type":"Task","End":true,{fields}}}"#);
        assert_eq!(state_faults(&state), expected);
    }

    fn check_resource(text: &str, expected: Result<Resource, &str>) {
        let parsed =
            Resource::parse(text).map_err(|(problem, remedy)| format!("{problem}; {remedy}"));
        assert_eq!(parsed, expected.map_err(str::to_owned));
    }

    #[test]
    fn a_resource_is_a_queue_an_exchange_or_a_review() {
        check_resource(
            "queue:funds.reserve",
            Ok(Resource::Queue("funds.reserve".into())),
        );
        check_resource("review:loan", Ok(Resource::Review("loan".into())));
        let exchange = Resource::Exchange {
            exchange: "audit".into(),
            routing_key: "loan.a/b".into(),
        };
        check_resource("exchange:audit/loan.a/b", Ok(exchange));
    }

    #[test]
    fn another_resource_is_refused_in_plain_words() {
        check_resource(
            "arn:aws:lambda:us-east-1:123456789012:function:score",
            Err(
                "This version does not run the Resource 'arn:aws:lambda:us-east-1:123456789012:function:score'; \
                 write queue:score for a service behind that queue",
            ),
        );
        for text in [
            "arn:aws:states:::sqs:sendMessage",
            "saga:loan",
            "http:invoke",
        ] {
            check_resource(
                text,
                Err(&format!(
                    "This version does not run the Resource '{text}'; {RESOURCES}"
                )),
            );
        }
    }

    #[test]
    fn a_misspelt_resource_gets_a_suggestion() {
        check_resource(
            "queu:a",
            Err("Value is not a valid resource: 'queu:a'; did you mean 'queue:a'?"),
        );
        check_resource(
            "funds",
            Err(&format!(
                "Value is not a valid resource: 'funds'; {RESOURCES}"
            )),
        );
        check_resource(
            "",
            Err(&format!("Value is not a valid resource: ''; {RESOURCES}")),
        );
    }

    #[test]
    fn a_resource_names_what_amqp_can_carry() {
        check_resource(
            "queue:",
            Err(&format!("The Resource names nothing; {RESOURCES}")),
        );
        check_resource(
            "exchange:audit",
            Err(
                "Resource 'exchange:audit' has no routing key; write exchange:<exchange>/<routing key>",
            ),
        );
        check_resource(
            "exchange:/a",
            Err(&format!("The Resource names nothing; {RESOURCES}")),
        );
        check_resource(
            "queue:a\nb",
            Err(&format!(
                "The Resource's name has a control character; {RESOURCES}"
            )),
        );
        check_resource(
            &format!("queue:{}", "x".repeat(256)),
            Err(&format!(
                "The Resource's name has 256 bytes, of 255 at most; {RESOURCES}"
            )),
        );
    }

    #[test]
    fn a_task_needs_a_resource() {
        check(
            r#""Comment":"nothing""#,
            &[" These fields are required: [Resource]"],
        );
        check(
            r#""Resource":["queue:a"]"#,
            &["/Resource Expected value of type String"],
        );
        check(
            r#""Resource":"http:invoke""#,
            &["/Resource This version does not run the Resource 'http:invoke'"],
        );
    }

    #[test]
    fn seconds_are_written_or_read_but_not_both() {
        check(
            r#""Resource":"queue:a","TimeoutSeconds":10,"HeartbeatSecondsPath":"$.a""#,
            &[],
        );
        check(
            r#""Resource":"queue:a","TimeoutSeconds":0,"HeartbeatSeconds":1,"HeartbeatSecondsPath":"$.a""#,
            &[
                "/TimeoutSeconds Minimum value is 1",
                "/HeartbeatSecondsPath Only one of these fields is allowed: [HeartbeatSeconds, HeartbeatSecondsPath]",
            ],
        );
    }

    #[test]
    fn a_heartbeat_is_shorter_than_the_timeout() {
        check(
            r#""Resource":"queue:a","TimeoutSeconds":10,"HeartbeatSeconds":10"#,
            &["/HeartbeatSeconds HeartbeatSeconds must be smaller than TimeoutSeconds"],
        );
        check(
            r#""Resource":"queue:a","TimeoutSeconds":10,"HeartbeatSeconds":9"#,
            &[],
        );
    }

    #[test]
    fn what_a_later_version_runs_is_refused_in_plain_words() {
        check(
            r#""Resource":"queue:a","Credentials":{},"Pivot":true,"Arguments":{},"Assign":{}"#,
            &[
                "/Credentials This version does not run 'Credentials' of a Task state",
                "/Pivot This version does not run 'Pivot' of a Task state",
                "/Arguments This version does not run 'Arguments' of a Task state",
                "/Assign This version does not run 'Assign' of a Task state",
            ],
        );
    }
}
