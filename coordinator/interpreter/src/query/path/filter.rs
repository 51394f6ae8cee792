//! Reads filters: `[?(@.price < 10 && @.tag in ['a','b'])]`.

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::compiled::definite;
use super::parse::{Place, parse_quoted, parse_steps};
use super::step::Step;
use crate::limits::{FILTER_DEPTH_MAX, PATTERN_COMPILED_BYTES_MAX};
use crate::query::cursor::Cursor;

/// What a filter demands of a node.
#[derive(Debug, Clone)]
pub(super) enum Test {
    /// `a && b`
    All(Vec<Test>),
    /// `a || b`
    Any(Vec<Test>),
    /// `!a`
    Not(Box<Test>),
    /// `@.a`: is there, whatever its value.
    Exists(Reference),
    /// `@.a == 1`
    Compare {
        left: Operand,
        operator: Operator,
        right: Operand,
    },
    /// `@.a =~ /x.*/`, from either side.
    Matches(Operand, Regex),
}

/// One side of a comparison.
#[derive(Debug, Clone)]
pub(super) enum Operand {
    Literal(Value),
    Reference(Reference),
}

/// A path in a filter.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    /// From the node under test (`@`), not from the document's root (`$`).
    pub(super) from_node: bool,
    pub(super) steps: Vec<Step>,
    pub(super) definite: bool,
}

/// How a comparison compares. Words are recognised in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    /// `===`: no conversion between number and text.
    Same,
    /// `!==`
    NotSame,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
    SubsetOf,
    AnyOf,
    NoneOf,
    /// `all`: left holds every item of right.
    AllOf,
    Contains,
    Size,
    Empty,
}

/// The symbols, longest first, then the words.
const OPERATORS: [(&str, Operator); 17] = [
    ("===", Operator::Same),
    ("!==", Operator::NotSame),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("in", Operator::In),
    ("nin", Operator::NotIn),
    ("subsetof", Operator::SubsetOf),
    ("anyof", Operator::AnyOf),
    ("noneof", Operator::NoneOf),
    ("all", Operator::AllOf),
    ("contains", Operator::Contains),
    ("size", Operator::Size),
    ("empty", Operator::Empty),
];

/// Reads `(…)` after the question mark; `depth` counts the filters around.
pub(super) fn parse_filter(cursor: &mut Cursor<'_>, depth: usize) -> Result<Test, String> {
    cursor.expect("(", "after '[?'")?;
    let test = parse_any(cursor, depth + 1)?;
    cursor.expect(")", "to close the filter")?;
    Ok(test)
}

fn parse_any(cursor: &mut Cursor<'_>, depth: usize) -> Result<Test, String> {
    if depth > FILTER_DEPTH_MAX {
        return Err(cursor.fault(&format!(
            "filters and parentheses nest {FILTER_DEPTH_MAX} deep at most"
        )));
    }
    let mut tests = vec![parse_all(cursor, depth)?];
    loop {
        cursor.skip_blanks();
        if !cursor.eat("||") {
            break;
        }
        tests.push(parse_all(cursor, depth)?);
    }
    Ok(if tests.len() == 1 {
        tests.swap_remove(0)
    } else {
        Test::Any(tests)
    })
}

fn parse_all(cursor: &mut Cursor<'_>, depth: usize) -> Result<Test, String> {
    let mut tests = vec![parse_one(cursor, depth)?];
    loop {
        cursor.skip_blanks();
        if !cursor.eat("&&") {
            break;
        }
        tests.push(parse_one(cursor, depth)?);
    }
    Ok(if tests.len() == 1 {
        tests.swap_remove(0)
    } else {
        Test::All(tests)
    })
}

fn parse_one(cursor: &mut Cursor<'_>, depth: usize) -> Result<Test, String> {
    cursor.skip_blanks();
    let mut negated = false;
    while cursor.eat("!") {
        negated = !negated;
        cursor.skip_blanks();
    }
    let test = if cursor.eat("(") {
        let test = parse_any(cursor, depth + 1)?;
        cursor.expect(")", "to close the parenthesis")?;
        test
    } else {
        parse_comparison(cursor, depth)?
    };
    Ok(if negated {
        Test::Not(Box::new(test))
    } else {
        test
    })
}

fn parse_comparison(cursor: &mut Cursor<'_>, depth: usize) -> Result<Test, String> {
    cursor.skip_blanks();
    if cursor.peek() == Some('/') {
        let pattern = parse_pattern(cursor)?;
        cursor.expect("=~", "after a pattern")?;
        return Ok(Test::Matches(parse_operand(cursor, depth)?, pattern));
    }
    let start = cursor.clone();
    let left = parse_operand(cursor, depth)?;
    cursor.skip_blanks();
    if cursor.eat("=~") {
        cursor.skip_blanks();
        return Ok(Test::Matches(left, parse_pattern(cursor)?));
    }
    if cursor.at_end()
        || cursor.peek() == Some(')')
        || ["&&", "||"]
            .iter()
            .any(|next| cursor.rest().starts_with(next))
    {
        return match left {
            Operand::Reference(reference) => Ok(Test::Exists(reference)),
            Operand::Literal(_) => {
                Err(start.fault("a value alone tests nothing: compare it, as in @.a == 1"))
            }
        };
    }
    let operator = parse_operator(cursor)?;
    let right = parse_operand(cursor, depth)?;
    Ok(Test::Compare {
        left,
        operator,
        right,
    })
}

