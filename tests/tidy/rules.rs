//! What may not be written, where, and what to do instead.

use crate::Finding;
use crate::source::{Line, Source};

/// One rule on the text of the Rust files.
struct Rule {
    /// Where it holds: a path begins with one of these.
    within: &'static [&'static str],
    /// Where it does not, of that.
    except: &'static [&'static str],
    part: Part,
    /// Only lines that have this too are looked at; empty for every line.
    beside: &'static str,
    /// What may not occur, as whole words.
    forbidden: &'static [&'static str],
    remedy: &'static str,
}

/// Which part of a file a rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// All of it, with comments.
    Text,
    /// All but comments.
    Code,
    /// Code that is no test.
    Shipped,
    /// Code of tests.
    Tests,
}

/// Holds everywhere but where the rules themselves are written.
const ANYWHERE: Rule = Rule {
    within: &[""],
    except: &["tests/tidy/"],
    part: Part::Code,
    beside: "",
    forbidden: &[],
    remedy: "",
};

/// Its tests may read a clock, to see that an answer comes at once.
const INTERPRETER: Rule = Rule {
    within: &["coordinator/interpreter/src/"],
    part: Part::Shipped,
    ..ANYWHERE
};

const SERVER: Rule = Rule {
    within: &["coordinator/server/src/"],
    ..ANYWHERE
};

const RULES: &[Rule] = &[
    Rule {
        part: Part::Shipped,
        forbidden: &["unwrap()"],
        remedy: "return an error, or `expect` what the types can't say",
        ..ANYWHERE
    },
    Rule {
        forbidden: &["todo!", "unimplemented!", "dbg!"],
        remedy: "write what belongs there",
        ..ANYWHERE
    },
    Rule {
        part: Part::Text,
        forbidden: &["FIXME", "XXX"],
        remedy: "fix it, or open an issue and name its number",
        ..ANYWHERE
    },
    Rule {
        forbidden: &["#[ignore", "#![ignore"],
        remedy: "let the test run, or delete it",
        ..ANYWHERE
    },
    Rule {
        forbidden: &["#[allow(", "#![allow("],
        remedy: "use #[expect(lint, reason = \"…\")]",
        ..ANYWHERE
    },
    Rule {
        beside: "serde(",
        forbidden: &["flatten", "untagged"],
        remedy: "write the type out: both lose errors and numbers",
        ..ANYWHERE
    },
    Rule {
        part: Part::Tests,
        forbidden: &["sleep("],
        remedy: "wait for the event itself, or move a clock that is an argument",
        ..ANYWHERE
    },
    Rule {
        forbidden: &["SystemTime", "Instant", "Timestamp::now", "Zoned::now"],
        remedy: "the interpreter gets `now` as an argument (invariant 1)",
        ..INTERPRETER
    },
    Rule {
        forbidden: &["Uuid::new_v4", "Uuid::now_v7", "rand::", "getrandom"],
        remedy: "derive it from the execution and the sequence (invariant 1)",
        ..INTERPRETER
    },
    Rule {
        forbidden: &[
            "std::fs",
            "fs::",
            "std::net",
            "net::",
            "std::env",
            "env::",
            "std::process",
            "process::",
            "std::thread",
            "thread::",
            "stdin(",
            "stdout(",
            "stderr(",
            "println!",
            "print!",
            "eprintln!",
            "eprint!",
        ],
        remedy: "the interpreter does no I/O: return an effect (invariant 1)",
        ..INTERPRETER
    },
    Rule {
        forbidden: &[
            "async fn",
            "async move",
            ".await",
            "tokio",
            "lapin",
            "sqlx",
            "axum",
            "tracing",
        ],
        remedy: "the interpreter neither awaits nor knows the shell (invariant 1)",
        ..INTERPRETER
    },
    Rule {
        except: &["coordinator/server/src/advance"],
        forbidden: &["decide(", "::decide"],
        remedy: "only `advance` calls `decide` (invariant 2)",
        ..SERVER
    },
    Rule {
        except: &["coordinator/server/src/store"],
        forbidden: &[
            "sqlx::query",
            "sqlx::query_as",
            "sqlx::query_scalar",
            "sqlx::raw_sql",
            "query_as(",
            "query_scalar(",
            "QueryBuilder",
            "\"SELECT ",
            "\"INSERT INTO ",
            "\"UPDATE ",
            "\"DELETE FROM ",
        ],
        remedy: "SQL lives in `store`, one named function a statement (invariant 5)",
        ..SERVER
    },
    Rule {
        except: &["coordinator/server/src/bus"],
        forbidden: &["lapin"],
        remedy: "AMQP lives in `bus` (invariant 5)",
        ..SERVER
    },
    Rule {
        except: &["coordinator/server/src/api"],
        forbidden: &["axum"],
        remedy: "HTTP lives in `api` (invariant 5)",
        ..SERVER
    },
    Rule {
        within: &["coordinator/server/src/api"],
        forbidden: &["crate::bus", "bus::"],
        remedy: "`api` hands its inputs to `advance` and never uses `bus` (invariant 5)",
        ..SERVER
    },
];

