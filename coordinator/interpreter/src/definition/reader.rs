//! From text to a [`Document`]: a JSON reader that keeps positions and bounds its depth.
//!
//! Why our own: `serde_json` tells where a text is broken, but not where a value of a sound text stands; the crates
//! that do so recurse without a limit or drop duplicate keys. JSON's grammar fits on a page. Source: RFC 8259.

use super::document::{Content, Document, Key, NodeId, Spot};
use super::fault::{FaultCode, Faults, excerpt};
use crate::limits::{DEFINITION_BYTES_MAX, DEFINITION_NESTING_MAX};

/// The document of a text, or `None` with the one fault that makes the text unreadable.
pub(super) fn read(text: &str, faults: &mut Faults) -> Option<(Document, NodeId)> {
    let bytes_max = DEFINITION_BYTES_MAX.bytes();
    if text.len() > bytes_max {
        faults.schema(
            Spot::at(0),
            format!("The definition has {} bytes", text.len()),
            format!("a definition has at most {bytes_max} bytes: cut it into state machines that start one another"),
        );
        return None;
    }
    let mut reader = Reader {
        text,
        at: 0,
        depth: 0,
        document: Document::default(),
    };
    match reader.whole() {
        Ok(root) => Some((reader.document, root)),
        Err(broken) => {
            faults.error(
                Spot::at(broken.offset),
                broken.code,
                broken.problem,
                broken.remedy,
            );
            None
        }
    }
}

/// Why a text is not JSON, and where.
pub(super) struct Broken {
    offset: usize,
    code: FaultCode,
    problem: String,
    remedy: String,
}

/// Nearly always the text is not JSON.
pub(super) fn broken<T>(
    offset: usize,
    problem: impl Into<String>,
    remedy: impl Into<String>,
) -> Result<T, Broken> {
    let (problem, remedy) = (problem.into(), remedy.into());
    Err(Broken {
        offset,
        code: FaultCode::InvalidJsonDescription,
        problem,
        remedy,
    })
}

pub(super) const ANY_VALUE: &str =
    "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

/// Reads one text from its beginning to its end; `at` is always at a character's beginning.
pub(super) struct Reader<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
    depth: usize,
    pub(super) document: Document,
}

