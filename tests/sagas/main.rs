//! Random sagas under random weather: whatever happens in whatever order, they end and leave nothing behind.
//!
//! One string of bytes makes the saga and all that happens to it, so a failure is made smaller by cutting bytes off
//! and reproduced by giving them back: `SAGA=0c41… cargo test -p sagamore-tests --test sagas`.

mod files;
mod loops;
mod mirror;
mod mutations;
mod pictures;
mod run;
mod variables;

use anyhow::Result;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// How many sagas a run makes; in a debug build they take less than 20 s.
const SAGAS: u32 = 400;
/// The most bytes of one saga.
const BYTES_MAX: usize = 240;

#[test]
fn every_saga_ends_and_leaves_nothing_behind() {
    check("SAGA", run::saga);
}

#[test]
fn every_saga_of_distributed_maps_ends_and_leaves_nothing_behind() {
    check("DISTRIBUTED", run::distributed);
}

fn check(variable: &str, run: impl Fn(&[u8]) -> Result<()>) {
    if let Ok(bytes) = std::env::var(variable) {
        run(&from_hex(&bytes).expect("it holds pairs of hexadecimal digits")).unwrap();
        return;
    }
    let cases = std::env::var("SAGAS").ok().and_then(|n| n.parse().ok());
    let mut runner = TestRunner::new(Config {
        cases: cases.unwrap_or(SAGAS),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    });
    let outcome = runner.run(&bytes(), |bytes| {
        run(&bytes).map_err(|violation| {
            TestCaseError::fail(format!(
                "{violation:#}\n{variable}={} cargo test -p sagamore-tests --test sagas",
                hex(&bytes)
            ))
        })
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// What makes a saga and all that happens to it.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..BYTES_MAX)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?))
        .collect()
}