fn parse_operator(cursor: &mut Cursor<'_>) -> Result<Operator, String> {
    let start = cursor.clone();
    let symbol = cursor.take_while(|c| matches!(c, '=' | '!' | '<' | '>' | '~'));
    let written = if symbol.is_empty() {
        cursor.take_while(|c| c.is_ascii_alphabetic())
    } else {
        symbol
    };
    let known = OPERATORS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(written));
    known.map(|(_, operator)| *operator).ok_or_else(|| {
        let names: Vec<&str> = OPERATORS.iter().map(|(name, _)| *name).collect();
        start.fault(&format!(
            "expected an operator (=~ {}), found {}",
            names.join(" "),
            start.found()
        ))
    })
}

fn parse_operand(cursor: &mut Cursor<'_>, depth: usize) -> Result<Operand, String> {
    cursor.skip_blanks();
    match cursor.peek() {
        Some('@' | '$') => {
            let from_node = !cursor.eat("$");
            if from_node {
                cursor.eat("@");
            }
            let steps = parse_steps(cursor, Place::Filter, depth)?;
            let definite = definite(&steps);
            Ok(Operand::Reference(Reference {
                from_node,
                steps,
                definite,
            }))
        }
        Some('\'' | '"') => parse_quoted(cursor).map(|text| Operand::Literal(Value::String(text))),
        Some('[' | '{') => parse_json(cursor).map(Operand::Literal),
        Some(c) if c.is_alphanumeric() || matches!(c, '-' | '_') => {
            Ok(Operand::Literal(parse_word(cursor)))
        }
        _ => Err(cursor.fault(&format!(
            "expected a path (@.name), a quoted text, a number, true, false or null, found {}",
            cursor.found()
        ))),
    }
}

/// A number, a boolean, null; another word is taken as a text, as if it were quoted.
fn parse_word(cursor: &mut Cursor<'_>) -> Value {
    let word = cursor.take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '+' | '.' | '_'));
    match serde_json::from_str(word) {
        Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => value,
        _ => Value::String(word.to_owned()),
    }
}

/// An array or object, in JSON or with single quotes around its texts.
pub(super) fn parse_json(cursor: &mut Cursor<'_>) -> Result<Value, String> {
    let mut values = serde_json::Deserializer::from_str(cursor.rest()).into_iter::<Value>();
    if let Some(Ok(value)) = values.next() {
        cursor.skip(values.byte_offset());
        return Ok(value);
    }
    if cursor.peek() != Some('[') {
        return Err(cursor.fault("expected a JSON value"));
    }
    cursor.eat("[");
    let mut items = Vec::new();
    loop {
        cursor.skip_blanks();
        if items.is_empty() && cursor.eat("]") {
            return Ok(Value::Array(items));
        }
        items.push(match cursor.peek() {
            Some('\'' | '"') => Value::String(parse_quoted(cursor)?),
            Some(c) if c.is_alphanumeric() || c == '-' => parse_word(cursor),
            _ => {
                return Err(cursor.fault(&format!(
                    "expected a text, a number, true, false or null, found {}",
                    cursor.found()
                )));
            }
        });
        cursor.skip_blanks();
        if !cursor.eat(",") {
            cursor.expect("]", "to close the list")?;
            return Ok(Value::Array(items));
        }
    }
}

/// `/…/i`: it must fit the whole text, as in Java.
fn parse_pattern(cursor: &mut Cursor<'_>) -> Result<Regex, String> {
    let start = cursor.clone();
    if !cursor.eat("/") {
        return Err(start.fault(&format!(
            "expected a pattern (/…/) beside '=~', found {}",
            start.found()
        )));
    }
    let mut pattern = String::new();
    loop {
        match cursor.next() {
            Some('/') => break,
            Some('\\') if cursor.eat("/") => pattern.push('/'),
            Some('\\') => {
                pattern.push('\\');
                pattern.extend(cursor.next());
            }
            Some(c) => pattern.push(c),
            None => return Err(start.fault("the pattern is not closed with '/'")),
        }
    }
    let flags = cursor.take_while(|c| matches!(c, 'i' | 'm' | 's' | 'x' | 'u'));
    RegexBuilder::new(&format!(r"\A(?:{pattern})\z"))
        .case_insensitive(flags.contains('i'))
        .multi_line(flags.contains('m'))
        .dot_matches_new_line(flags.contains('s'))
        .ignore_whitespace(flags.contains('x'))
        .size_limit(PATTERN_COMPILED_BYTES_MAX)
        .build()
        .map_err(|error| start.fault(&format!("the pattern is not usable: {}", one_line(&error))))
}

/// The last line of a regex error, which says what is wrong; those before draw the pattern.
fn one_line(error: &regex::Error) -> String {
    error
        .to_string()
        .lines()
        .next_back()
        .unwrap_or_default()
        .trim()
        .to_owned()
}
