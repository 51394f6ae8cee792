//! Choices read from bytes: the first way is taken once they are used up, so that every saga ends.

/// Bytes that are used up choice by choice.
#[derive(Debug)]
pub struct Choices<'a>(pub &'a [u8]);

impl Choices<'_> {
    /// Whether all bytes are used up.
    pub fn are_used_up(&self) -> bool {
        self.0.is_empty()
    }

    /// One of `ways`, from 0.
    pub fn one_of(&mut self, ways: usize) -> usize {
        let Some((byte, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        usize::from(*byte) % ways.max(1)
    }

    /// Yes once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.one_of(n) == n - 1
    }
}
