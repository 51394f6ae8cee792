//! What a rule of a Choice asks. Source: States Language, "Choice State".

use jiff::Timestamp;

use super::document::Node;
use super::fault::Faults;
use super::fields::{Fields, boolean, path, string, wrong_type};
use super::handover::parse_handover;
use super::timestamp::timestamp;
use super::vocabulary::{NESTED_RULE, OPERATORS, RULE};
use super::{QueryLanguage, Rule, StateName};
use crate::query::{Jsonata, Path};

/// A boolean expression over the state's input.
#[derive(Debug)]
pub enum Condition {
    /// `And`: all hold; never empty.
    And(Vec<Condition>),
    /// `Or`: one holds; never empty.
    Or(Vec<Condition>),
    /// `Not`.
    Not(Box<Condition>),
    /// One comparison or type test of `Variable`.
    Test(Test),
    /// `Condition` of JSONata.
    Jsonata(Jsonata),
    /// `Condition` as it is written: true or false.
    Literal(bool),
}

/// One question about the value at `variable`.
#[derive(Debug)]
pub struct Test {
    /// `Variable`.
    pub variable: Path,
    /// The question.
    pub comparison: Comparison,
}

/// The question of a [`Test`].
#[derive(Debug)]
pub enum Comparison {
    /// `StringEquals` and its kin, `StringMatches` aside; a value of another type makes it false, never an error.
    Compare(Operator, Operand),
    /// `StringMatches`: `*` stands for any characters, `\*` for itself, `\\` for a backslash.
    StringMatches(String),
    /// `IsNull` and its kin, and whether the test must hold (`true`) or fail (`false`).
    Is(TypeTest, bool),
}

/// How two values are compared. Equality is all that booleans have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `…Equals`
    Equals,
    /// `…LessThan`
    LessThan,
    /// `…GreaterThan`
    GreaterThan,
    /// `…LessThanEquals`
    LessThanEquals,
    /// `…GreaterThanEquals`
    GreaterThanEquals,
}

/// What a value is compared with, and so the type that both must have.
#[derive(Debug)]
pub enum Operand {
    /// `String…`
    String(String),
    /// `Numeric…`
    Numeric(serde_json::Number),
    /// `BooleanEquals`
    Boolean(bool),
    /// `Timestamp…`
    Timestamp(Timestamp),
    /// `String…Path`
    StringPath(Path),
    /// `Numeric…Path`
    NumericPath(Path),
    /// `BooleanEqualsPath`
    BooleanPath(Path),
    /// `Timestamp…Path`
    TimestampPath(Path),
}

/// A test of a value's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeTest {
    /// `IsNull`
    Null,
    /// `IsPresent`: the path finds something, null included.
    Present,
    /// `IsNumeric`
    Numeric,
    /// `IsString`
    String,
    /// `IsBoolean`
    Boolean,
    /// `IsTimestamp`: a string in the language's profile of RFC 3339.
    Timestamp,
}

/// Reads one rule of `Choices`.
pub(super) fn parse_rule(node: Node<'_>, faults: &mut Faults) -> Option<Rule> {
    let fields = Fields::open(node, &RULE, faults)?;
    fields.require(&["Next"], faults);
    let next = fields.string("Next", faults).map(StateName::new);
    let condition = parse_condition(fields, faults);
    Some(Rule {
        condition: condition?,
        next: next?,
        handover: parse_handover(node, faults),
    })
}

fn parse_nested(node: Node<'_>, faults: &mut Faults) -> Option<Condition> {
    let fields = Fields::open(node, &NESTED_RULE, faults)?;
    parse_condition(fields, faults)
}

fn parse_condition(fields: Fields<'_>, faults: &mut Faults) -> Option<Condition> {
    if fields.node().language() == QueryLanguage::Jsonata {
        return parse_expression(fields, faults);
    }
    let mut operators = fields
        .node()
        .members()
        .filter(|(name, _)| OPERATORS.contains(name));
    let Some((name, operand)) = operators.next() else {
        faults.schema(
            fields.node().spot(),
            "Exactly one comparison operator is required",
            "add one such as StringEquals, or And, Or, Not",
        );
        return None;
    };
    for (other, second) in operators {
        faults.schema(
            second.key_spot(),
            "Only one comparison operator is allowed",
            format!("keep '{name}' or '{other}', or put both into 'And'"),
        );
    }
    if matches!(name, "And" | "Or" | "Not") {
        if let Some(variable) = fields.get("Variable") {
            let problem = format!("Field 'Variable' is not supported beside '{name}'");
            faults.schema(
                variable.key_spot(),
                problem,
                format!("put it into the rules inside '{name}'"),
            );
        }
    } else {
        fields.require(&["Variable"], faults);
    }
    match name {
        "And" => parse_all(fields, name, faults).map(Condition::And),
        "Or" => parse_all(fields, name, faults).map(Condition::Or),
        "Not" => parse_nested(operand, faults).map(|inner| Condition::Not(Box::new(inner))),
        _ => {
            let variable = fields.path("Variable", faults);
            let comparison = parse_comparison(name, operand, faults);
            Some(Condition::Test(Test {
                variable: variable?,
                comparison: comparison?,
            }))
        }
    }
}

