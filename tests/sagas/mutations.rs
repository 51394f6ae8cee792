//! Each invariant of the saga extension has a way to break it, and the random sagas notice: what they report is the list below.

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use sagamore_interpreter::mutation::{Mutation, break_by};

use crate::bytes;
use crate::run;

#[test]
fn whatever_is_broken_is_noticed() {
    let mut unnoticed = Vec::new();
    for mutation in Mutation::ALL {
        match noticed(mutation) {
            Some((after, what)) => {
                println!("{mutation:?}: noticed by saga {after}: {what}");
            }
            None => unnoticed.push(mutation),
        }
    }
    assert!(unnoticed.is_empty(), "nobody notices {unnoticed:?}");
}

/// The first saga that reports a violation, and the violation.
fn noticed(mutation: Mutation) -> Option<(u32, String)> {
    // The same sagas whenever it runs.
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    break_by(Some(mutation));
    let found = (1..=SAGAS_MAX).find_map(|which| {
        let bytes = bytes().new_tree(&mut runner).ok()?.current();
        let violation = run::saga(&bytes).err()?;
        let what = violation.root_cause().to_string();
        Some((which, what.lines().next().unwrap_or_default().to_owned()))
    });
    break_by(None);
    found
}

/// How many sagas may pass before one must notice.
const SAGAS_MAX: u32 = 400;
