//! Whether the condition of a Choice rule holds.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::{Number, Value};

use crate::definition::{Comparison, Condition, Operand, Operator, TypeTest};
use crate::query::{Data, Error, Path};

/// Whether it holds. A value of another type than asked for makes a comparison false; a missing one is an error.
pub(super) fn holds(condition: &Condition, data: &Data<'_>) -> Result<bool, Error> {
    match condition {
        Condition::And(all) => {
            for condition in all {
                if !holds(condition, data)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Condition::Or(any) => {
            for condition in any {
                if holds(condition, data)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Condition::Literal(holds) => Ok(*holds),
        Condition::Jsonata(expression) => {
            let value = expression.get(data)?;
            let holds = value.as_bool();
            holds.ok_or_else(|| expression.unexpected("boolean", &value))
        }
        Condition::Not(condition) => Ok(!holds(condition, data)?),
        Condition::Test(test) => match &test.comparison {
            Comparison::Is(TypeTest::Present, expected) => {
                Ok(test.variable.find(data).is_some() == *expected)
            }
            Comparison::Is(type_test, expected) => {
                Ok(is(*type_test, &*test.variable.get(data)?) == *expected)
            }
            Comparison::StringMatches(pattern) => Ok(test
                .variable
                .get(data)?
                .as_str()
                .is_some_and(|text| string_matches(pattern, text))),
            Comparison::Compare(operator, operand) => {
                compare(*operator, &*test.variable.get(data)?, operand, data)
            }
        },
    }
}

fn is(type_test: TypeTest, value: &Value) -> bool {
    match type_test {
        TypeTest::Null => value.is_null(),
        TypeTest::Present => true,
        TypeTest::Numeric => value.is_number(),
        TypeTest::String => value.is_string(),
        TypeTest::Boolean => value.is_boolean(),
        TypeTest::Timestamp => value.as_str().and_then(timestamp).is_some(),
    }
}

fn compare(
    operator: Operator,
    value: &Value,
    operand: &Operand,
    data: &Data<'_>,
) -> Result<bool, Error> {
    let found = |path: &Path| path.get(data).map(Cow::into_owned);
    let ordering = match operand {
        Operand::String(text) => value.as_str().map(|value| value.cmp(text)),
        Operand::StringPath(path) => {
            let other = found(path)?;
            value
                .as_str()
                .zip(other.as_str())
                .map(|(value, other)| value.cmp(other))
        }
        Operand::Numeric(number) => value
            .as_number()
            .and_then(|value| compare_numbers(value, number)),
        Operand::NumericPath(path) => {
            let other = found(path)?;
            value
                .as_number()
                .zip(other.as_number())
                .and_then(|(value, other)| compare_numbers(value, other))
        }
        Operand::Boolean(boolean) => value.as_bool().map(|value| value.cmp(boolean)),
        Operand::BooleanPath(path) => {
            let other = found(path)?;
            value
                .as_bool()
                .zip(other.as_bool())
                .map(|(value, other)| value.cmp(&other))
        }
        Operand::Timestamp(other) => value
            .as_str()
            .and_then(timestamp)
            .map(|value| value.cmp(other)),
        Operand::TimestampPath(path) => {
            let other = found(path)?;
            let other = other.as_str().and_then(timestamp);
            value
                .as_str()
                .and_then(timestamp)
                .zip(other)
                .map(|(value, other)| value.cmp(&other))
        }
    };
    Ok(ordering.is_some_and(|ordering| match operator {
        Operator::Equals => ordering.is_eq(),
        Operator::LessThan => ordering.is_lt(),
        Operator::GreaterThan => ordering.is_gt(),
        Operator::LessThanEquals => ordering.is_le(),
        Operator::GreaterThanEquals => ordering.is_ge(),
    }))
}

/// Integers are compared as such, so that those past 2^53 are told apart.
fn compare_numbers(one: &Number, other: &Number) -> Option<std::cmp::Ordering> {
    let integer = |number: &Number| {
        number
            .as_i64()
            .map(i128::from)
            .or_else(|| number.as_u64().map(i128::from))
    };
    match (integer(one), integer(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

/// A timestamp in the language's profile of RFC 3339: an uppercase `T`, and an offset or an uppercase `Z`.
pub(super) fn timestamp(text: &str) -> Option<Timestamp> {
    if !text.is_ascii() || text.as_bytes().get(10) != Some(&b'T') || text.contains(['z', '[', ' '])
    {
        return None;
    }
    text.parse().ok()
}

/// Whether the text matches: `*` is any characters, `\*` itself, `\\` a backslash. Linear in text times pattern.
fn string_matches(pattern: &str, text: &str) -> bool {
    let mut glob = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        glob.push(match character {
            '*' => None,
            '\\' => Some(characters.next().unwrap_or('\\')),
            other => Some(other),
        });
    }
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut in_text) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while in_text < text.len() {
        match glob.get(at) {
            Some(None) => {
                star = Some((at, in_text));
                at += 1;
            }
            Some(Some(expected)) if *expected == text[in_text] => {
                (at, in_text) = (at + 1, in_text + 1);
            }
            Some(Some(_)) | None => match star {
                // The last star takes one character more.
                Some((star_at, taken)) => {
                    star = Some((star_at, taken + 1));
                    (at, in_text) = (star_at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    glob[at..].iter().all(Option::is_none)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(
            string_matches(pattern, text),
            expected,
            "{pattern} on {text}"
        );
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        check("log-*.txt", "log-2024.txt", true);
        check("log-*.txt", "log-.txt", true);
        check("*a*b*", "xxaxxbxx", true);
        check("*a*b", "xxaxxbxx", false);
        check("", "", true);
        check("", "x", false);
        check("*", "", true);
    }

    #[test]
    fn an_escaped_star_stands_for_itself() {
        check(r"a\*b", "a*b", true);
        check(r"a\*b", "axb", false);
        check(r"a\\*", r"a\xyz", true);
    }

    #[test]
    fn timestamps_want_an_uppercase_t_and_an_offset() {
        assert!(timestamp("2016-03-14T01:59:00Z").is_some());
        assert!(timestamp("2016-03-14T01:59:00.123+02:00").is_some());
        assert!(timestamp("2016-03-14t01:59:00Z").is_none());
        assert!(timestamp("2016-03-14T01:59:00").is_none());
        assert!(timestamp("2016-03-14 01:59:00Z").is_none());
        assert!(timestamp("yesterday").is_none());
    }
}
