//! JSON that a client hands in: an execution's input, a task's output.

use std::sync::Arc;

use sagamore_interpreter::Payload;
use sagamore_interpreter::limits::{PAYLOAD_BYTES_MAX, VALUE_DEPTH_MAX, is_payload_too_deep};
use serde_json::Value;

/// Why a text is no payload.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not JSON; the problem is told in Step Functions' words where it has some.
    #[error("{0}")]
    NotJson(String),
    /// It is larger than a payload may be.
    #[error(
        "the text has {bytes} bytes, at most {} are allowed",
        PAYLOAD_BYTES_MAX.bytes()
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// It nests deeper than what is stored could be read again.
    #[error("objects and arrays nest deeper than {VALUE_DEPTH_MAX} levels")]
    TooDeep,
}

/// Reads a payload.
///
/// # Errors
/// See [`Unreadable`].
pub fn read_payload(text: &str) -> Result<Payload, Unreadable> {
    if text.len() > PAYLOAD_BYTES_MAX.bytes() {
        return Err(Unreadable::TooLarge { bytes: text.len() });
    }
    let value: Value = serde_json::from_str(text).map_err(|error| {
        if error.to_string().starts_with("recursion limit") {
            Unreadable::TooDeep
        } else {
            Unreadable::NotJson(problem(text, &error))
        }
    })?;
    if is_payload_too_deep(&value) {
        return Err(Unreadable::TooDeep);
    }
    Ok(Arc::new(value))
}

/// Takes a value that was read with others for a payload.
///
/// # Errors
/// See [`Unreadable`].
pub fn payload_of(value: &Value) -> Result<Payload, Unreadable> {
    read_payload(&value.to_string())
}

/// What is wrong with the text. The commonest mistake, a bare word, is told as Step Functions tells it.
fn problem(text: &str, error: &serde_json::Error) -> String {
    let word: String = text
        .trim_start()
        .chars()
        .take_while(|character| character.is_alphanumeric())
        .collect();
    let starts_a_value = ["true", "false", "null"].contains(&word.as_str())
        || word.starts_with(|first: char| first.is_ascii_digit());
    if word.is_empty() || starts_a_value {
        return error.to_string();
    }
    let column =
        text.chars().count() - text.trim_start().chars().count() + word.chars().count() + 1;
    format!(
        "Unrecognized token '{word}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or \
         'false')\n at [Source: (String)\"{}\"; line: 1, column: {column}]",
        excerpt(text)
    )
}

fn excerpt(text: &str) -> &str {
    text.char_indices()
        .nth(EXCERPT_CHARACTERS_MAX)
        .map_or(text, |(end, _)| &text[..end])
}

const EXCERPT_CHARACTERS_MAX: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let read = match read_payload(text) {
            Ok(value) => value.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn any_json_value_is_a_payload() {
        check(" {\"b\": 1.0, \"a\": []} ", r#"{"b":1.0,"a":[]}"#);
        check("3", "3");
        check("null", "null");
    }

    #[test]
    fn a_bare_word_is_told_as_step_functions_tells_it() {
        check(
            "not json",
            "Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or \
             'false')\n at [Source: (String)\"not json\"; line: 1, column: 4]",
        );
    }

    #[test]
    fn other_mistakes_are_told_with_their_place() {
        check("{\"a\": }", "expected value at line 1 column 7");
        check("", "EOF while parsing a value at line 1 column 0");
    }

    #[test]
    fn a_payload_has_a_size_and_a_depth() {
        check(
            &"[".repeat(200),
            "objects and arrays nest deeper than 100 levels",
        );
        check(
            &format!("{}{}", "[".repeat(101), "]".repeat(101)),
            "objects and arrays nest deeper than 100 levels",
        );
        assert!(read_payload(&format!("{}{}", "[".repeat(100), "]".repeat(100))).is_ok());
        let large = format!("\"{}\"", "x".repeat(PAYLOAD_BYTES_MAX.bytes()));
        assert!(matches!(
            read_payload(&large),
            Err(Unreadable::TooLarge { .. })
        ));
    }
}
