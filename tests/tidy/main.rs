//! Guards in the text of the workspace what text can guard: the house style and the invariants of
//! its architecture.
//!
//! `rules` says what may not be written where, `shape` how long things may be and how they may not
//! be named, `manifests` which package may depend on which. Each finding names its file and line and
//! what to do. A rule about a place that does not exist yet finds nothing.

mod manifests;
mod rules;
mod shape;
mod source;

use std::env;
use std::fmt;
use std::path::PathBuf;

use source::Source;

/// One fault: where, what, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    fault: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.fault)
    }
}

/// Everything that is wrong with a set of files.
fn findings(sources: &[Source]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = sources
        .iter()
        .flat_map(|source| {
            [
                rules::check(source),
                shape::check(source),
                manifests::check(source),
            ]
        })
        .flatten()
        .collect();
    findings.extend(shape::check_together(sources));
    findings.sort();
    findings
}

#[test]
fn the_workspace_is_tidy() {
    let tests = env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package lies");
    let root = PathBuf::from(tests).join("..");
    let sources = source::walk(&root).expect("the workspace can be read");
    assert!(
        sources
            .iter()
            .any(|source| source.path == "tests/Cargo.toml"),
        "an empty walk"
    );
    let findings: Vec<String> = findings(&sources).iter().map(Finding::to_string).collect();
    assert!(
        findings.is_empty(),
        "{} findings\n{}",
        findings.len(),
        findings.join("\n")
    );
}
