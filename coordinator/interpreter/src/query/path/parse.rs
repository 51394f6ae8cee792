//! Reads a path's text: root, names, brackets. Filters are read in `filter`.

use super::compiled::{Path, Root};
use super::filter::parse_filter;
use super::function::parse_call;
use super::step::Step;
use crate::limits::PATH_STEPS_MAX;
use crate::query::cursor::Cursor;

/// Where a path stands: it decides which characters end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::query) enum Place {
    /// A field of its own.
    Alone,
    /// An argument of an intrinsic or of a path's function: ends at a comma, a parenthesis, a blank.
    Argument,
    /// An operand in a filter: ends at an operator, too.
    Filter,
}

impl Place {
    fn ends_at(self, c: char) -> bool {
        match self {
            Place::Alone => false,
            Place::Argument => c.is_whitespace() || matches!(c, ',' | ')'),
            Place::Filter => {
                c.is_whitespace()
                    || matches!(c, ',' | ')' | '<' | '>' | '=' | '!' | '~' | '&' | '|')
            }
        }
    }
}

/// Whether a character may stand in the name of a variable. Source: States Language, "Variables".
fn is_in_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Reads a path from its `$` to where `place` ends it.
pub(in crate::query) fn parse_path(cursor: &mut Cursor<'_>, place: Place) -> Result<Path, String> {
    let mark = cursor.mark();
    if !cursor.eat("$") {
        return Err(cursor.fault(&format!(
            "a path starts with '$' for the input or '$$' for the context object, found {}",
            cursor.found()
        )));
    }
    let root = if cursor.eat("$") {
        Root::Context
    } else {
        match cursor.take_while(is_in_name) {
            "" => Root::Input,
            name => Root::Variable(name.to_owned()),
        }
    };
    let steps = parse_steps(cursor, place, 0)?;
    Ok(Path::new(cursor.since(mark), root, steps))
}

/// Reads the steps after a root (`$`, `$$`, `@`); `depth` counts the filters around.
pub(super) fn parse_steps(
    cursor: &mut Cursor<'_>,
    place: Place,
    depth: usize,
) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    while let Some(c) = cursor.peek() {
        if place.ends_at(c) {
            break;
        }
        if steps.len() >= PATH_STEPS_MAX {
            return Err(cursor.fault(&format!("a path has at most {PATH_STEPS_MAX} steps")));
        }
        match c {
            '.' => {
                if cursor.eat("..") {
                    steps.push(Step::Scan);
                } else {
                    cursor.eat(".");
                }
                steps.push(parse_after_dot(cursor, place, depth)?);
            }
            '[' => steps.push(parse_bracket(cursor, depth)?),
            _ => return Err(cursor.fault(&format!("expected '.' or '[', found '{c}'"))),
        }
        if let [.., Step::Scan, Step::Function(_)] = steps.as_slice() {
            return Err(cursor.fault("'..' is followed by a name, '*' or '[', not by a function"));
        }
    }
    Ok(steps)
}

/// A name, a function, `*`, or a bracket: `$.[0]` is as good as `$[0]`.
fn parse_after_dot(cursor: &mut Cursor<'_>, place: Place, depth: usize) -> Result<Step, String> {
    if cursor.peek() == Some('[') {
        return parse_bracket(cursor, depth);
    }
    let at_name = cursor.clone();
    let name = cursor
        .take_while(|c| !place.ends_at(c) && !c.is_whitespace() && !matches!(c, '.' | '[' | '('));
    if name.is_empty() {
        return Err(cursor.fault(&format!(
            "expected a name after '.', found {}",
            cursor.found()
        )));
    }
    if place == Place::Alone && cursor.peek().is_some_and(char::is_whitespace) {
        return Err(cursor.fault("a name with a blank is written in brackets: ['my name']"));
    }
    if cursor.peek() == Some('(') {
        return parse_call(cursor, name, &at_name, depth).map(Step::Function);
    }
    Ok(if name == "*" {
        Step::Wildcard
    } else {
        Step::Property(name.to_owned())
    })
}

