//! What a rule of a Choice asks, as people write it.

use sagamore_interpreter::definition::{Comparison, Condition, Operand, Operator, Test, TypeTest};

/// `$.amount > 10 and $.risk = "high"`
pub(super) fn condition(condition: &Condition) -> String {
    match condition {
        Condition::And(all) => joined(all, " and "),
        Condition::Or(any) => joined(any, " or "),
        Condition::Not(inner) => format!("not {}", part(inner)),
        Condition::Test(test) => self::test(test),
        Condition::Jsonata(expression) => expression.text().to_owned(),
        Condition::Literal(holds) => holds.to_string(),
    }
}

fn joined(parts: &[Condition], word: &str) -> String {
    let parts: Vec<String> = parts.iter().map(part).collect();
    parts.join(word)
}

fn part(condition: &Condition) -> String {
    match condition {
        Condition::And(_) | Condition::Or(_) => format!("({})", self::condition(condition)),
        Condition::Not(_) | Condition::Test(_) | Condition::Jsonata(_) | Condition::Literal(_) => {
            self::condition(condition)
        }
    }
}

fn test(test: &Test) -> String {
    let variable = test.variable.text();
    match &test.comparison {
        Comparison::Compare(operator, operand) => {
            let operator = match operator {
                Operator::Equals => "=",
                Operator::LessThan => "<",
                Operator::GreaterThan => ">",
                Operator::LessThanEquals => "≤",
                Operator::GreaterThanEquals => "≥",
            };
            format!("{variable} {operator} {}", self::operand(operand))
        }
        Comparison::StringMatches(pattern) => format!("{variable} matches {pattern:?}"),
        Comparison::Is(kind, holds) => {
            let not = if *holds { "" } else { "not " };
            let kind = match kind {
                TypeTest::Null => "null",
                TypeTest::Present => "there",
                TypeTest::Numeric => "a number",
                TypeTest::String => "a string",
                TypeTest::Boolean => "a boolean",
                TypeTest::Timestamp => "a timestamp",
            };
            format!("{variable} is {not}{kind}")
        }
    }
}

fn operand(operand: &Operand) -> String {
    match operand {
        Operand::String(text) => format!("{text:?}"),
        Operand::Numeric(number) => number.to_string(),
        Operand::Boolean(truth) => truth.to_string(),
        Operand::Timestamp(at) => at.to_string(),
        Operand::StringPath(path)
        | Operand::NumericPath(path)
        | Operand::BooleanPath(path)
        | Operand::TimestampPath(path) => path.text().to_owned(),
    }
}
