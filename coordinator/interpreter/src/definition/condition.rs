//! What a rule of a Choice asks. Source: States Language, "Choice State".

use jiff::Timestamp;

use super::document::Node;
use super::fault::Faults;
use super::fields::{Fields, Shape, boolean, path, string, wrong_type};
use super::states::timestamp;
use super::{Rule, StateName};
use crate::query::Path;

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
    })
}

fn parse_nested(node: Node<'_>, faults: &mut Faults) -> Option<Condition> {
    let fields = Fields::open(node, &NESTED_RULE, faults)?;
    parse_condition(fields, faults)
}

fn parse_condition(fields: Fields<'_>, faults: &mut Faults) -> Option<Condition> {
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

/// One rule of `Choices`.
const RULE: Shape = Shape {
    kind: "a rule of Choices",
    fields: &[
        "Comment",
        "Next",
        "Variable",
        "StringEquals",
        "StringEqualsPath",
        "StringLessThan",
        "StringLessThanPath",
        "StringGreaterThan",
        "StringGreaterThanPath",
        "StringLessThanEquals",
        "StringLessThanEqualsPath",
        "StringGreaterThanEquals",
        "StringGreaterThanEqualsPath",
        "NumericEquals",
        "NumericEqualsPath",
        "NumericLessThan",
        "NumericLessThanPath",
        "NumericGreaterThan",
        "NumericGreaterThanPath",
        "NumericLessThanEquals",
        "NumericLessThanEqualsPath",
        "NumericGreaterThanEquals",
        "NumericGreaterThanEqualsPath",
        "TimestampEquals",
        "TimestampEqualsPath",
        "TimestampLessThan",
        "TimestampLessThanPath",
        "TimestampGreaterThan",
        "TimestampGreaterThanPath",
        "TimestampLessThanEquals",
        "TimestampLessThanEqualsPath",
        "TimestampGreaterThanEquals",
        "TimestampGreaterThanEqualsPath",
        "StringMatches",
        "BooleanEquals",
        "BooleanEqualsPath",
        "IsNull",
        "IsPresent",
        "IsNumeric",
        "IsString",
        "IsBoolean",
        "IsTimestamp",
        "And",
        "Or",
        "Not",
    ],
    later: &["Assign", "Condition", "Output"],
};

/// One rule inside another: it can't lead anywhere.
const NESTED_RULE: Shape = Shape {
    kind: "a rule inside And, Or or Not",
    fields: &[
        "Comment",
        "Variable",
        "StringEquals",
        "StringEqualsPath",
        "StringLessThan",
        "StringLessThanPath",
        "StringGreaterThan",
        "StringGreaterThanPath",
        "StringLessThanEquals",
        "StringLessThanEqualsPath",
        "StringGreaterThanEquals",
        "StringGreaterThanEqualsPath",
        "NumericEquals",
        "NumericEqualsPath",
        "NumericLessThan",
        "NumericLessThanPath",
        "NumericGreaterThan",
        "NumericGreaterThanPath",
        "NumericLessThanEquals",
        "NumericLessThanEqualsPath",
        "NumericGreaterThanEquals",
        "NumericGreaterThanEqualsPath",
        "TimestampEquals",
        "TimestampEqualsPath",
        "TimestampLessThan",
        "TimestampLessThanPath",
        "TimestampGreaterThan",
        "TimestampGreaterThanPath",
        "TimestampLessThanEquals",
        "TimestampLessThanEqualsPath",
        "TimestampGreaterThanEquals",
        "TimestampGreaterThanEqualsPath",
        "StringMatches",
        "BooleanEquals",
        "BooleanEqualsPath",
        "IsNull",
        "IsPresent",
        "IsNumeric",
        "IsString",
        "IsBoolean",
        "IsTimestamp",
        "And",
        "Or",
        "Not",
    ],
    later: &["Condition"],
};

/// The operators, as fields of a rule.
const OPERATORS: &[&str] = &[
    "StringEquals",
    "StringEqualsPath",
    "StringLessThan",
    "StringLessThanPath",
    "StringGreaterThan",
    "StringGreaterThanPath",
    "StringLessThanEquals",
    "StringLessThanEqualsPath",
    "StringGreaterThanEquals",
    "StringGreaterThanEqualsPath",
    "NumericEquals",
    "NumericEqualsPath",
    "NumericLessThan",
    "NumericLessThanPath",
    "NumericGreaterThan",
    "NumericGreaterThanPath",
    "NumericLessThanEquals",
    "NumericLessThanEqualsPath",
    "NumericGreaterThanEquals",
    "NumericGreaterThanEqualsPath",
    "TimestampEquals",
    "TimestampEqualsPath",
    "TimestampLessThan",
    "TimestampLessThanPath",
    "TimestampGreaterThan",
    "TimestampGreaterThanPath",
    "TimestampLessThanEquals",
    "TimestampLessThanEqualsPath",
    "TimestampGreaterThanEquals",
    "TimestampGreaterThanEqualsPath",
    "StringMatches",
    "BooleanEquals",
    "BooleanEqualsPath",
    "IsNull",
    "IsPresent",
    "IsNumeric",
    "IsString",
    "IsBoolean",
    "IsTimestamp",
    "And",
    "Or",
    "Not",
];