fn parse_bracket(cursor: &mut Cursor<'_>, depth: usize) -> Result<Step, String> {
    cursor.eat("[");
    cursor.skip_blanks();
    let step = match cursor.peek() {
        Some('\'' | '"') => parse_names(cursor)?,
        Some('*') => {
            cursor.eat("*");
            Step::Wildcard
        }
        Some('?') => {
            cursor.eat("?");
            Step::Filter(parse_filter(cursor, depth)?)
        }
        Some('(') => parse_from_end(cursor)?,
        Some(c) if c.is_ascii_digit() || matches!(c, '-' | ':') => parse_indexes(cursor)?,
        _ => {
            return Err(cursor.fault(&format!(
                "expected an index, a slice, '*', a quoted name or '?(' inside brackets, found {}",
                cursor.found()
            )));
        }
    };
    cursor.expect("]", "to close the bracket")?;
    Ok(step)
}

fn parse_names(cursor: &mut Cursor<'_>) -> Result<Step, String> {
    let mut names = Vec::new();
    loop {
        cursor.skip_blanks();
        names.push(parse_quoted(cursor)?);
        cursor.skip_blanks();
        if !cursor.eat(",") {
            break;
        }
    }
    Ok(match names.len() {
        1 => Step::Property(names.swap_remove(0)),
        _ => Step::Properties(names),
    })
}

/// A text in single or double quotes, with backslash escapes as in Java.
pub(super) fn parse_quoted(cursor: &mut Cursor<'_>) -> Result<String, String> {
    let start = cursor.clone();
    let Some(quote @ ('\'' | '"')) = cursor.next() else {
        return Err(start.fault(&format!("expected a quoted text, found {}", start.found())));
    };
    let mut text = String::new();
    while let Some(c) = cursor.next() {
        if c == quote {
            return Ok(text);
        }
        if c != '\\' {
            text.push(c);
            continue;
        }
        match cursor.next() {
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('u') => text.push(parse_unicode(cursor)?),
            Some(escaped) => text.push(escaped),
            None => break,
        }
    }
    Err(start.fault(&format!("the quote {quote} is not closed")))
}

/// The four digits after `\u`. Halves of a surrogate pair become the replacement character.
fn parse_unicode(cursor: &mut Cursor<'_>) -> Result<char, String> {
    let digits: String = cursor.rest().chars().take(4).collect();
    match u32::from_str_radix(&digits, 16) {
        Ok(code) if digits.len() == 4 => {
            cursor.skip(4);
            Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
        }
        _ => Err(cursor.fault("expected four hexadecimal digits after '\\u'")),
    }
}

/// `[(@.length-1)]`, the older way to count from the end.
fn parse_from_end(cursor: &mut Cursor<'_>) -> Result<Step, String> {
    let start = cursor.clone();
    cursor.eat("(");
    let script = cursor.take_while(|c| c != ')');
    cursor.expect(")", "to close the parenthesis")?;
    let script: String = script.split_whitespace().collect();
    let from_end = script
        .strip_prefix("@.length-")
        .and_then(|digits| digits.parse::<u32>().ok());
    match from_end {
        Some(from_end) if from_end > 0 => Ok(Step::Index(-i64::from(from_end))),
        _ => Err(start.fault(
            "only (@.length-1) and its like stand here: write [-1], or [?(…)] for a filter",
        )),
    }
}

fn parse_indexes(cursor: &mut Cursor<'_>) -> Result<Step, String> {
    let start = cursor.clone();
    let text = cursor.take_while(|c| c.is_ascii_digit() || matches!(c, '-' | ':' | ',' | ' '));
    let number = |digits: &str| {
        digits.trim().parse::<i64>().map_err(|_| {
            start.fault(&format!(
                "'{}' is no index: write [0], [0,2], [1:3] or [-1]",
                digits.trim()
            ))
        })
    };
    let end = |digits: &str| match digits.trim() {
        "" => Ok(None),
        digits => number(digits).map(Some),
    };
    if let Some((from, to)) = text.split_once(':') {
        if to.contains(':') {
            return Err(start.fault("a slice has two ends, [from:to], and no step"));
        }
        return Ok(Step::Slice {
            from: end(from)?,
            to: end(to)?,
        });
    }
    let mut indexes = text.split(',').map(number).collect::<Result<Vec<_>, _>>()?;
    Ok(match indexes.len() {
        1 => Step::Index(indexes.swap_remove(0)),
        _ => Step::Indexes(indexes),
    })
}
