//! One state by its `Type`: the fields that all types share, and those of the smaller types.

use super::compensation::parse_compensate;
use super::condition::parse_rule;
use super::document::Node;
use super::fault::{FaultCode, Faults, excerpt};
use super::fields::{Fields, expression, integer, nullable_path, path, string, wrong_type};
use super::handover::{Written, parse_handover};
use super::map::parse_map;
use super::parse::Parser;
use super::recovery::{parse_catch, parse_retry};
use super::spelling::did_you_mean;
use super::task::parse_task;
use super::timestamp::timestamp;
use super::vocabulary::{CHOICE, COMPENSATE_STATE, FAIL, PARALLEL, PASS, SUCCEED, WAIT};
use super::{
    BlockId, Choice, Compensate, Fail, Parallel, Pass, Seconds, State, StateKind, StateName, Text,
    Transition, Wait, WaitFor,
};

/// The types there are, as `Type` names them.
const TYPES: [&str; 9] = [
    "Task",
    "Pass",
    "Choice",
    "Wait",
    "Parallel",
    "Map",
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
    let language = parser.language_of(node);
    let node = node.state_in(language);
    let kind = parse_kind(node, parser);
    let faults = &mut parser.faults;
    let input_path = nullable_path(node, "InputPath", faults);
    let output_path = nullable_path(node, "OutputPath", faults);
    let handover = parse_handover(node, faults);
    Some(State {
        name: StateName::new(name),
        block,
        language,
        handover,
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
            let through = fields.string("Through", faults).map(StateName::new);
            let transition = parse_transition(fields, faults)?;
            StateKind::Compensate(Compensate {
                through,
                transition,
            })
        }
        "Map" => StateKind::Map(Box::new(parse_map(node, parser)?)),
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
    let until = fields.exactly_one(&ways, faults).and_then(|(way, node)| {
        match (way, fields.jsonata(node, faults)) {
            ("Seconds", Some(expression)) => expression.map(WaitFor::SecondsExpression),
            ("Timestamp", Some(expression)) => expression.map(WaitFor::TimestampExpression),
            ("Seconds", None) => integer(node, 0..=Seconds::MAX, faults).map(WaitFor::Seconds),
            ("SecondsPath", _) => path(node, faults).map(WaitFor::SecondsPath),
            ("Timestamp", None) => timestamp(node, faults).map(WaitFor::Timestamp),
            _ => path(node, faults).map(WaitFor::TimestampPath),
        }
    });
    let transition = parse_transition(fields, faults);
    Some(Wait {
        until: until?,
        transition: transition?,
    })
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
    let parameters = fields.arguments(faults);
    let result_selector = fields.template("ResultSelector", faults);
    let result_path = fields.result_path(faults);
    let retry = parse_retry(fields, faults).unwrap_or_default();
    let catch = parse_catch(fields, faults);
    let compensate = parse_compensate(fields, None, faults);
    let transition = parse_transition(fields, faults)?;
    Some(Parallel {
        branches,
        parameters,
        result_selector,
        result_path,
        retry,
        catch,
        compensate,
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
    match fields.written(&names, faults)? {
        Written::Literal(node) => Some(Text::Literal(string(node, faults)?.to_owned())),
        Written::Path(node) => expression(node, faults).map(Text::Path),
        Written::Jsonata(expression) => Some(Text::Jsonata(expression)),
    }
}

#[cfg(test)]
mod tests {
    use crate::definition::fault::tests::state_faults;

    fn check(state: &str, expected: &[&str]) {
        assert_eq!(state_faults(state), expected);
    }

    #[test]
    fn every_type_is_read() {
        check(r#"{"Type":"Task","Resource":"queue:a","End":true}"#, &[]);
        check(
            r#"{"Type":"Pass","Result":[1],"ResultPath":"$.a","Next":"B"}"#,
            &[],
        );
        check(
            r#"{"Type":"Choice","Choices":[{"Variable":"$.a","IsNull":true,"Next":"B"}],"Default":"B"}"#,
            &[],
        );
        check(r#"{"Type":"Wait","Seconds":0,"Next":"B"}"#, &[]);
        check(r#"{"Type":"Wait","SecondsPath":"$.a","Next":"B"}"#, &[]);
        check(
            r#"{"Type":"Wait","Timestamp":"2026-03-14T01:59:00Z","Next":"B"}"#,
            &[],
        );
        check(r#"{"Type":"Wait","TimestampPath":"$.a","Next":"B"}"#, &[]);
        check(
            r#"{"Type":"Parallel","Branches":[{"StartAt":"C","States":{"C":{"Type":"Succeed"}}}],"End":true}"#,
            &[],
        );
        check(
            r#"{"Type":"Succeed","InputPath":null,"OutputPath":"$.a"}"#,
            &[],
        );
        check(
            r#"{"Type":"Fail","Error":"E","CausePath":"States.Format('{}', $.a)"}"#,
            &[],
        );
        check(r#"{"Type":"Compensate","Next":"B"}"#, &[]);
    }

    #[test]
    fn a_state_needs_a_known_type() {
        check("[]", &[" Expected value of type Object"]);
        check(r#"{"End":true}"#, &[" These fields are required: [Type]"]);
        check(
            r#"{"Type":"Tsak","End":true}"#,
            &["/Type There is no state type 'Tsak'"],
        );
        check(
            r#"{"Type":7,"End":true}"#,
            &["/Type Expected value of type String"],
        );
    }

    #[test]
    fn each_language_has_its_fields() {
        check(
            r#"{"Type":"Task","QueryLanguage":"JSONata","Resource":"queue:a","Arguments":{"a":"{% $states.input.b %}"},
                "TimeoutSeconds":"{% 1 + 1 %}","Output":"{% $states.result %}","Assign":{"c":"{% 1 %}"},"End":true}"#,
            &[],
        );
        check(
            r#"{"Type":"Pass","QueryLanguage":"JSONata","InputPath":"$","Output":"{% 1 + %}","End":true}"#,
            &[
                "/InputPath Field 'InputPath' is not supported",
                "/Output Value is not a valid JSONata expression",
            ],
        );
        check(
            r#"{"Type":"Pass","QueryLanguage":"jq","Output":1,"Assign":7,"End":true}"#,
            &[
                "/QueryLanguage There is no query language 'jq'",
                "/Output Field 'Output' is not supported",
                "/Assign Expected value of type Object",
            ],
        );
    }

    #[test]
    fn a_state_leads_on_or_ends_but_not_both() {
        let both = "Exactly one of these fields is allowed: [Next, End]";
        let none = "Exactly one of these fields is required: [Next, End]";
        check(
            r#"{"Type":"Pass","Next":"B","End":true}"#,
            &[&format!("/End {both}")],
        );
        check(r#"{"Type":"Pass"}"#, &[&format!(" {none}")]);
        check(r#"{"Type":"Pass","End":false}"#, &[&format!(" {none}")]);
        check(r#"{"Type":"Pass","Next":"B","End":false}"#, &[]);
        check(
            r#"{"Type":"Pass","End":"true"}"#,
            &["/End Expected value of type Boolean"],
        );
        check(
            r#"{"Type":"Pass","Next":["A"]}"#,
            &["/Next Expected value of type String"],
        );
    }

    #[test]
    fn an_ending_state_leads_nowhere() {
        check(
            r#"{"Type":"Succeed","End":true}"#,
            &["/End Field 'End' is not supported"],
        );
        check(
            r#"{"Type":"Fail","Next":"A"}"#,
            &["/Next Field 'Next' is not supported"],
        );
        check(
            r#"{"Type":"Fail","ResultPath":"$"}"#,
            &["/ResultPath Field 'ResultPath' is not supported"],
        );
    }

    #[test]
    fn a_wait_has_one_length_within_its_range() {
        let one = "[Seconds, SecondsPath, Timestamp, TimestampPath]";
        check(
            r#"{"Type":"Wait","End":true}"#,
            &[&format!(" Exactly one of these fields is required: {one}")],
        );
        check(
            r#"{"Type":"Wait","Seconds":1,"SecondsPath":"$.a","End":true}"#,
            &[&format!(
                "/SecondsPath Only one of these fields is allowed: {one}"
            )],
        );
        check(
            r#"{"Type":"Wait","Seconds":100000000,"End":true}"#,
            &["/Seconds Maximum value is 99999999"],
        );
        check(
            r#"{"Type":"Wait","Seconds":-1,"End":true}"#,
            &["/Seconds Minimum value is 0"],
        );
        check(
            r#"{"Type":"Wait","Seconds":1.5,"End":true}"#,
            &["/Seconds Expected value of type Integer"],
        );
        check(
            r#"{"Type":"Wait","Seconds":"1","End":true}"#,
            &["/Seconds Expected value of type Integer"],
        );
    }

    #[test]
    fn a_waits_timestamp_is_checked() {
        check(
            r#"{"Type":"Wait","Timestamp":"tomorrow","End":true}"#,
            &["/Timestamp String does not match RFC3339 timestamp"],
        );
    }

    #[test]
    fn a_parallel_has_branches() {
        check(
            r#"{"Type":"Parallel","End":true}"#,
            &[" These fields are required: [Branches]"],
        );
        check(
            r#"{"Type":"Parallel","Branches":[],"End":true}"#,
            &["/Branches Value cannot be empty"],
        );
        check(
            r#"{"Type":"Parallel","Branches":{},"End":true}"#,
            &["/Branches Expected value of type Array"],
        );
        check(
            r#"{"Type":"Parallel","Branches":[{"TimeoutSeconds":1}],"End":true}"#,
            &[
                "/Branches/0 These fields are required: [States, StartAt]",
                "/Branches/0/TimeoutSeconds Field 'TimeoutSeconds' is not supported",
            ],
        );
    }

    #[test]
    fn a_choice_has_rules() {
        check(
            r#"{"Type":"Choice","Default":"B"}"#,
            &[" These fields are required: [Choices]"],
        );
        check(
            r#"{"Type":"Choice","Choices":[],"Default":"B"}"#,
            &["/Choices Value cannot be empty"],
        );
        check(
            r#"{"Type":"Choice","Choices":[{"Variable":"$.a","IsNull":true}],"Default":"B"}"#,
            &["/Choices/0 These fields are required: [Next]"],
        );
    }

    #[test]
    fn a_static_result_with_paths_is_warned_about() {
        check(
            r#"{"Type":"Pass","Result":{"a":[{"b.$":"$.c"}]},"End":true}"#,
            &["/Result/a/0/b.$ warning: 'b.$' of Result is not evaluated"],
        );
    }

    #[test]
    fn a_fail_has_each_text_once() {
        check(
            r#"{"Type":"Fail","Error":"E","ErrorPath":"$.e","Cause":1}"#,
            &[
                "/ErrorPath Only one of these fields is allowed: [Error, ErrorPath]",
                "/Cause Expected value of type String",
            ],
        );
    }
}
