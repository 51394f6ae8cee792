//! A way through the exploration once more, from the beginning and with the whole definition.

use anyhow::{Result, ensure};
use sagamore_tests::saga::Saga;
use sagamore_tests::saga::text::Writer;

use crate::node::{Node, Taken};
use crate::plan;

/// The saga as it was made up is the one that its definition makes, and can be stored at any point of its way.
pub fn check(node: &Node) -> Result<()> {
    let definition = node.plan.definition().to_string();
    let (mut saga, _) = Saga::start(&definition, plan::input())?;
    for taken in way(node) {
        saga.now = taken.at;
        // What is ignored was ignored before.
        let _ = saga.take(&taken.input)?;
    }
    let (is, should) = (told_history(&node.saga), told_history(&saga));
    let differs = is.iter().zip(&should).find(|(is, should)| is != should);
    ensure!(
        differs.is_none() && saga.execution == node.saga.execution,
        "made up as it goes along it is another saga: {differs:?}"
    );
    Ok(())
}

fn told_history(saga: &Saga) -> Vec<String> {
    let writer = Writer(saga);
    saga.history
        .iter()
        .map(|record| writer.record(record))
        .collect()
}

/// The definition, the inputs and the history.
pub fn told(node: &Node) -> String {
    let writer = Writer(&node.saga);
    let inputs = way(node).into_iter().map(|taken| {
        let at = writer.time(taken.at);
        format!("{at} took {:?}", taken.input)
    });
    let records = node.saga.history.iter().map(|record| writer.record(record));
    let lines = inputs.chain(records).chain(writer.ledger());
    let lines: Vec<String> = lines.collect();
    format!("{:#}\n{}\n", node.plan.definition(), lines.join("\n"))
}

fn way(node: &Node) -> Vec<&Taken> {
    let first = node.path.as_deref();
    let back = std::iter::successors(first, |taken| taken.before.as_deref());
    let mut way: Vec<&Taken> = back.collect();
    way.reverse();
    way
}
