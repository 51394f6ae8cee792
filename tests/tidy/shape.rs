//! How long files and functions may be, and how files may not be named.

use crate::Finding;
use crate::source::{Line, Source, item_end};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// Packages that stay small, and how many lines their sources may have together.
const PACKAGE_LINES_MAX: &[(&str, usize)] = &[("coordinator/dev-broker", 2_500)];

/// Names that say nothing, and so gather everything.
const NAMELESS: &[&str] = &["utils", "common", "helpers"];

/// What is too long or badly named in a file.
pub fn check(source: &Source) -> Vec<Finding> {
    if !source.is_rust() {
        return Vec::new();
    }
    let find = |line: usize, fault: String| Finding {
        path: source.path.clone(),
        line,
        fault,
    };
    let mut findings = Vec::new();
    if source
        .path
        .trim_end_matches(".rs")
        .split('/')
        .any(|part| NAMELESS.contains(&part))
    {
        findings.push(find(
            1,
            "a name without a subject: name the file after what it holds".into(),
        ));
    }
    let lines = source.lines.len();
    if lines > FILE_LINES_MAX {
        let fault =
            format!("{lines} lines, more than {FILE_LINES_MAX}: cut where two subjects meet");
        findings.push(find(FILE_LINES_MAX + 1, fault));
    }
    for (begin, length) in functions(&source.lines) {
        if length > FUNCTION_LINES_MAX {
            let fault = format!(
                "a function of {length} lines, more than {FUNCTION_LINES_MAX}: branch here, compute \
                 in functions of their own"
            );
            findings.push(find(begin + 1, fault));
        }
    }
    findings
}

/// Which packages have grown past what was agreed.
pub fn check_together(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (package, lines_max) in PACKAGE_LINES_MAX {
        let folder = format!("{package}/src/");
        let of_it = sources.iter();
        let of_it = of_it.filter(|it| it.is_rust() && it.path.starts_with(&folder));
        let lines: usize = of_it.map(|source| source.lines.len()).sum();
        if lines > *lines_max {
            findings.push(Finding {
                path: (*package).to_owned(),
                line: 1,
                fault: format!("{lines} lines, more than {lines_max}: it stays small, or something else takes its place"),
            });
        }
    }
    findings
}

/// Where each function begins (from 0), and how many lines it has.
fn functions(lines: &[Line]) -> impl Iterator<Item = (usize, usize)> {
    (0..lines.len())
        .filter(|&at| begins_function(lines[at].code()))
        .map(|begin| {
            let end = item_end(lines, begin).unwrap_or(lines.len() - 1);
            (begin, end - begin + 1)
        })
}

fn begins_function(code: &str) -> bool {
    let is_qualifier = |word: &&str| {
        word.starts_with("pub") || ["const", "async", "unsafe", "extern", "\"C\""].contains(word)
    };
    let mut words = code.split_whitespace().skip_while(is_qualifier);
    words.next() == Some("fn") && words.next().is_some()
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

    fn function(head: &str, body_lines: usize) -> String {
        format!("{head} {{\n{}}}\n", "    a();\n".repeat(body_lines))
    }

    #[test]
    fn a_function_of_seventy_lines_is_fine() {
        check_text("a.rs", &function("fn a()", 68), &[]);
    }

    #[test]
    fn a_longer_function_is_found() {
        let text = format!(
            "{}\n{}",
            function("fn a()", 3),
            function("pub(crate) async fn b()", 69)
        );
        check_text(
            "a.rs",
            &text,
            &[
                "a.rs:7: a function of 71 lines, more than 70: branch here, compute in functions of \
               their own",
            ],
        );
    }

    #[test]
    fn a_signature_of_several_lines_is_part_of_its_function() {
        let source = Source::new(
            "a.rs",
            "fn a(\n    b: u8,\n) -> u8 {\n    if b {\n    }\n}\nfn c() {}\n",
        );
        assert_eq!(
            functions(&source.lines).collect::<Vec<_>>(),
            [(0, 6), (6, 1)]
        );
    }

    #[test]
    fn a_function_without_a_body_ends_with_its_signature() {
        let source = Source::new(
            "a.rs",
            "trait A {\n    fn a(\n        &self,\n    );\n    fn b();\n}\n",
        );
        assert_eq!(
            functions(&source.lines).collect::<Vec<_>>(),
            [(1, 3), (4, 1)]
        );
    }

    #[test]
    fn a_long_file_is_found_at_its_first_line_too_many() {
        check_text("a.rs", &"\n".repeat(500), &[]);
        check_text(
            "a.rs",
            &"\n".repeat(501),
            &["a.rs:501: 501 lines, more than 500: cut where two subjects meet"],
        );
    }

    #[test]
    fn a_name_without_a_subject_is_found() {
        let fault = "a name without a subject: name the file after what it holds";
        check_text("a/utils.rs", "", &[&format!("a/utils.rs:1: {fault}")]);
        check_text("common/mod.rs", "", &[&format!("common/mod.rs:1: {fault}")]);
        check_text("a/commons.rs", "", &[]);
    }

    #[test]
    fn a_package_that_outgrows_what_was_agreed_is_found() {
        let file = |path: &str, lines| Source::new(path, &"\n".repeat(lines));
        let agreed = [
            file("coordinator/dev-broker/src/a.rs", 1_500),
            file("coordinator/dev-broker/src/b/c.rs", 1_000),
            file("coordinator/dev-broker/tests/a.rs", 400),
        ];
        assert_eq!(check_together(&agreed), []);
        let more = file("coordinator/dev-broker/src/d.rs", 1);
        let all: Vec<Source> = agreed.into_iter().chain([more]).collect();
        let found = check_together(&all);
        assert_eq!(found.len(), 1);
        assert!(
            found[0].fault.starts_with("2501 lines, more than 2500"),
            "{}",
            found[0]
        );
    }
}