/// What a file has that a rule forbids.
pub fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in RULES.iter().filter(|rule| rule.holds_in(source)) {
        for (number, line) in (1..).zip(&source.lines) {
            let text = rule.part.of(line);
            let found = rule.forbidden.iter().find(|word| occurs(text, word));
            if let Some(word) = found.filter(|_| text.contains(rule.beside)) {
                let fault = format!("`{word}`: {}", rule.remedy);
                findings.push(Finding {
                    path: source.path.clone(),
                    line: number,
                    fault,
                });
            }
        }
    }
    findings
}

impl Rule {
    fn holds_in(&self, source: &Source) -> bool {
        let begins = |prefix: &&str| source.path.starts_with(prefix);
        source.is_rust() && self.within.iter().any(begins) && !self.except.iter().any(begins)
    }
}

impl Part {
    /// What of a line this part has; nothing is an empty text.
    fn of(self, line: &Line) -> &str {
        match self {
            Self::Text => &line.text,
            Self::Code => line.code(),
            Self::Shipped if !line.test => line.code(),
            Self::Tests if line.test => line.code(),
            Self::Shipped | Self::Tests => "",
        }
    }
}

/// Whether a text has a word that is not part of a longer one.
fn occurs(text: &str, word: &str) -> bool {
    let joins = |a: Option<char>, b: Option<char>| {
        let is_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        is_name(a) && is_name(b)
    };
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        !joins(before.chars().next_back(), word.chars().next())
            && !joins(word.chars().next_back(), after.chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_text(path: &str, text: &str, expected: &[&str]) {
        let findings: Vec<String> = check(&Source::new(path, text))
            .iter()
            .map(Finding::to_string)
            .collect();
        assert_eq!(findings, expected);
    }

    /// A path where a rule holds.
    fn place(rule: &Rule) -> String {
        let directory = if rule.part == Part::Tests {
            "tests/store"
        } else {
            rule.within[0]
        };
        format!("{directory}/file.rs")
    }

    #[test]
    fn every_word_of_every_rule_is_found() {
        for rule in RULES {
            for word in rule.forbidden {
                let text = format!("fine();\n{} {word}\n", rule.beside);
                let findings = check(&Source::new(&place(rule), &text));
                let found = findings
                    .iter()
                    .any(|finding| finding.line == 2 && finding.fault.ends_with(rule.remedy));
                assert!(found, "{word} in {} gave {findings:?}", place(rule));
            }
        }
    }

    #[test]
    fn every_exception_is_made() {
        for rule in RULES {
            for except in rule.except {
                let source = Source::new(&format!("{except}/file.rs"), "");
                assert!(!rule.holds_in(&source), "{except}");
            }
        }
    }

    #[test]
    fn a_finding_names_file_line_and_remedy() {
        check_text(
            "coordinator/server/src/api/tasks.rs",
            "\nuse crate::bus::Bus;\n",
            &[
                "coordinator/server/src/api/tasks.rs:2: `crate::bus`: `api` hands its inputs to \
               `advance` and never uses `bus` (invariant 5)",
            ],
        );
    }

    #[test]
    fn comments_may_speak_of_anything() {
        check_text(
            "coordinator/interpreter/src/decide.rs",
            "//! Never a SystemTime.\n",
            &[],
        );
    }

    #[test]
    fn tests_may_unwrap() {
        let text = "#[cfg(test)]\nmod tests {\n    fn a() {\n        b().unwrap();\n    }\n}\n";
        check_text("coordinator/server/src/store/mod.rs", text, &[]);
    }

    #[test]
    fn iterators_may_flatten() {
        check_text("coordinator/server/src/timers.rs", "a.flatten()\n", &[]);
    }

    #[test]
    fn a_longer_word_is_another_word() {
        assert!(occurs("use rand::random;", "rand::"));
        assert!(!occurs("use brand::random;", "rand::"));
        assert!(occurs("let a = decide(b);", "decide("));
        assert!(!occurs("let a = redecide(b);", "decide("));
        assert!(!occurs("use lapin_pool;", "lapin"));
    }
}