/// Reads `Condition` of JSONata: an expression, or what it would yield.
fn parse_expression(fields: Fields<'_>, faults: &mut Faults) -> Option<Condition> {
    fields.require(&["Condition"], faults);
    let node = fields.get("Condition")?;
    match fields.jsonata(node, faults) {
        Some(expression) => expression.map(Condition::Jsonata),
        None => boolean(node, faults).map(Condition::Literal),
    }
}

/// Reads the rules inside `And` or `Or`; `None` when one of them is faulty.
fn parse_all(fields: Fields<'_>, name: &str, faults: &mut Faults) -> Option<Vec<Condition>> {
    let rules = fields.filled_array(name, faults);
    let count = rules.len();
    let conditions: Vec<_> = rules
        .into_iter()
        .filter_map(|rule| parse_nested(rule, faults))
        .collect();
    (conditions.len() == count && count > 0).then_some(conditions)
}

fn parse_comparison(name: &str, operand: Node<'_>, faults: &mut Faults) -> Option<Comparison> {
    let test = match name {
        "StringMatches" => {
            return string(operand, faults)
                .map(|pattern| Comparison::StringMatches(pattern.to_owned()));
        }
        "IsNull" => TypeTest::Null,
        "IsPresent" => TypeTest::Present,
        "IsNumeric" => TypeTest::Numeric,
        "IsString" => TypeTest::String,
        "IsBoolean" => TypeTest::Boolean,
        "IsTimestamp" => TypeTest::Timestamp,
        _ => return parse_compare(name, operand, faults),
    };
    boolean(operand, faults).map(|expected| Comparison::Is(test, expected))
}

/// Reads an operator that is made of a type, a relation and perhaps `Path`: `NumericLessThanEqualsPath`.
fn parse_compare(name: &str, operand: Node<'_>, faults: &mut Faults) -> Option<Comparison> {
    let (name, by_path) = match name.strip_suffix("Path") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let types = ["String", "Numeric", "Boolean", "Timestamp"];
    let (kind, relation) = types
        .iter()
        .find_map(|kind| Some((*kind, name.strip_prefix(kind)?)))?;
    let operator = match relation {
        "Equals" => Operator::Equals,
        "LessThan" => Operator::LessThan,
        "GreaterThan" => Operator::GreaterThan,
        "LessThanEquals" => Operator::LessThanEquals,
        "GreaterThanEquals" => Operator::GreaterThanEquals,
        _ => return None,
    };
    let operand = match (kind, by_path) {
        ("String", false) => Operand::String(string(operand, faults)?.to_owned()),
        ("String", true) => Operand::StringPath(path(operand, faults)?),
        ("Numeric", false) => Operand::Numeric(number(operand, faults)?),
        ("Numeric", true) => Operand::NumericPath(path(operand, faults)?),
        ("Boolean", false) => Operand::Boolean(boolean(operand, faults)?),
        ("Boolean", true) => Operand::BooleanPath(path(operand, faults)?),
        (_, false) => Operand::Timestamp(timestamp(operand, faults)?),
        (_, true) => Operand::TimestampPath(path(operand, faults)?),
    };
    Some(Comparison::Compare(operator, operand))
}

