//! Reads a query's text from left to right and words the faults, each with its column.

/// A position in the text of a path or an intrinsic call.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Cursor { text, at: 0 }
    }

    /// What is not read yet.
    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let found = self.peek()?;
        self.at += found.len_utf8();
        Some(found)
    }

    /// Takes `expected` if it is what follows.
    pub(super) fn eat(&mut self, expected: &str) -> bool {
        let follows = self.rest().starts_with(expected);
        if follows {
            self.at += expected.len();
        }
        follows
    }

    pub(super) fn skip_blanks(&mut self) {
        self.take_while(|c| c.is_whitespace());
    }

    /// Takes characters as long as they are `wanted`; possibly none.
    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Skips `bytes` that the caller has read from [`Cursor::rest`] by other means.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.at = self.text.floor_char_boundary(self.at.saturating_add(bytes));
    }

    /// The byte offset, for [`Cursor::since`].
    pub(super) fn mark(&self) -> usize {
        self.at
    }

    /// The text read since `mark`.
    pub(super) fn since(&self, mark: usize) -> &'t str {
        self.text.get(mark..self.at).unwrap_or_default()
    }

    /// Takes `expected` after blanks, or tells that it is missing.
    pub(super) fn expect(&mut self, expected: &str, why: &str) -> Result<(), String> {
        self.skip_blanks();
        if self.eat(expected) {
            return Ok(());
        }
        Err(self.fault(&format!(
            "expected '{expected}' {why}, found {}",
            self.found()
        )))
    }

    /// What stands at the cursor, for a fault's sentence.
    pub(super) fn found(&self) -> String {
        match self.peek() {
            Some(c) => format!("'{c}'"),
            None => "the end".to_owned(),
        }
    }

    /// A fault at the cursor's column, which counts characters from 1.
    pub(super) fn fault(&self, what: &str) -> String {
        let before = self.text.get(..self.at).unwrap_or(self.text);
        format!("column {}: {what}", before.chars().count() + 1)
    }
}
