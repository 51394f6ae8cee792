//! `Compensate`: the Task that undoes a state, and the policy of all of them. Source: the saga extension, "Fields".

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::document::Node;
use super::fault::{FaultCode, Faults, excerpt};
use super::fields::{Fields, integer, string, wrong_type};
use super::graph::inner_blocks;
use super::recovery::parse_retry;
use super::resource::parse_resource;
use super::spelling::did_you_mean;
use super::task::check_heartbeat;
use super::vocabulary::{COMPENSATION, COMPENSATION_POLICY};
use super::{ErrorName, Jitter, Resource, Retrier, Seconds};
use crate::query::{Expression, Template};

/// How long an undo may take that does not say.
pub const UNDO_TIMEOUT_SECONDS: u32 = 60;

/// The compensating Task of a step; its state input is its ledger entry.
#[derive(Debug)]
pub struct Compensation {
    /// `Resource`: where the undo's task message goes.
    pub resource: Resource,
    /// `Parameters`; without it the whole entry is sent.
    pub parameters: Option<Template>,
    /// `TimeoutSeconds`; default [`UNDO_TIMEOUT_SECONDS`].
    pub timeout: Seconds,
    /// `HeartbeatSeconds`.
    pub heartbeat: Option<Seconds>,
    /// `Retry`; `None` leaves it to the machine's [`CompensationPolicy`].
    pub retry: Option<Vec<Retrier>>,
}

/// What holds for all undos of a machine.
#[derive(Debug)]
pub struct CompensationPolicy {
    /// `OnStop`: whether a stop leaves what was done as it is.
    pub abandons_on_stop: bool,
    /// `TimeoutSeconds` of a whole phase of undoing; default [`PHASE_TIMEOUT_SECONDS`].
    pub timeout: SignedDuration,
    /// `Retry` of an undo that has none of its own; default 8 retries of any error, 1 s doubling to 60 s.
    pub retry: Vec<Retrier>,
}

/// How long a phase of undoing may take that does not say: 7 days.
pub const PHASE_TIMEOUT_SECONDS: u32 = 7 * 24 * 60 * 60;

/// Reads `CompensationPolicy` of the top level.
pub(super) fn parse_policy(machine: Fields<'_>, faults: &mut Faults) -> CompensationPolicy {
    let fields = machine
        .get("CompensationPolicy")
        .and_then(|node| Fields::open(node, &COMPENSATION_POLICY, faults));
    let on_stop = fields.and_then(|fields| fields.get("OnStop"));
    let abandons_on_stop = on_stop.is_some_and(|node| match string(node, faults) {
        None | Some("Compensate") => false,
        Some("Abandon") => true,
        Some(other) => {
            let problem = format!("There is no '{}' on a stop", excerpt(other));
            let words = ["Compensate", "Abandon"];
            let remedy = did_you_mean(other, words, || {
                "write \"Compensate\" or \"Abandon\"".to_owned()
            });
            faults.schema(node.spot(), problem, remedy);
            false
        }
    });
    let timeout =
        fields.and_then(|fields| fields.integer("TimeoutSeconds", 1..=Seconds::MAX, faults));
    let retry = fields.and_then(|fields| parse_retry(fields, faults));
    CompensationPolicy {
        abandons_on_stop,
        timeout: SignedDuration::from_secs(timeout.unwrap_or(PHASE_TIMEOUT_SECONDS).into()),
        retry: retry.unwrap_or_else(retry_default),
    }
}

/// Reads `Compensate` of a state, whose own resource is `step` when it is a Task.
pub(super) fn parse_compensate(
    state: Fields<'_>,
    step: Option<&Resource>,
    faults: &mut Faults,
) -> Option<Box<Compensation>> {
    let node = state.get("Compensate")?;
    if node.as_bool().is_some() {
        let remedy = "write an object with the undo's 'Resource'; true stands in a Catcher";
        wrong_type(node, "Object", remedy, faults);
        return None;
    }
    let fields = Fields::open(node, &COMPENSATION, faults)?;
    let resource = parse_resource(fields, faults);
    if resource.is_some() && resource.as_ref() == step {
        faults.warning(
            fields.get("Resource").unwrap_or(node).spot(),
            FaultCode::CompensationSharesResource,
            "The undo is sent to the Resource of its step",
            "give the undo a queue of its own: a worker that does not read the message's type would do the work twice",
        );
    }
    let parameters = fields.arguments(faults);
    if let Some(node) = fields.get("Parameters") {
        warn_of_results(node, faults);
    }
    let timeout = fields
        .get("TimeoutSeconds")
        .and_then(|node| integer(node, 1..=Seconds::MAX, faults));
    let timeout = timeout.unwrap_or(UNDO_TIMEOUT_SECONDS);
    let heartbeat = fields
        .get("HeartbeatSeconds")
        .and_then(|node| integer(node, 1..=Seconds::MAX, faults));
    let heartbeat = heartbeat.map(Seconds::Literal);
    check_heartbeat(fields, heartbeat.as_ref(), timeout, faults);
    let retry = parse_retry(fields, faults);
    Some(Box::new(Compensation {
        resource: resource?,
        parameters,
        timeout: Seconds::Literal(timeout),
        heartbeat,
        retry,
    }))
}

