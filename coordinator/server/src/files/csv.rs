//! Records of a text whose fields are delimited, as Step Functions reads them: a backslash escapes the delimiter, a quote or
//! another backslash inside and outside of quotes, and is dropped before anything else. Source: Step Functions, "ItemReader",
//! "How Step Functions parses input from delimited files".

use std::io::{BufRead, Read};

use sagamore_interpreter::limits::ITEMS_BYTES_MAX;

use super::read::BYTE_ORDER_MARK;

/// The records of a file, one after the other; lines without anything are passed over.
pub(super) struct Records<R> {
    file: R,
    delimiter: char,
    /// The line that was read last.
    line: u64,
}

/// A record on its way.
#[derive(Default)]
struct Open {
    fields: Vec<String>,
    field: String,
    is_quoted: bool,
    had_quotes: bool,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(file: R, delimiter: char) -> Records<R> {
        Records {
            file,
            delimiter,
            line: 0,
        }
    }

    /// The next line with its end; `None` once there is none.
    fn line(&mut self) -> Result<Option<String>, String> {
        let most = u64::try_from(ITEMS_BYTES_MAX.bytes()).unwrap_or(u64::MAX);
        let mut line = Vec::new();
        let read = self.file.by_ref().take(most).read_until(b'\n', &mut line);
        if read.map_err(|error| error.to_string())? == 0 {
            return Ok(None);
        }
        self.line += 1;
        let bytes = match line.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) if self.line == 1 => rest.to_vec(),
            _ => line,
        };
        let text = String::from_utf8(bytes);
        let text = text.map_err(|_| format!("line {} is not UTF-8", self.line))?;
        Ok(Some(text))
    }

    fn record(&mut self) -> Result<Option<Vec<String>>, String> {
        let mut open = Open::default();
        let mut bytes = 0;
        while let Some(line) = self.line()? {
            bytes += line.len();
            if bytes > ITEMS_BYTES_MAX.bytes() {
                return Err(format!("line {}: a record is too large", self.line));
            }
            open.read(&line, self.delimiter);
            if !open.is_quoted
                && let Some(record) = std::mem::take(&mut open).finish()
            {
                return Ok(Some(record));
            }
        }
        // A quote that nothing closes holds the rest of the file.
        Ok(open.finish())
    }
}

impl Open {
    fn read(&mut self, line: &str, delimiter: char) {
        let mut characters = line.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\\' => {
                    let escaped = |next: &char| *next == '\\' || *next == '"' || *next == delimiter;
                    self.field.extend(characters.next_if(escaped));
                }
                '"' if self.is_quoted => match characters.next_if_eq(&'"') {
                    Some(quote) => self.field.push(quote),
                    None => self.is_quoted = false,
                },
                '"' if self.field.is_empty() => {
                    self.is_quoted = true;
                    self.had_quotes = true;
                }
                '\r' if !self.is_quoted && characters.peek() == Some(&'\n') => {}
                '\n' if !self.is_quoted => {}
                _ if character == delimiter && !self.is_quoted => {
                    self.fields.push(std::mem::take(&mut self.field));
                }
                _ => self.field.push(character),
            }
        }
    }

    /// The record, unless there is nothing in its line.
    fn finish(mut self) -> Option<Vec<String>> {
        if self.fields.is_empty() && self.field.is_empty() && !self.had_quotes {
            return None;
        }
        self.fields.push(self.field);
        Some(self.fields)
    }
}

impl<R: BufRead> Iterator for Records<R> {
    type Item = Result<Vec<String>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        self.record().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, delimiter: char, expected: &[&[&str]]) {
        let records: Result<Vec<_>, String> = Records::new(text.as_bytes(), delimiter).collect();
        assert_eq!(records.expect("it is UTF-8"), expected, "{text}");
    }

    #[test]
    fn fields_are_between_delimiters_and_records_on_lines() {
        check("a,b\nc,\n,\n", ',', &[&["a", "b"], &["c", ""], &["", ""]]);
        check("a|b,c\r\n\r\nd", '|', &[&["a", "b,c"], &["d"]]);
        check("a\tb c", '\t', &[&["a", "b c"]]);
        check("\u{feff}a,b\n  ,\n", ',', &[&["a", "b"], &["  ", ""]]);
        check("", ',', &[]);
    }

    #[test]
    fn quotes_hold_delimiters_and_line_breaks() {
        check(
            "\"a,b\",\"c\nd\"\ne,f",
            ',',
            &[&["a,b", "c\nd"], &["e", "f"]],
        );
        check("\"say \"\"hi\"\"\",b", ',', &[&["say \"hi\"", "b"]]);
        check("5\",b\n\"\"\n", ',', &[&["5\"", "b"], &[""]]);
        check("\"open,\nto the end", ',', &[&["open,\nto the end"]]);
    }

    #[test]
    fn a_backslash_escapes_three_characters_and_vanishes_before_others() {
        check(
            r#"a\,b,\"c,d\\e,f\g"#,
            ',',
            &[&["a,b", "\"c", r"d\e", "fg"]],
        );
        check(r#""a\"b",c"#, ',', &[&["a\"b", "c"]]);
        check("a\\\nb", ',', &[&["a"], &["b"]]);
    }

    #[test]
    fn what_is_not_utf_8_is_told_with_its_line() {
        let mut records = Records::new(&b"a\n\xff\n"[..], ',');
        assert_eq!(records.next(), Some(Ok(vec!["a".to_owned()])));
        assert_eq!(records.next(), Some(Err("line 2 is not UTF-8".to_owned())));
    }
}
