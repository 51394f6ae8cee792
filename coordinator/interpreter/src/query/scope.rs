//! What a query may read: the state's data, the context object and a source of random bytes.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// What a query may read.
#[derive(Debug, Clone)]
pub struct Data<'a> {
    /// What `$` stands for: the state's input, or its result.
    pub input: &'a Value,
    /// What the state's work gave: JSONata's `$states.result`, where there is one.
    pub result: Option<&'a Value>,
    /// What a catcher takes: JSONata's `$states.errorOutput`, where there is one.
    pub error_output: Option<&'a Value>,
    /// What `$$` stands for: the context object.
    pub context: &'a dyn Context,
    /// What `$name` stands for.
    pub variables: &'a dyn Variables,
    /// Where States.UUID and States.MathRandom draw from.
    pub random: Random,
}

impl<'a> Data<'a> {
    /// What a query may read where there is neither a result nor an error.
    pub fn new(
        input: &'a Value,
        context: &'a dyn Context,
        variables: &'a dyn Variables,
        random: Random,
    ) -> Data<'a> {
        Data {
            input,
            result: None,
            error_output: None,
            context,
            variables,
            random,
        }
    }
}

/// The variables that are in scope.
pub trait Variables: std::fmt::Debug {
    /// The value that was assigned last; `None` when none was.
    fn variable(&self, name: &str) -> Option<&Value>;
}

impl Variables for Value {
    fn variable(&self, name: &str) -> Option<&Value> {
        self.get(name)
    }
}

/// The context object. It holds all that the execution was started with, which may be large, so it is asked for in parts.
pub trait Context: std::fmt::Debug {
    /// All of it.
    fn whole(&self) -> &Value;
    /// All of it but `Execution.Input`.
    fn without_input(&self) -> &Value;
    /// `Execution.Input`; `None` when it has none.
    fn input(&self) -> Option<&Value>;
    /// The time of the turn, in milliseconds since 1970.
    fn now_milliseconds(&self) -> f64;
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

    fn now_milliseconds(&self) -> f64 {
        0.0
    }
}

/// A deterministic source of random bytes: the same seed gives the same draws, in order.
///
/// The seed derives from the execution and the record in hand, so a turn that is taken again draws
/// the same UUIDs. Clones draw from one source: what is drawn from one, no other draws.
#[derive(Debug, Clone)]
pub struct Random {
    seed: [u8; 32],
    drawn: Rc<Cell<u64>>,
}

impl Random {
    /// A source that nothing has been drawn from.
    pub fn new(seed: [u8; 32]) -> Random {
        Random {
            seed,
            drawn: Rc::new(Cell::new(0)),
        }
    }

    /// The source of a seed that an expression gives.
    pub(super) fn of_seed(seed: i64) -> Random {
        Random::new(Sha256::digest(seed.to_be_bytes()).into())
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
