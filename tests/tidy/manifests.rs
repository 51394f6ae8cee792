//! Which package may depend on which: the arrows of the architecture, and what the pure core is
//! made of.

use crate::Finding;
use crate::source::Source;

/// What a package may depend on.
struct Arrows {
    /// The package's directory.
    package: &'static str,
    /// The packages of the workspace among its dependencies.
    internal: &'static [&'static str],
    /// All its other dependencies; `None` where each is argued for in its commit only.
    external: Option<&'static [&'static str]>,
}

/// Packages that stand here are held to their arrows; demo and tests may depend on everything.
const ARROWS: &[Arrows] = &[
    Arrows {
        package: "coordinator/interpreter",
        internal: &[],
        external: Some(&[
            "base64",
            "jiff",
            "jsonata-core",
            "md-5",
            "proptest",
            "regex",
            "serde",
            "serde_json",
            "sha1",
            "sha2",
            "thiserror",
            "uuid",
        ]),
    },
    Arrows {
        package: "coordinator/messages",
        internal: &[],
        external: None,
    },
    Arrows {
        package: "coordinator/dev-broker",
        internal: &[],
        external: None,
    },
    Arrows {
        package: "coordinator/server",
        internal: &[
            "sagamore-interpreter",
            "sagamore-messages",
            "sagamore-dev-broker",
        ],
        external: None,
    },
    Arrows {
        package: "services/worker",
        internal: &["sagamore-messages"],
        external: None,
    },
    Arrows {
        package: "services/loan",
        internal: &["sagamore-worker", "sagamore-messages"],
        external: None,
    },
    Arrows {
        package: "tests/verify",
        internal: &[],
        external: Some(&[]),
    },
];

/// What is wrong with a manifest.
pub fn check(source: &Source) -> Vec<Finding> {
    let Some(package) = source.path.strip_suffix("/Cargo.toml") else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    if !source
        .lines
        .iter()
        .any(|line| line.text.starts_with("license"))
    {
        faults.push((1, "no licence: add `license.workspace = true`".to_owned()));
    }
    for arrows in ARROWS.iter().filter(|arrows| arrows.package == package) {
        let refused = dependencies(source).filter(|(_, name)| !arrows.allow(name));
        faults.extend(refused.map(|(line, name)| {
            (line, format!("`{name}` is not for {package}: turn the dependency round, or argue for it in {}", file!()))
        }));
    }
    let finding = |(line, fault)| Finding {
        path: source.path.clone(),
        line,
        fault,
    };
    faults.into_iter().map(finding).collect()
}

impl Arrows {
    fn allow(&self, dependency: &str) -> bool {
        if dependency == "sagamore" || dependency.starts_with("sagamore-") {
            return self.internal.contains(&dependency);
        }
        self.external
            .is_none_or(|external| external.contains(&dependency))
    }
}

/// The dependencies of a manifest, of every kind, each with its line (from 1).
fn dependencies(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let mut inside = false;
    (1..).zip(&source.lines).filter_map(move |(number, line)| {
        let text = line.text.trim();
        if let Some(table) = text.strip_prefix('[') {
            let table = table.trim_end_matches(']');
            inside = table.ends_with("dependencies");
            // [dependencies.name] is a dependency by its head.
            let (_, name) = table.split_once("dependencies.")?;
            return Some((number, name));
        }
        let end = text.find(['.', ' ', '='])?;
        (inside && !text.starts_with('#')).then_some((number, &text[..end]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_dependencies(package: &str, dependencies: &str, expected: &[&str]) {
        let text = format!("license.workspace = true\n{dependencies}\n");
        let source = Source::new(&format!("{package}/Cargo.toml"), &text);
        let findings: Vec<String> = check(&source)
            .into_iter()
            .map(|Finding { line, fault, .. }| {
                let (fault, _) = fault.split_once(" is not").expect("a refusal");
                format!("{line}: {fault}")
            })
            .collect();
        assert_eq!(findings, expected);
    }

    #[test]
    fn the_core_depends_on_nothing_that_acts() {
        let text = "[dependencies]\nserde.workspace = true\ntokio = \"1\"\n";
        check_dependencies("coordinator/interpreter", text, &["4: `tokio`"]);
    }

    #[test]
    fn services_do_not_depend_on_the_server() {
        let text = "[dev-dependencies]\nsagamore.workspace = true\ntokio.workspace = true\n";
        check_dependencies("services/worker", text, &["3: `sagamore`"]);
    }

    #[test]
    fn a_dependency_with_a_table_of_its_own_is_seen() {
        let text = "[target.'cfg(unix)'.dependencies.libc]\nversion = \"1\"\n";
        check_dependencies("tests/verify", text, &["2: `libc`"]);
    }

    #[test]
    fn the_tests_may_depend_on_everything() {
        check_dependencies("tests", "[dependencies]\nsagamore.workspace = true\n", &[]);
    }

    #[test]
    fn the_arrows_that_are_drawn_are_allowed() {
        let text = "[dependencies]\nsagamore-interpreter.workspace = true\ntokio = \"1\"\n";
        check_dependencies("coordinator/server", text, &[]);
    }

    #[test]
    fn a_package_without_a_licence_is_found() {
        let findings = check(&Source::new("services/new/Cargo.toml", "[package]\n"));
        assert_eq!(findings.len(), 1);
    }
}