impl Compensation {
    /// The variables it reads.
    pub(crate) fn variables(&self) -> BTreeSet<String> {
        let mut variables = self.parameters.as_ref().map(Template::variables);
        let seconds = [Some(&self.timeout), self.heartbeat.as_ref()];
        for seconds in seconds.into_iter().flatten() {
            if let Seconds::Jsonata(expression) = seconds {
                let read = expression.variables().map(str::to_owned);
                variables.get_or_insert_default().extend(read);
            }
        }
        variables.unwrap_or_default()
    }
}

/// How an undo is tried again that does not say.
fn retry_default() -> Vec<Retrier> {
    vec![Retrier {
        error_equals: vec![ErrorName::All],
        interval_seconds: 1,
        max_attempts: 8,
        backoff_rate: 2.0,
        max_delay_seconds: Some(60),
        jitter: Jitter::None,
    }]
}

/// A step that timed out may have run, but has given no result: an undo that needs one fails just then.
fn warn_of_results(node: Node<'_>, faults: &mut Faults) {
    for (key, member) in node.members() {
        let expression = member
            .as_str()
            .filter(|_| key.ends_with(".$"))
            .map(Expression::parse);
        if let Some(Ok(expression)) = expression
            && let Some(read) = ["Result", "Output"]
                .into_iter()
                .find(|field| expression.paths().any(|path| reads(path, field)))
        {
            faults.warning(
                member.spot(),
                FaultCode::CompensationReadsResult,
                format!(
                    "The undo reads $.{read}, which is null when the step's outcome is unknown"
                ),
                "undo by what was sent, $.Input or $.Arguments, not by what came back",
            );
        }
        warn_of_results(member, faults);
    }
    for element in node.elements() {
        warn_of_results(element, faults);
    }
}

/// Whether a path reads a field of the entry: `$.Result`, but not `$.Results` or `$$.Result`.
fn reads(path: &str, field: &str) -> bool {
    let dotted = path
        .strip_prefix("$.")
        .and_then(|rest| rest.strip_prefix(field));
    let ends = |rest: &str| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_');
    dotted.is_some_and(ends)
        || ["'", "\""]
            .iter()
            .any(|quote| path.starts_with(&format!("$[{quote}{field}{quote}]")))
}

/// Warns of each plain Catcher of a Parallel or Map inside which there are entries: what was aborted there stays done.
pub(super) fn warn_of_kept_effects(block: Node<'_>, faults: &mut Faults) {
    for (_, state) in block.get("States").into_iter().flat_map(Node::members) {
        if let Some(step) = inner_blocks(state).find_map(step_with_compensation) {
            let catchers = state.get("Catch").into_iter().flat_map(Node::elements);
            for catcher in catchers
                .filter(|catcher| catcher.get("Compensate").and_then(Node::as_bool) != Some(true))
            {
                faults.warning(
                    catcher.spot(),
                    FaultCode::CatchKeepsEffects,
                    format!(
                        "This Catcher leaves what was done inside, such as '{}', as it is",
                        excerpt(step)
                    ),
                    "add \"Compensate\": true to undo it before 'Next'",
                );
            }
        }
        for inner in inner_blocks(state) {
            warn_of_kept_effects(inner, faults);
        }
    }
}

