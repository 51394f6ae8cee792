//! `Retry` and `Catch`. Source: States Language, "Errors"; Step Functions, "Handling errors".

use super::document::Node;
use super::fault::{FaultCode, Faults, excerpt};
use super::fields::{Fields, array, string, wrong_type};
use super::handover::parse_handover;
use super::spelling::{did_you_mean, nearest};
use super::vocabulary::{CATCHER, RETRIER};
use super::{Catcher, ErrorName, Jitter, Retrier, Seconds, StateName};
use crate::limits::RETRY_DELAY_SECONDS_MAX;

/// The error names that the language and its saga extension define.
const KNOWN_ERRORS: [&str; 23] = [
    "States.ALL",
    "States.BranchFailed",
    "States.DataLimitExceeded",
    "States.ExceedToleratedFailureThreshold",
    "States.HeartbeatTimeout",
    "States.Http.Socket",
    "States.IntrinsicFailure",
    "States.ItemReaderFailed",
    "States.NoChoiceMatched",
    "States.ParameterPathFailure",
    "States.Permissions",
    "States.QueryEvaluationError",
    "States.ResultPathMatchFailure",
    "States.ResultWriterFailed",
    "States.Runtime",
    "States.TaskFailed",
    "States.Timeout",
    "Sagamore.DeadLettered",
    "Sagamore.EffectUnknown",
    "Sagamore.InvalidReply",
    "Sagamore.NestingLimitExceeded",
    "Sagamore.UnnamedFailure",
    "Sagamore.Unroutable",
];

/// Reads `Retry`; `None` when there is none.
pub(super) fn parse_retry(fields: Fields<'_>, faults: &mut Faults) -> Option<Vec<Retrier>> {
    let entries = array(fields.get("Retry")?, faults)?;
    let last = entries.len().saturating_sub(1);
    let retriers = entries.into_iter().enumerate();
    Some(
        retriers
            .filter_map(|(index, node)| parse_retrier(node, index == last, faults))
            .collect(),
    )
}

fn parse_retrier(node: Node<'_>, last: bool, faults: &mut Faults) -> Option<Retrier> {
    let fields = Fields::open(node, &RETRIER, faults)?;
    let error_equals = parse_error_equals(fields, last, faults);
    let interval_seconds = fields.integer("IntervalSeconds", 1..=Seconds::MAX, faults);
    let max_attempts = fields.integer("MaxAttempts", 0..=Seconds::MAX, faults);
    let max_delay_seconds = fields.integer("MaxDelaySeconds", 1..=RETRY_DELAY_SECONDS_MAX, faults);
    let jitter = parse_jitter(fields, faults);
    Some(Retrier {
        error_equals,
        interval_seconds: interval_seconds.unwrap_or(1),
        max_attempts: max_attempts.unwrap_or(3),
        backoff_rate: parse_backoff_rate(fields, faults).unwrap_or(2.0),
        max_delay_seconds,
        jitter: jitter.unwrap_or(Jitter::None),
    })
}

fn parse_backoff_rate(fields: Fields<'_>, faults: &mut Faults) -> Option<f64> {
    let node = fields.get("BackoffRate")?;
    let Some(rate) = node.as_number().and_then(serde_json::Number::as_f64) else {
        wrong_type(
            node,
            "Number",
            "write a number of at least 1.0, without quotes",
            faults,
        );
        return None;
    };
    if rate < 1.0 {
        faults.schema(
            node.spot(),
            "Minimum value is 1.0",
            "write a number of at least 1.0",
        );
        return None;
    }
    Some(rate)
}

fn parse_jitter(fields: Fields<'_>, faults: &mut Faults) -> Option<Jitter> {
    let node = fields.get("JitterStrategy")?;
    match string(node, faults)? {
        "FULL" => Some(Jitter::Full),
        "NONE" => Some(Jitter::None),
        other => {
            let problem = format!("There is no jitter strategy '{}'", excerpt(other));
            let remedy = did_you_mean(other, ["FULL", "NONE"], || {
                "write \"FULL\" or \"NONE\"".to_owned()
            });
            faults.schema(node.spot(), problem, remedy);
            None
        }
    }
}

/// Reads `Catch`; empty when there is none.
pub(super) fn parse_catch(fields: Fields<'_>, faults: &mut Faults) -> Vec<Catcher> {
    let Some(entries) = fields.get("Catch").and_then(|node| array(node, faults)) else {
        return Vec::new();
    };
    let last = entries.len().saturating_sub(1);
    let catchers = entries.into_iter().enumerate();
    catchers
        .filter_map(|(index, node)| parse_catcher(node, index == last, faults))
        .collect()
}

fn parse_catcher(node: Node<'_>, last: bool, faults: &mut Faults) -> Option<Catcher> {
    let fields = Fields::open(node, &CATCHER, faults)?;
    let error_equals = parse_error_equals(fields, last, faults);
    let result_path = fields.result_path(faults);
    let compensate = parse_catcher_compensate(fields, faults).unwrap_or(false);
    fields.require(&["Next"], faults);
    let next = StateName::new(fields.string("Next", faults)?);
    Some(Catcher {
        error_equals,
        result_path,
        compensate,
        handover: parse_handover(node, faults),
        next,
    })
}

fn parse_catcher_compensate(fields: Fields<'_>, faults: &mut Faults) -> Option<bool> {
    let node = fields.get("Compensate")?;
    if node.is_object() {
        let remedy = "write true here; the object with the undo stands on the Task itself";
        wrong_type(node, "Boolean", remedy, faults);
        return None;
    }
    fields.boolean("Compensate", faults)
}

