//! The rules of the States Language and of its saga extension, a folder each in `cases/`.
//!
//! A case is data: a `definition.asl.json`, a `script` of what happens (see [`script`]) and the `timeline.txt` that
//! must come of it. `UPDATE=1 cargo test -p sagamore-tests --test conformance` writes the timelines anew: read what
//! changed before it is committed. `CASE=part/of/the/path` runs only those.

mod script;
mod timeline;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

#[test]
fn every_case_has_its_timeline() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/cases");
    let mut cases = Vec::new();
    find(&root, &mut cases).unwrap();
    cases.sort();
    let only = std::env::var("CASE").unwrap_or_default();
    let mut failed = Vec::new();
    for case in cases
        .iter()
        .filter(|case| case.to_string_lossy().contains(&only))
    {
        if let Err(difference) = check(case) {
            let name = case.strip_prefix(&root).unwrap_or(case).display();
            failed.push(format!(
                "{name}\n{difference:#}\nCASE='{name}' cargo test -p sagamore-tests --test conformance\n"
            ));
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} cases differ:\n\n{}",
        failed.len(),
        cases.len(),
        failed.join("\n")
    );
}

fn find(folder: &Path, cases: &mut Vec<PathBuf>) -> Result<()> {
    if folder.join("script").exists() {
        cases.push(folder.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, cases)?;
        }
    }
    Ok(())
}

fn check(case: &Path) -> Result<()> {
    let script = std::fs::read_to_string(case.join("script")).context("script")?;
    let script = script::parse(&script)?;
    let definition = match &script.definition {
        None => case.join("definition.asl.json"),
        Some(path) => Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path),
    };
    let definition = std::fs::read_to_string(&definition)
        .with_context(|| format!("failed to read {}", definition.display()))?;
    let timeline = timeline::timeline(&definition, &script)?;
    let path = case.join("timeline.txt");
    if std::env::var("UPDATE").is_ok() {
        return Ok(std::fs::write(path, timeline)?);
    }
    let expected = std::fs::read_to_string(path).context("timeline.txt")?;
    anyhow::ensure!(
        timeline == expected,
        "{}",
        first_difference(&expected, &timeline)
    );
    Ok(())
}

fn first_difference(expected: &str, found: &str) -> String {
    let mut lines = expected.lines().zip(found.lines()).enumerate();
    match lines.find(|(_, (expected, found))| expected != found) {
        Some((line, (expected, found))) => {
            format!(
                "line {}\n  expected {expected}\n  found    {found}",
                line + 1
            )
        }
        None => "one of them is longer".to_owned(),
    }
}