/// A step of the block, or of a block inside it, that has an undo.
fn step_with_compensation(block: Node<'_>) -> Option<&str> {
    block.get("States")?.members().find_map(|(name, state)| {
        if state.get("Compensate").is_some_and(Node::is_object) {
            return Some(name);
        }
        inner_blocks(state).find_map(step_with_compensation)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::fault::tests::{faults, state_faults};
    use crate::definition::{Machine, StateKind, StateName};

    fn check(compensate: &str, expected: &[&str]) {
        let state = format!(
            r#"{{"Type":"Task","Resource":"queue:a","End":true,"Compensate":{compensate}}}"#
        );
        assert_eq!(state_faults(&state), expected);
    }

    #[test]
    fn an_undo_without_more_has_its_defaults() {
        let text = r#"{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"queue:a","End":true,
            "Compensate":{"Resource":"queue:b"}}}}"#;
        let (machine, warnings) = Machine::parse(text).expect("a sound definition");
        assert_eq!(warnings, []);
        let Some(StateKind::Task(task)) =
            machine.state(&StateName::new("A")).map(|state| &state.kind)
        else {
            panic!("A is a Task");
        };
        let undo = task.compensate.as_deref().expect("an undo");
        assert!(matches!(undo.timeout, Seconds::Literal(60)));
        assert!(undo.retry.is_none());
        let policy = &machine.policy;
        assert_eq!(policy.timeout, SignedDuration::from_hours(7 * 24));
        assert!(!policy.abandons_on_stop);
        assert_eq!(policy.retry.len(), 1);
        let retry = &policy.retry[0];
        assert_eq!((retry.max_attempts, retry.max_delay_seconds), (8, Some(60)));
        assert_eq!(retry.error_equals, [ErrorName::All]);
    }

    #[test]
    fn a_policy_holds_for_the_whole_machine() {
        let check = |policy: &str, expected: &[&str]| {
            let machine = format!(
                r#"{{"StartAt":"A","CompensationPolicy":{policy},"States":{{"A":{{"Type":"Succeed"}}}}}}"#
            );
            assert_eq!(faults(&machine), expected);
        };
        check("{}", &[]);
        check(
            r#"{"OnStop":"Abandon","TimeoutSeconds":60,"Retry":[]}"#,
            &[],
        );
        check(
            r#"{"OnStop":"Abandn","TimeoutSeconds":0,"Retries":[]}"#,
            &[
                "/CompensationPolicy/OnStop There is no 'Abandn' on a stop",
                "/CompensationPolicy/TimeoutSeconds Minimum value is 1",
                "/CompensationPolicy/Retries Field 'Retries' is not supported",
            ],
        );
        check("[]", &["/CompensationPolicy Expected value of type Object"]);
    }

    #[test]
    fn an_undo_has_fewer_fields_than_a_task() {
        check(
            r#"{"Comment":"c","Resource":"queue:b","Parameters":{"a.$":"$.Input.a"},"Retry":[]}"#,
            &[],
        );
        check("{}", &["/Compensate These fields are required: [Resource]"]);
        check("true", &["/Compensate Expected value of type Object"]);
        check(
            r#"{"Resource":"queue:b","Catch":[],"TimeoutSecondsPath":"$.a","Arguments":{}}"#,
            &[
                "/Compensate/Catch Field 'Catch' is not supported",
                "/Compensate/TimeoutSecondsPath Field 'TimeoutSecondsPath' is not supported",
                "/Compensate/Arguments Field 'Arguments' is not supported",
            ],
        );
    }

    #[test]
    fn an_undo_is_not_undone() {
        check(
            r#"{"Resource":"queue:b","Compensate":{"Resource":"queue:c"}}"#,
            &["/Compensate/Compensate Field 'Compensate' is not supported"],
        );
    }

    #[test]
    fn an_undos_heartbeat_is_shorter_than_its_timeout() {
        check(
            r#"{"Resource":"queue:b","HeartbeatSeconds":60}"#,
            &["/Compensate/HeartbeatSeconds HeartbeatSeconds must be smaller than TimeoutSeconds"],
        );
        check(
            r#"{"Resource":"queue:b","HeartbeatSeconds":60,"TimeoutSeconds":61}"#,
            &[],
        );
    }

    #[test]
    fn an_undo_that_reads_what_came_back_is_warned_about() {
        check(
            r#"{"Resource":"queue:b","Parameters":{"id.$":"$.Result.id","all":[{"o.$":"States.Array($.Output)"}],
                "a.$":"$.Results","b.$":"$.Input.Result","s.$":"States.Format('$.Result')","c.$":"$$.Result"}}"#,
            &[
                "/Compensate/Parameters/id.$ warning: The undo reads $.Result, which is null when the step's outcome is unknown",
                "/Compensate/Parameters/all/0/o.$ warning: The undo reads $.Output, which is null when the step's outcome is unknown",
            ],
        );
    }

    #[test]
    fn an_undo_in_the_queue_of_its_step_is_warned_about() {
        check(
            r#"{"Resource":"queue:a"}"#,
            &["/Compensate/Resource warning: The undo is sent to the Resource of its step"],
        );
    }

    #[test]
    fn a_plain_catch_over_branches_with_undos_is_warned_about() {
        let definition = |catcher: &str| {
            format!(
                r#"{{"StartAt":"P","States":{{"B":{{"Type":"Succeed"}},"P":{{"Type":"Parallel","End":true,
                "Catch":[{{"ErrorEquals":["States.ALL"],"Next":"B"{catcher}}}],"Branches":[{{"StartAt":"Q","States":{{
                "Q":{{"Type":"Parallel","End":true,"Branches":[{{"StartAt":"T","States":{{"T":{{"Type":"Task","End":true,
                "Resource":"queue:a","Compensate":{{"Resource":"queue:b"}}}}}}}}]}}}}}}]}}}}}}"#
            )
        };
        let warning = "/States/P/Catch/0 warning: This Catcher leaves what was done inside, such as 'T', as it is";
        assert_eq!(faults(&definition("")), [warning]);
        assert_eq!(faults(&definition(r#","Compensate":false"#)), [warning]);
        assert_eq!(faults(&definition(r#","Compensate":true"#)), [""; 0]);
    }
}
