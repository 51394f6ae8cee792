//! A Task with all that may go wrong with it: timeouts, retriers, catchers.

use super::compensation::parse_compensate;
use super::document::Node;
use super::fault::{FaultCode, Faults};
use super::fields::{Fields, integer, path, wrong_type};
use super::handover::Written;
use super::recovery::{parse_catch, parse_retry};
use super::resource::parse_resource;
use super::states::parse_transition;
use super::vocabulary::TASK;
use super::{Compensation, Handover, Resource, StateName, Transition};
use crate::query::{Jsonata, Path, ReferencePath, Template};

/// A `Task` state.
#[derive(Debug)]
pub struct Task {
    /// `Resource`: where its task message goes.
    pub resource: Resource,
    /// `Parameters`, or `Arguments` of JSONata.
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
    /// `Pivot`: the point of no return.
    pub is_pivot: bool,
    /// `Next` or `End`.
    pub transition: Transition,
}

/// A number of seconds that stands in the definition, or that a path yields.
#[derive(Debug)]
pub enum Seconds {
    /// As written: 1 to [`Seconds::MAX`].
    Literal(u32),
    /// `…SecondsPath`.
    Path(Path),
    /// As an expression of JSONata yields it.
    Jsonata(Jsonata),
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
    /// `Output` and `Assign`.
    pub handover: Handover,
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
    let parameters = fields.arguments(faults);
    let result_selector = fields.template("ResultSelector", faults);
    let result_path = fields.result_path(faults);
    let timeout = parse_seconds(fields, ["TimeoutSeconds", "TimeoutSecondsPath"], faults);
    let heartbeat = parse_seconds(fields, ["HeartbeatSeconds", "HeartbeatSecondsPath"], faults);
    if let Some(Seconds::Literal(timeout)) = timeout {
        check_heartbeat(fields, heartbeat.as_ref(), timeout, faults);
    }
    let retry = parse_retry(fields, faults).unwrap_or_default();
    let catch = parse_catch(fields, faults);
    let compensate = parse_compensate(fields, resource.as_ref(), faults);
    check_credentials(fields, faults);
    let pivot = fields.boolean("Pivot", faults);
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
        compensate,
        is_pivot: pivot == Some(true),
        transition: transition?,
    })
}

/// Reads a number of seconds as written, or its path.
fn parse_seconds(
    fields: Fields<'_>,
    names: [&'static str; 2],
    faults: &mut Faults,
) -> Option<Seconds> {
    match fields.written(&names, faults)? {
        Written::Literal(node) => integer(node, 1..=Seconds::MAX, faults).map(Seconds::Literal),
        Written::Path(node) => path(node, faults).map(Seconds::Path),
        Written::Jsonata(expression) => Some(Seconds::Jsonata(expression)),
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

/// `Credentials` are a role of AWS: who may do what is decided here by where the coordinator and the services connect.
fn check_credentials(fields: Fields<'_>, faults: &mut Faults) {
    let Some(node) = fields.get("Credentials") else {
        return;
    };
    if !node.is_object() {
        wrong_type(node, "Object", "write an object with 'RoleArn'", faults);
        return;
    }
    fields.template("Credentials", faults);
    faults.warning(
        node.key_spot(),
        FaultCode::NoEffect,
        "'Credentials' have no effect here",
        "leave it out, or keep it for Step Functions",
    );
}

#[cfg(test)]
mod tests {
    use crate::definition::fault::tests::state_faults;

    fn check(fields: &str, expected: &[&str]) {
        let state = format!(r#"{{"Type":"Task","End":true,{fields}}}"#);
        assert_eq!(state_faults(&state), expected);
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
    fn credentials_are_read_though_they_have_no_effect() {
        check(
            r#""Resource":"queue:a","Credentials":{"RoleArn.$":"$.role"},"Arguments":{}"#,
            &["/Arguments Field 'Arguments' is not supported"],
        );
        check(
            r#""Resource":"queue:a","Credentials":null"#,
            &["/Credentials Expected value of type Object"],
        );
    }
}
