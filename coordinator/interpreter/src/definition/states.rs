//! One state by its `Type`: the fields that all types share, and those of the smaller types.

use jiff::Timestamp;

use super::condition::parse_rule;
use super::document::Node;
use super::fault::{FaultCode, Faults, excerpt};
use super::fields::{Fields, expression, integer, nullable_path, path, string, wrong_type};
use super::parse::{Parser, QueryLanguage};
use super::recovery::{parse_catch, parse_retry};
use super::spelling::did_you_mean;
use super::task::parse_task;
use super::vocabulary::{CHOICE, COMPENSATE_STATE, FAIL, PARALLEL, PASS, SUCCEED, WAIT};
use super::{
    BlockId, Choice, Fail, Parallel, Pass, Seconds, State, StateKind, StateName, Text, Transition,
    Wait, WaitFor,
};

/// The types there are, as `Type` names them.
const TYPES: [&str; 8] = [
    "Task",
    "Pass",
    "Choice",
    "Wait",
    "Parallel",
    "Succeed",
    "Fail",
    "Compensate",
];

/// Reads one state; `None` when something it can't be without is wrong.
pub(super) fn parse_state(
    name: &str,
    node: Node<'_>,
    block: BlockId,
    parser: &mut Parser,
) -> Option<State> {
    if !node.is_object() {
        wrong_type(
            node,
            "Object",
            "a state is an object with a 'Type'",
            &mut parser.faults,
        );
        return None;
    }
    if QueryLanguage::of(node, &mut parser.faults) == QueryLanguage::Jsonata {
        return None;
    }
    let kind = parse_kind(node, parser);
    let input_path = nullable_path(node, "InputPath", &mut parser.faults);
    let output_path = nullable_path(node, "OutputPath", &mut parser.faults);
    Some(State {
        name: StateName::new(name),
        block,
        input_path,
        output_path,
        kind: kind?,
    })
}

fn parse_kind(node: Node<'_>, parser: &mut Parser) -> Option<StateKind> {
    let faults = &mut parser.faults;
    let Some(field) = node.get("Type") else {
        let remedy = format!("add a Type: {}", TYPES.join(", "));
        faults.schema(node.spot(), "These fields are required: [Type]", remedy);
        return None;
    };
    Some(match string(field, faults)? {
        "Task" => StateKind::Task(Box::new(parse_task(node, faults)?)),
        "Pass" => StateKind::Pass(parse_pass(node, faults)?),
        "Choice" => StateKind::Choice(parse_choice(node, faults)?),
        "Wait" => StateKind::Wait(parse_wait(node, faults)?),
        "Parallel" => StateKind::Parallel(Box::new(parse_parallel(node, parser)?)),
        "Succeed" => {
            Fields::open(node, &SUCCEED, faults)?;
            StateKind::Succeed
        }
        "Fail" => StateKind::Fail(parse_fail(node, faults)?),
        "Compensate" => {
            let fields = Fields::open(node, &COMPENSATE_STATE, faults)?;
            StateKind::Compensate(parse_transition(fields, faults)?)
        }
        "Map" => {
            faults.schema(
                field.spot(),
                "This version does not run Map states",
                "use a Parallel for a known number of branches, or a Choice that leads back for a loop",
            );
            return None;
        }
        other => {
            let problem = format!("There is no state type '{}'", excerpt(other));
            let remedy = did_you_mean(other, TYPES, || {
                format!("the types are {}", TYPES.join(", "))
            });
            faults.schema(field.spot(), problem, remedy);
            return None;
        }
    })
}

/// Reads `Next` or `End`.
pub(super) fn parse_transition(fields: Fields<'_>, faults: &mut Faults) -> Option<Transition> {
    let next = fields.get("Next");
    let end = fields.get("End");
    let ends = fields.boolean("End", faults);
    match (next, end) {
        (Some(next), None) => Some(Transition::Next(StateName::new(string(next, faults)?))),
        (Some(next), Some(_)) if ends == Some(false) => {
            Some(Transition::Next(StateName::new(string(next, faults)?)))
        }
        (None, Some(_)) if ends == Some(true) => Some(Transition::End),
        (Some(_), Some(end)) => {
            if ends == Some(true) {
                let problem = "Exactly one of these fields is allowed: [Next, End]";
                faults.schema(
                    end.key_spot(),
                    problem,
                    "remove 'End' to go on, or 'Next' to end here",
                );
            }
            None
        }
        (None, _) => {
            if end.is_none() || ends == Some(false) {
                let problem = "Exactly one of these fields is required: [Next, End]";
                faults.schema(
                    fields.node().spot(),
                    problem,
                    "add the name of the next state, or \"End\": true",
                );
            }
            None
        }
    }
}

fn parse_pass(node: Node<'_>, faults: &mut Faults) -> Option<Pass> {
    let fields = Fields::open(node, &PASS, faults)?;
    let result = fields.get("Result");
    if let Some(result) = result {
        warn_of_static_paths(result, faults);
    }
    let parameters = fields.template("Parameters", faults);
    let result_path = fields.result_path(faults);
    let transition = parse_transition(fields, faults)?;
    Some(Pass {
        result: result.map(Node::to_value),
        parameters,
        result_path,
        transition,
    })
}

