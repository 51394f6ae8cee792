//! What a query may read: the state's data, the context object and a source of random bytes.

use std::cell::Cell;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// What a query may read.
#[derive(Debug, Clone)]
pub struct Data<'a> {
    /// What `$` stands for: the state's input, or its result.
    pub input: &'a Value,
    /// What `$$` stands for: the context object.
    pub context: &'a dyn Context,
    /// Where States.UUID and States.MathRandom draw from.
    pub random: Random,
}

/// The context object. It holds all that the execution was started with, which may be large, so it is asked for in parts.
pub trait Context: std::fmt::Debug {
    /// All of it.
    fn whole(&self) -> &Value;
    /// All of it but `Execution.Input`.
    fn without_input(&self) -> &Value;
    /// `Execution.Input`; `None` when it has none.
    fn input(&self) -> Option<&Value>;
}

impl Context for Value {
    fn whole(&self) -> &Value {
        self
    }

    fn without_input(&self) -> &Value {
        self
    }

    fn input(&self) -> Option<&Value> {
        self.get("Execution")?.get("Input")
    }
}

/// A deterministic source of random bytes: the same seed gives the same draws, in order.
///
/// The seed derives from the execution and the record in hand, so a turn that is taken again draws
/// the same UUIDs. A clone continues from where the original stood.
#[derive(Debug, Clone)]
pub struct Random {
    seed: [u8; 32],
    drawn: Cell<u64>,
}

impl Random {
    /// A source that nothing has been drawn from.
    pub fn new(seed: [u8; 32]) -> Random {
        Random {
            seed,
            drawn: Cell::new(0),
        }
    }

    /// The next 32 bytes: the SHA-256 of the seed and the number of draws before this one.
    pub fn draw(&self) -> [u8; 32] {
        let drawn = self.drawn.get();
        self.drawn.set(drawn.wrapping_add(1));
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(drawn.to_be_bytes());
        hash.finalize().into()
    }

    /// The next 64 bits.
    pub(super) fn draw_u64(&self) -> u64 {
        self.draw()
            .iter()
            .take(8)
            .fold(0, |bits, byte| bits << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(seed: u8, draws: usize, expected: usize) {
        let (one, same) = (Random::new([seed; 32]), Random::new([seed; 32]));
        let drawn: Vec<_> = (0..draws).map(|_| one.draw()).collect();
        assert!(drawn.iter().all(|bytes| *bytes == same.draw()));
        let distinct: std::collections::HashSet<_> = drawn.into_iter().collect();
        assert_eq!(distinct.len(), expected);
    }

    #[test]
    fn each_draw_differs_and_repeats_with_its_seed() {
        check(7, 100, 100);
    }
}
