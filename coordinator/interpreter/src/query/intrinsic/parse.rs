//! Reads an intrinsic call's text.

use serde_json::Value;

use super::call::{Argument, Call};
use super::format::Pattern;
use super::function::{Function, Kind, SIGNATURES, Signature};
use crate::limits::INTRINSIC_DEPTH_MAX;
use crate::query::cursor::Cursor;
use crate::query::path::{Place, parse_path};

/// Reads a whole text that is one call.
pub(in crate::query) fn parse_call(text: &str) -> Result<Call, String> {
    let mut cursor = Cursor::new(text);
    cursor.skip_blanks();
    let call = parse(&mut cursor, 1)?;
    cursor.skip_blanks();
    if !cursor.at_end() {
        return Err(cursor.fault(&format!(
            "expected the end after the call, found {}",
            cursor.found()
        )));
    }
    Ok(call)
}

fn parse(cursor: &mut Cursor<'_>, depth: usize) -> Result<Call, String> {
    let start = cursor.clone();
    if depth > INTRINSIC_DEPTH_MAX {
        return Err(start.fault(&format!("calls nest {INTRINSIC_DEPTH_MAX} deep at most")));
    }
    let signature = parse_name(cursor)?;
    cursor.expect("(", "after the function's name")?;
    let mut arguments = Vec::new();
    cursor.skip_blanks();
    if !cursor.eat(")") {
        loop {
            arguments.push(parse_argument(cursor, signature, arguments.len(), depth)?);
            cursor.skip_blanks();
            if !cursor.eat(",") {
                break;
            }
        }
        cursor.expect(")", "or ',' after an argument")?;
    }
    signature
        .check_count(arguments.len())
        .map_err(|what| start.fault(&what))?;
    if let (Function::Format, Some((Argument::Pattern(pattern), rest))) =
        (signature.function, arguments.split_first())
    {
        pattern
            .check_count(rest.len())
            .map_err(|what| start.fault(&what))?;
    }
    Ok(Call {
        function: signature.function,
        arguments,
    })
}

fn parse_name(cursor: &mut Cursor<'_>) -> Result<&'static Signature, String> {
    let start = cursor.clone();
    let name = cursor.take_while(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if let Some(signature) = SIGNATURES.iter().find(|signature| signature.name == name) {
        return Ok(signature);
    }
    let names: Vec<&str> = SIGNATURES.iter().map(|signature| signature.name).collect();
    let what = if name.is_empty() {
        format!(
            "expected a path ($.name) or a function, found {}",
            start.found()
        )
    } else {
        format!("'{name}' is no path and no function")
    };
    Err(start.fault(&format!(
        "{what}; a path starts with '$', the functions are {}",
        names.join(", ")
    )))
}

fn parse_argument(
    cursor: &mut Cursor<'_>,
    signature: &Signature,
    index: usize,
    depth: usize,
) -> Result<Argument, String> {
    cursor.skip_blanks();
    let start = cursor.clone();
    let literal = match cursor.peek() {
        Some('$') => return parse_path(cursor, Place::Argument).map(Argument::Path),
        Some('S') => return parse(cursor, depth + 1).map(Argument::Call),
        Some('\'') => {
            let pattern = parse_text(cursor)?;
            if signature.function == Function::Format && index == 0 {
                return Ok(Argument::Pattern(pattern));
            }
            Value::String(pattern.text())
        }
        _ => parse_word(cursor)?,
    };
    match signature.kind(index) {
        Some(kind) if !kind.fits(&literal) => Err(start.fault(&format!(
            "argument {} of {} must be {}{}",
            index + 1,
            signature.name,
            kind.name(),
            if matches!(kind, Kind::Array | Kind::Object) {
                ": give a path or a call that returns one"
            } else {
                ""
            }
        ))),
        _ => Ok(Argument::Literal(literal)),
    }
}

/// A number, true, false or null.
fn parse_word(cursor: &mut Cursor<'_>) -> Result<Value, String> {
    let start = cursor.clone();
    let word = cursor.take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '+' | '.' | '_'));
    match serde_json::from_str(word) {
        Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => Ok(value),
        _ => Err(start.fault(&format!(
            "expected an argument: a path, 'a text' in single quotes, a number, true, false, null or a call, found {}",
            start.found()
        ))),
    }
}

/// A text in single quotes. `\'`, `\\`, `\{` and `\}` stand for the second character; before any
/// other a backslash is itself.
fn parse_text(cursor: &mut Cursor<'_>) -> Result<Pattern, String> {
    let start = cursor.clone();
    cursor.eat("'");
    let mut pattern = Pattern::default();
    while let Some(c) = cursor.next() {
        match c {
            '\'' => return Ok(pattern),
            '{' if cursor.eat("}") => pattern.push_hole(),
            '\\' => match cursor.peek() {
                Some(escaped @ ('\'' | '\\' | '{' | '}')) => {
                    cursor.next();
                    pattern.push(escaped);
                }
                _ => pattern.push('\\'),
            },
            _ => pattern.push(c),
        }
    }
    Err(start.fault("the quote ' is not closed; a quote inside a text is written \\'"))
}
