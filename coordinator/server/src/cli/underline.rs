//! A fault of a definition as compilers show it: what is wrong, the line, and what would be right.

use std::io::{self, Write};
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use sagamore_interpreter::definition::{Fault, Severity};

/// Writes a fault of the definition `text`. A long line is cut to what stands around the fault.
///
/// # Errors
/// `output` can't be written.
pub(super) fn write_fault(
    name: &str,
    text: &str,
    fault: &Fault,
    is_colored: bool,
    output: &mut dyn Write,
) -> io::Result<()> {
    let level = match fault.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level
        .primary_title(fault.problem.trim_end())
        .id(fault.code.as_str());
    let number = fault.line as usize;
    let line = text.split('\n').nth(number - 1).unwrap_or_default();
    let place = if fault.pointer.is_empty() {
        "the definition"
    } else {
        &fault.pointer
    };
    let mark = AnnotationKind::Primary.span(token(line, fault.column as usize));
    let snippet = Snippet::source(line)
        .line_start(number)
        .path(name)
        .annotation(mark.label(place));
    let report = [title
        .element(snippet)
        .element(Level::HELP.message(fault.remedy.as_str()))];
    let renderer = if is_colored {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    writeln!(output, "{}\n", renderer.render(&report))
}

/// The bytes of what begins at a column (from 1, in characters): a text with its quotes, a bracket, or a word.
fn token(line: &str, column: usize) -> Range<usize> {
    let start = line.char_indices().nth(column - 1);
    let start = start.map_or(line.len(), |(at, _)| at);
    let rest = &line[start..];
    let length = match rest.chars().next() {
        Some('"') => closing_quote(rest),
        Some('{' | '[') => 1,
        Some(first) => rest
            .find([',', ':', '}', ']', ' ', '\t', '\r'])
            .unwrap_or(rest.len())
            .max(first.len_utf8()),
        None => 0,
    };
    start..start + length
}

/// How many bytes a text in quotes takes, to its closing quote or, without one, to the end of the line.
fn closing_quote(rest: &str) -> usize {
    let mut is_escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            '"' if !is_escaped => return at + 1,
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use sagamore_interpreter::definition::Machine;

    use super::*;

    fn told(text: &str) -> String {
        let mut output = Vec::new();
        for fault in Machine::parse(text).expect_err("it is refused") {
            write_fault("loan.json", text, &fault, false, &mut output).unwrap();
        }
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn the_fault_is_underlined_in_its_line() {
        let text = "{\n  \"StartAt\": \"Déb\\\"it\",\n  \"States\": {\"Debit\": {\"Type\": \"Succeed\"}}\n}";
        let expected = r#"error[MISSING_TRANSITION_TARGET]: Missing 'Next' target: Déb"it
 --> loan.json:2:14
  |
2 |   "StartAt": "Déb\"it",
  |              ^^^^^^^^^ /StartAt
  |
  = help: did you mean 'Debit'?

"#;
        assert_eq!(told(text), expected);
    }

    #[test]
    fn what_is_no_text_is_underlined_too() {
        let text = r#"{"StartAt":"A","States":{"A":{"Type":"Pass","End":17}}}"#;
        assert!(told(text).contains(" ^^ /States/A/End\n"), "{}", told(text));
        assert!(
            told("[]").contains("\n1 | []\n  | ^ the definition\n"),
            "{}",
            told("[]")
        );
        assert!(told("{").contains("--> loan.json:1:"), "{}", told("{"));
        assert!(told("").contains("--> loan.json:1:1\n"), "{}", told(""));
    }

    #[test]
    fn a_long_line_is_cut_around_the_fault() {
        let comment = "x".repeat(500_000);
        let text = format!(
            r#"{{"Comment":"{comment}","StartAt":"B","States":{{"A":{{"Type":"Succeed","Comment":"{comment}"}}}}}}"#
        );
        let told = told(&text);
        assert!(told.len() < 1000, "{} bytes", told.len());
        assert!(told.contains(r#""StartAt":"B""#), "{told}");
    }
}