impl Reader<'_> {
    fn whole(&mut self) -> Result<NodeId, Broken> {
        self.skip_whitespace();
        if self.at == self.text.len() {
            return Err(Broken {
                offset: 0,
                code: FaultCode::SchemaValidationFailed,
                problem: "Definition must be a valid JSON object".into(),
                remedy: "write an object with 'StartAt' and 'States'".into(),
            });
        }
        let root = self.value()?;
        self.skip_whitespace();
        if self.at < self.text.len() {
            let problem = format!("Unexpected {} after the end of the definition", self.here());
            return broken(
                self.at,
                problem,
                "end the text with the brace that closes its first one",
            );
        }
        Ok(root)
    }

    fn value(&mut self) -> Result<NodeId, Broken> {
        let start = self.at;
        match self.peek() {
            Some(b'{') => self.nested(Reader::object),
            Some(b'[') => self.nested(Reader::array),
            Some(b'"') => {
                let text = self.string()?;
                Ok(self.document.leaf(start, Content::String(text)))
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80 => self.word(),
            _ => {
                let problem = format!("Unexpected {}: was expecting {ANY_VALUE}", self.here());
                broken(start, problem, "write a JSON value here")
            }
        }
    }

    /// Reads an object or array one level deeper.
    fn nested(&mut self, read: fn(&mut Self) -> Result<NodeId, Broken>) -> Result<NodeId, Broken> {
        if self.depth == DEFINITION_NESTING_MAX {
            return Err(Broken {
                offset: self.at,
                code: FaultCode::TooDeeplyNested,
                problem: "Objects and arrays are too deeply nested".into(),
                remedy: format!("at most {DEFINITION_NESTING_MAX} may stand inside one another"),
            });
        }
        self.depth += 1;
        let node = read(self);
        self.depth -= 1;
        node
    }

    fn object(&mut self) -> Result<NodeId, Broken> {
        let start = self.at;
        let mut members = Vec::new();
        self.at += 1;
        self.skip_whitespace();
        if self.take(b'}') {
            return Ok(self.document.object(start, members));
        }
        loop {
            self.skip_whitespace();
            let offset = self.at;
            if self.peek() != Some(b'"') {
                let problem = format!(
                    "Unexpected {}: was expecting double-quote to start field name",
                    self.here()
                );
                return broken(
                    offset,
                    problem,
                    "write a field name in double quotes, and no comma after the last field",
                );
            }
            let text = self.string()?;
            self.skip_whitespace();
            if !self.take(b':') {
                let problem = format!(
                    "Unexpected {}: was expecting a colon to separate field name and value",
                    self.here()
                );
                return broken(
                    self.at,
                    problem,
                    format!("write ':' after \"{}\"", excerpt(&text)),
                );
            }
            self.skip_whitespace();
            let value = self.value()?;
            members.push((Key { text, offset }, value));
            if self.ends_after_value(b'}')? {
                return Ok(self.document.object(start, members));
            }
        }
    }

    fn array(&mut self) -> Result<NodeId, Broken> {
        let start = self.at;
        let mut elements = Vec::new();
        self.at += 1;
        self.skip_whitespace();
        if self.take(b']') {
            return Ok(self.document.array(start, elements));
        }
        loop {
            self.skip_whitespace();
            elements.push(self.value()?);
            if self.ends_after_value(b']')? {
                return Ok(self.document.array(start, elements));
            }
        }
    }

    /// Takes the comma (false) or the closing bracket (true) that follows a value.
    fn ends_after_value(&mut self, close: u8) -> Result<bool, Broken> {
        self.skip_whitespace();
        if self.take(close) {
            return Ok(true);
        }
        if self.take(b',') {
            return Ok(false);
        }
        let (kind, close) = if close == b'}' {
            ("Object", '}')
        } else {
            ("Array", ']')
        };
        let problem = format!(
            "Unexpected {}: was expecting comma to separate {kind} entries",
            self.here()
        );
        broken(
            self.at,
            problem,
            format!("write ',' before a further entry, or '{close}' after the last"),
        )
    }

    fn skip_whitespace(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// What stands here, for use in a sentence.
    pub(super) fn here(&self) -> String {
        match self.text[self.at..].chars().next() {
            None => "end of the text".into(),
            Some(character) if character.is_control() || character == '\u{feff}' => {
                format!("character U+{:04X}", u32::from(character))
            }
            Some(character) => format!("character '{character}'"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The value of a text, or its one fault as `line:column problem`.
    pub(in crate::definition) fn check(text: &str, expected: &str) {
        let mut faults = Faults::default();
        let read = read(text, &mut faults);
        let (errors, _) = faults.located(text);
        let found = match (read, errors.as_slice()) {
            (Some((document, root)), []) => document.node(root).to_value().to_string(),
            (None, [fault]) => format!("{}:{} {}", fault.line, fault.column, fault.problem),
            (_, errors) => format!("{} faults", errors.len()),
        };
        assert!(found.starts_with(expected), "{found}");
    }

    #[test]
    fn every_kind_of_value_is_read() {
        check(
            " {\"a\" : [1, -2.5e1, true, false, null, \"x\"], \"b\":{}, \"c\":[ ]}\n",
            r#"{"a":[1,-25.0,true,false,null,"x"],"b":{},"c":[]}"#,
        );
    }

    #[test]
    fn an_empty_text_is_no_definition() {
        check(" \n", "1:1 Definition must be a valid JSON object");
    }

    #[test]
    fn a_trailing_comma_is_found_where_it_ends() {
        check(
            "{\"a\": 1,\n }",
            "2:2 Unexpected character '}': was expecting double-quote to start field name",
        );
        check("[1, ]", "1:5 Unexpected character ']'");
    }

    #[test]
    fn a_missing_comma_is_found_at_the_next_entry() {
        check(
            "{\"a\": 1\n  \"b\": 2}",
            "2:3 Unexpected character '\"': was expecting comma",
        );
    }

    #[test]
    fn a_column_counts_characters() {
        check("{\"ü😀\": ?}", "1:8 Unexpected character '?'");
    }

    #[test]
    fn an_unclosed_text_is_told_from_its_end() {
        check("{\"a\": [", "1:8 Unexpected end of the text");
        check("{\"a\": \"b}", "1:7 This string is not closed");
        check(
            "{\"a\"",
            "1:5 Unexpected end of the text: was expecting a colon",
        );
    }

    #[test]
    fn text_after_the_end_is_refused() {
        check(
            "{} {}",
            "1:4 Unexpected character '{' after the end of the definition",
        );
    }

    #[test]
    fn a_byte_order_mark_is_named() {
        check("\u{feff}{}", "1:1 Unexpected character U+FEFF");
    }

    #[test]
    fn fifty_thousand_brackets_are_one_clear_fault() {
        check(
            &"[".repeat(50_000),
            "1:129 Objects and arrays are too deeply nested",
        );
        check(
            &"{\"a\":".repeat(50_000),
            "1:641 Objects and arrays are too deeply nested",
        );
    }

    #[test]
    fn a_mebibyte_in_one_line_is_read_and_more_refused() {
        let text = format!("\"{}\"", "x".repeat(DEFINITION_BYTES_MAX.bytes() - 2));
        check(&text, "\"xxx");
        check(&format!("{text} "), "1:1 The definition has 1048577 bytes");
    }
}