fn number(node: Node<'_>, faults: &mut Faults) -> Option<serde_json::Number> {
    let number = node.as_number().cloned();
    if number.is_none() {
        wrong_type(node, "Number", "write a number, without quotes", faults);
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::fault::tests::state_faults;

    fn check(rule: &str, expected: &[&str]) {
        let state = format!(r#"{{"Type":"Choice","Choices":[{rule}],"Default":"B"}}"#);
        let found: Vec<_> = state_faults(&state)
            .into_iter()
            .map(|fault| fault.replacen("/Choices/0", "", 1))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn every_operator_is_read() {
        for operator in OPERATORS {
            let operand = match *operator {
                "And" | "Or" => r#"[{"Variable":"$.a","IsNull":true}]"#,
                "Not" => r#"{"Variable":"$.a","IsNull":true}"#,
                name if name.ends_with("Path") => r#""$.b""#,
                name if name.starts_with("Is") || name.starts_with("Boolean") => "true",
                name if name.starts_with("Numeric") => "1.5",
                name if name.starts_with("Timestamp") => r#""2026-03-14T01:59:00Z""#,
                _ => r#""x""#,
            };
            let variable = if matches!(*operator, "And" | "Or" | "Not") {
                ""
            } else {
                r#""Variable":"$.a","#
            };
            check(
                &format!(r#"{{{variable}"{operator}":{operand},"Next":"B"}}"#),
                &[],
            );
        }
    }

    #[test]
    fn an_operand_has_its_operators_type() {
        check(
            r#"{"Variable":"$.a","StringEquals":1,"Next":"B"}"#,
            &["/StringEquals Expected value of type String"],
        );
        check(
            r#"{"Variable":"$.a","NumericEquals":"1","Next":"B"}"#,
            &["/NumericEquals Expected value of type Number"],
        );
        check(
            r#"{"Variable":"$.a","IsNull":"true","Next":"B"}"#,
            &["/IsNull Expected value of type Boolean"],
        );
        check(
            r#"{"Variable":"$.a","TimestampEquals":"2026","Next":"B"}"#,
            &["/TimestampEquals String does not match RFC3339 timestamp"],
        );
        check(
            r#"{"Variable":"a","StringEqualsPath":"b","Next":"B"}"#,
            &[
                "/Variable Value is not a valid JSONPath",
                "/StringEqualsPath Value is not a valid JSONPath",
            ],
        );
    }

    #[test]
    fn a_rule_has_exactly_one_operator() {
        check(
            r#"{"Variable":"$.a","IsNull":true,"IsPresent":true,"Next":"B"}"#,
            &["/IsPresent Only one comparison operator is allowed"],
        );
        check(
            r#"{"Variable":"$.a","Next":"B"}"#,
            &[" Exactly one comparison operator is required"],
        );
        check(
            r#"{"IsNull":true,"Next":"B"}"#,
            &[" These fields are required: [Variable]"],
        );
    }

    #[test]
    fn a_misspelt_operator_gets_a_suggestion_and_no_silence() {
        check(
            r#"{"Variable":"$.a","StringEqual":"x","Next":"B"}"#,
            &[
                " Exactly one comparison operator is required",
                "/StringEqual Field 'StringEqual' is not supported",
            ],
        );
    }

    #[test]
    fn only_the_outermost_rule_leads_on() {
        check(
            r#"{"Not":{"Variable":"$.a","IsNull":true,"Next":"B"},"Next":"B"}"#,
            &["/Not/Next Field 'Next' is not supported"],
        );
    }

    #[test]
    fn a_combination_holds_rules_and_no_variable() {
        check(r#"{"And":[],"Next":"B"}"#, &["/And Value cannot be empty"]);
        check(
            r#"{"Or":{},"Next":"B"}"#,
            &["/Or Expected value of type Array"],
        );
        check(
            r#"{"Not":[],"Next":"B"}"#,
            &["/Not Expected value of type Object"],
        );
        check(
            r#"{"Variable":"$.a","Not":{"Variable":"$.a","IsNull":true},"Next":"B"}"#,
            &["/Variable Field 'Variable' is not supported beside 'Not'"],
        );
    }

    #[test]
    fn a_condition_is_jsonata_or_its_value() {
        let check = |rule: &str, expected: &[&str]| {
            let state = format!(
                r#"{{"Type":"Choice","QueryLanguage":"JSONata","Choices":[{rule}],"Default":"B"}}"#
            );
            assert_eq!(state_faults(&state), expected);
        };
        check(
            r#"{"Condition":"{% $states.input.a > 1 %}","Next":"B"}"#,
            &[],
        );
        check(r#"{"Condition":true,"Next":"B"}"#, &[]);
        check(
            r#"{"Condition":"yes","Next":"B"}"#,
            &["/Choices/0/Condition Expected value of type Boolean"],
        );
        check(
            r#"{"Variable":"$.a","IsNull":true,"Next":"B"}"#,
            &[
                "/Choices/0 These fields are required: [Condition]",
                "/Choices/0/Variable Field 'Variable' is not supported",
                "/Choices/0/IsNull Field 'IsNull' is not supported",
            ],
        );
    }
}
