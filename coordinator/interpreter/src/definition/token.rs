//! The values of a JSON text that hold no others: strings with their escapes, numbers, words.

use super::document::{Content, NodeId};
use super::fault::excerpt;
use super::reader::{ANY_VALUE, Broken, Reader, broken};

impl Reader<'_> {
    /// `true`, `false`, `null`, or a word that JSON does not know.
    pub(super) fn word(&mut self) -> Result<NodeId, Broken> {
        let start = self.at;
        let rest = &self.text[start..];
        let length = rest
            .find(|character: char| !character.is_alphanumeric() && character != '_')
            .unwrap_or(rest.len());
        let word = &rest[..length];
        let content = match word {
            "true" => Content::Boolean(true),
            "false" => Content::Boolean(false),
            "null" => Content::Null,
            "" => {
                let problem = format!("Unexpected {}: was expecting {ANY_VALUE}", self.here());
                return broken(start, problem, "write a JSON value here");
            }
            _ => {
                let problem = format!(
                    "Unrecognized token '{}': was expecting {ANY_VALUE}",
                    excerpt(word)
                );
                return broken(
                    start,
                    problem,
                    "write a text in double quotes, and a definition as a JSON object",
                );
            }
        };
        self.at += length;
        Ok(self.document.leaf(start, content))
    }

    pub(super) fn number(&mut self) -> Result<NodeId, Broken> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        while bytes
            .get(self.at)
            .is_some_and(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
        {
            self.at += 1;
        }
        let token = &self.text[start..self.at];
        match token.parse() {
            Ok(number) => Ok(self.document.leaf(start, Content::Number(number))),
            Err(_) => broken(
                start,
                format!(
                    "'{}' is not a number that JSON has or a double can hold",
                    excerpt(token)
                ),
                "write it like 10, -0.5 or 1e3, without leading zeros or a leading '+'",
            ),
        }
    }

    /// Reads a string from its opening quote to behind its closing one.
    pub(super) fn string(&mut self) -> Result<String, Broken> {
        let start = self.at;
        let mut string = String::new();
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            let plain =
                rest.find(|character: char| matches!(character, '"' | '\\') || character < ' ');
            let Some(plain) = plain else {
                return broken(
                    start,
                    "This string is not closed",
                    "close it with a double quote",
                );
            };
            string.push_str(&rest[..plain]);
            self.at += plain;
            if self.take(b'"') {
                return Ok(string);
            }
            if self.peek() != Some(b'\\') {
                let problem = format!("A string holds {} as it is", self.here());
                return broken(
                    self.at,
                    problem,
                    "write it as an escape: \\n for a line's end, \\t for a tab, else \\u00XX",
                );
            }
            string.push(self.escape()?);
        }
    }

    /// Reads an escape from its backslash on.
    fn escape(&mut self) -> Result<char, Broken> {
        let start = self.at;
        self.at += 1;
        let plain = match self.peek() {
            Some(b'u') => return self.unicode_escape(start),
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => {
                let problem = format!(
                    "Unrecognized character escape: {} after a backslash",
                    self.here()
                );
                return broken(start, problem, "a backslash itself is written \\\\");
            }
        };
        self.at += 1;
        Ok(plain)
    }

    /// Reads `\uXXXX`, and the second half of a pair, from behind the backslash of the first.
    fn unicode_escape(&mut self, start: usize) -> Result<char, Broken> {
        let first = self.hexadecimal(start)?;
        let code = match first {
            0xd800..=0xdbff if self.text[self.at..].starts_with("\\u") => {
                self.at += 1;
                let second = self.hexadecimal(start)?;
                if (0xdc00..=0xdfff).contains(&second) {
                    0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                } else {
                    first
                }
            }
            _ => first,
        };
        match char::from_u32(code) {
            Some(character) => Ok(character),
            None => broken(
                start,
                format!("\\u{first:04x} is half of a surrogate pair without its other half"),
                "write the character itself, or both halves: \\ud83d\\ude00",
            ),
        }
    }

    /// Reads `uXXXX`.
    fn hexadecimal(&mut self, start: usize) -> Result<u32, Broken> {
        let digits = self.text.get(self.at + 1..self.at + 5);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(code) = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) else {
            return broken(
                start,
                "\\u is not followed by four hexadecimal digits",
                "write it like \\u00e9",
            );
        };
        self.at += 5;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use crate::definition::reader::tests::check;

    #[test]
    fn escapes_are_resolved() {
        check(
            r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é""#,
            "\"\\\"\\\\/\\b\\f\\n\\r\\té😀é\"",
        );
    }

    #[test]
    fn invalid_escapes_are_refused() {
        check(
            r#"["\x"]"#,
            "1:3 Unrecognized character escape: character 'x'",
        );
        check(
            r#"["\u12g4"]"#,
            "1:3 \\u is not followed by four hexadecimal digits",
        );
        check(
            r#"["\u12é"]"#,
            "1:3 \\u is not followed by four hexadecimal digits",
        );
        check("[\"a\tb\"]", "1:4 A string holds character U+0009 as it is");
    }

    #[test]
    fn lone_surrogates_are_refused() {
        check(r#"["\ud800"]"#, "1:3 \\ud800 is half of a surrogate pair");
        check(
            r#"["\ud800\u0041"]"#,
            "1:3 \\ud800 is half of a surrogate pair",
        );
        check(r#"["\udc00"]"#, "1:3 \\udc00 is half of a surrogate pair");
    }

    #[test]
    fn numbers_that_json_does_not_have_are_refused() {
        for number in ["01", "+1", ".5", "1.", "1e", "-", "1e999", "--1", "NaN"] {
            check(&format!("[{number}]"), "1:2 ");
        }
    }

    #[test]
    fn a_text_without_quotes_is_an_unrecognized_token() {
        check(
            "not a definition",
            "1:1 Unrecognized token 'not': was expecting (JSON String, Number, Array,",
        );
    }
}