/// Reads `ErrorEquals`; `last` tells whether its Retrier or Catcher is the last one.
fn parse_error_equals(fields: Fields<'_>, last: bool, faults: &mut Faults) -> Vec<ErrorName> {
    fields.require(&["ErrorEquals"], faults);
    let nodes = fields.filled_array("ErrorEquals", faults);
    let alone = nodes.len() == 1;
    let mut names = Vec::with_capacity(nodes.len());
    for node in nodes {
        let Some(name) = string(node, faults) else {
            continue;
        };
        names.push(match name {
            "States.ALL" => ErrorName::All,
            "States.TaskFailed" => ErrorName::TaskFailed,
            _ => ErrorName::Named(name.to_owned()),
        });
        match (name, alone, last) {
            ("States.ALL", false, _) => faults.schema(
                node.spot(),
                "States.ALL must appear alone in ErrorEquals",
                "remove the other names: States.ALL stands for them too",
            ),
            ("States.ALL", true, false) => faults.schema(
                node.spot(),
                "States.ALL must be in the last entry",
                "move this entry to the end: those after it would never match",
            ),
            _ => warn_of_unknown_error(name, node, faults),
        }
    }
    names
}

/// A name in the language's namespaces, or one that misses them by a letter, is hardly a service's own.
fn warn_of_unknown_error(name: &str, node: Node<'_>, faults: &mut Faults) {
    let reserved = name.starts_with("States.") || name.starts_with("Sagamore.");
    let missed = !reserved
        && name
            .get(..5)
            .is_some_and(|start| start.eq_ignore_ascii_case("state"));
    if KNOWN_ERRORS.contains(&name)
        || !(reserved || missed && nearest(name, KNOWN_ERRORS).is_some())
    {
        return;
    }
    let otherwise =
        || "an error of your own begins with another word than States or Sagamore".to_owned();
    faults.warning(
        node.spot(),
        FaultCode::UnknownErrorName,
        format!("No error is named '{}'", excerpt(name)),
        did_you_mean(name, KNOWN_ERRORS, otherwise),
    );
}

#[cfg(test)]
mod tests {
    use crate::definition::fault::tests::state_faults;

    fn check(fields: &str, expected: &[&str]) {
        let state = format!(r#"{{"Type":"Task","Resource":"queue:a",{fields},"Next":"B"}}"#);
        assert_eq!(state_faults(&state), expected);
    }

    #[test]
    fn retriers_and_catchers_are_read() {
        check(
            r#""Retry":[{"ErrorEquals":["A","States.Timeout"],"IntervalSeconds":1,"MaxAttempts":0,"BackoffRate":1,
                "MaxDelaySeconds":9,"JitterStrategy":"FULL"},{"ErrorEquals":["States.ALL"]}],
               "Catch":[{"ErrorEquals":["A"],"ResultPath":null,"Compensate":true,"Next":"B"}]"#,
            &[],
        );
        check(r#""Retry":[],"Catch":[]"#, &[]);
    }

    #[test]
    fn every_number_has_its_range() {
        check(
            r#""Retry":[{"ErrorEquals":["A"],"IntervalSeconds":0,"MaxAttempts":-1,"BackoffRate":0.99,
                "MaxDelaySeconds":31622400,"JitterStrategy":"HALF"}]"#,
            &[
                "/Retry/0/IntervalSeconds Minimum value is 1",
                "/Retry/0/MaxAttempts Minimum value is 0",
                "/Retry/0/BackoffRate Minimum value is 1.0",
                "/Retry/0/MaxDelaySeconds Maximum value is 31622399",
                "/Retry/0/JitterStrategy There is no jitter strategy 'HALF'",
            ],
        );
    }

    #[test]
    fn errors_are_named() {
        check(
            r#""Retry":[{},{"ErrorEquals":[]},{"ErrorEquals":"A"},{"ErrorEquals":[1]}]"#,
            &[
                "/Retry/0 These fields are required: [ErrorEquals]",
                "/Retry/1/ErrorEquals Value cannot be empty",
                "/Retry/2/ErrorEquals Expected value of type Array",
                "/Retry/3/ErrorEquals/0 Expected value of type String",
            ],
        );
    }

    #[test]
    fn states_all_stands_alone_and_last() {
        check(
            r#""Retry":[{"ErrorEquals":["States.ALL"]},{"ErrorEquals":["A","States.ALL"]}]"#,
            &[
                "/Retry/0/ErrorEquals/0 States.ALL must be in the last entry",
                "/Retry/1/ErrorEquals/1 States.ALL must appear alone in ErrorEquals",
            ],
        );
    }

    #[test]
    fn a_misspelt_error_is_warned_about() {
        check(
            r#""Retry":[{"ErrorEquals":["State.ALL","States.Timeuot","States.Mine","Lambda.Timeout","StateLost"]}]"#,
            &[
                "/Retry/0/ErrorEquals/0 warning: No error is named 'State.ALL'",
                "/Retry/0/ErrorEquals/1 warning: No error is named 'States.Timeuot'",
                "/Retry/0/ErrorEquals/2 warning: No error is named 'States.Mine'",
            ],
        );
    }

    #[test]
    fn a_catcher_leads_somewhere() {
        check(
            r#""Catch":[{"ErrorEquals":["A"]},{"ErrorEquals":["A"],"Next":"C"}]"#,
            &[
                "/Catch/0 These fields are required: [Next]",
                "/Catch/1/Next Missing 'Next' target: C",
            ],
        );
    }

    #[test]
    fn a_catcher_compensates_or_not() {
        check(
            r#""Catch":[{"ErrorEquals":["A"],"Compensate":{"Resource":"queue:b"},"Next":"B"}]"#,
            &["/Catch/0/Compensate Expected value of type Boolean"],
        );
    }
}