/// `Result` is taken as it is written.
fn warn_of_static_paths(node: Node<'_>, faults: &mut Faults) {
    for (key, member) in node.members() {
        if key.ends_with(".$") {
            faults.warning(
                member.key_spot(),
                FaultCode::PassResultIsStatic,
                format!("'{}' of Result is not evaluated", excerpt(key)),
                "write 'Parameters' instead of 'Result' to send what the path finds",
            );
        }
        warn_of_static_paths(member, faults);
    }
    for element in node.elements() {
        warn_of_static_paths(element, faults);
    }
}

fn parse_choice(node: Node<'_>, faults: &mut Faults) -> Option<Choice> {
    let fields = Fields::open(node, &CHOICE, faults)?;
    fields.require(&["Choices"], faults);
    let rules = fields.filled_array("Choices", faults);
    let rules = rules
        .into_iter()
        .filter_map(|rule| parse_rule(rule, faults))
        .collect();
    let default = fields.string("Default", faults).map(StateName::new);
    Some(Choice { rules, default })
}

fn parse_wait(node: Node<'_>, faults: &mut Faults) -> Option<Wait> {
    let fields = Fields::open(node, &WAIT, faults)?;
    let ways = ["Seconds", "SecondsPath", "Timestamp", "TimestampPath"];
    let until = fields
        .exactly_one(&ways, faults)
        .and_then(|(way, node)| match way {
            "Seconds" => integer(node, 0..=Seconds::MAX, faults).map(WaitFor::Seconds),
            "SecondsPath" => path(node, faults).map(WaitFor::SecondsPath),
            "Timestamp" => timestamp(node, faults).map(WaitFor::Timestamp),
            _ => path(node, faults).map(WaitFor::TimestampPath),
        });
    let transition = parse_transition(fields, faults);
    Some(Wait {
        until: until?,
        transition: transition?,
    })
}

/// A point in time that stands in the definition.
pub(super) fn timestamp(node: Node<'_>, faults: &mut Faults) -> Option<Timestamp> {
    let text = string(node, faults)?;
    let timestamp = parse_timestamp(text);
    if timestamp.is_none() {
        faults.schema(
            node.spot(),
            "String does not match RFC3339 timestamp",
            "write it like \"2026-03-14T01:59:00Z\", with 'T' and an offset or 'Z'",
        );
    }
    timestamp
}

/// A timestamp in the language's profile of RFC 3339: a capital `T`, and a capital `Z` or a numeric offset.
pub(super) fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let begins = bytes.len() >= 20
        && bytes
            .iter()
            .zip(b"0000-00-00T00:00:00")
            .all(|(byte, pattern)| match pattern {
                b'0' => byte.is_ascii_digit(),
                _ => byte == pattern,
            });
    if !begins {
        return None;
    }
    let mut rest = &text[19..];
    if let Some(fraction) = rest.strip_prefix('.') {
        rest = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
        if rest.len() == fraction.len() {
            return None;
        }
    }
    let offset = matches!(
        rest.as_bytes(),
        b"Z" | [
            b'+' | b'-',
            b'0'..=b'9',
            b'0'..=b'9',
            b':',
            b'0'..=b'9',
            b'0'..=b'9'
        ]
    );
    if offset { text.parse().ok() } else { None }
}

fn parse_parallel(node: Node<'_>, parser: &mut Parser) -> Option<Parallel> {
    let fields = Fields::open(node, &PARALLEL, &mut parser.faults)?;
    fields.require(&["Branches"], &mut parser.faults);
    let branches = fields.filled_array("Branches", &mut parser.faults);
    let branches = branches
        .into_iter()
        .filter_map(|branch| parser.branch(branch))
        .collect();
    let faults = &mut parser.faults;
    let parameters = fields.template("Parameters", faults);
    let result_selector = fields.template("ResultSelector", faults);
    let result_path = fields.result_path(faults);
    let retry = parse_retry(fields, faults).unwrap_or_default();
    let catch = parse_catch(fields, faults);
    let transition = parse_transition(fields, faults)?;
    Some(Parallel {
        branches,
        parameters,
        result_selector,
        result_path,
        retry,
        catch,
        transition,
    })
}

fn parse_fail(node: Node<'_>, faults: &mut Faults) -> Option<Fail> {
    let fields = Fields::open(node, &FAIL, faults)?;
    let error = parse_text(fields, ["Error", "ErrorPath"], faults);
    let cause = parse_text(fields, ["Cause", "CausePath"], faults);
    Some(Fail { error, cause })
}

/// A text as written, or from a path.
fn parse_text(fields: Fields<'_>, names: [&'static str; 2], faults: &mut Faults) -> Option<Text> {
    match fields.at_most_one(&names, faults)? {
        (name, node) if name == names[0] => Some(Text::Literal(string(node, faults)?.to_owned())),
        (_, node) => expression(node, faults).map(Text::Path),
    }
}
