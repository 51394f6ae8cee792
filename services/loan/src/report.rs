//! What came of the applicants, compared with what had to.

use std::fmt::Write;

use crate::applicants::{Applicant, Expected};

/// How an execution ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actual {
    /// Its status.
    pub status: String,
    /// Its error, if it failed.
    pub error: Option<String>,
    /// The status of its compensation.
    pub compensation: String,
    /// The states that were undone, in order; each once, however many rounds it took.
    pub undone: Vec<String>,
    /// Whether it was suspended, and an operator helped.
    pub operator: bool,
}

/// What is other than expected, one sentence each; empty if all is well.
pub fn differences(expected: &Expected, actual: &Actual) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, expected: String, actual: String| {
        if expected != actual {
            differences.push(format!("{what} is {actual}, not {expected}"));
        }
    };
    compare(
        "the status",
        expected.status.to_owned(),
        actual.status.clone(),
    );
    let error = |error: Option<&str>| error.unwrap_or("none").to_owned();
    compare(
        "the error",
        error(expected.error),
        error(actual.error.as_deref()),
    );
    compare(
        "the compensation",
        expected.compensation.to_owned(),
        actual.compensation.clone(),
    );
    compare(
        "what was undone",
        listed(expected.undone),
        listed(&actual.undone),
    );
    compare(
        "the operator's part",
        part(expected.operator),
        part(actual.operator),
    );
    differences
}

/// How each applicant ended, as text: one line each, and one for each difference.
pub fn table(outcomes: &[(Applicant, Actual)]) -> String {
    let heads = [
        "applicant",
        "status",
        "error",
        "compensation",
        "undone, in order",
    ];
    let mut rows = vec![heads.map(str::to_owned)];
    for (applicant, actual) in outcomes {
        rows.push([
            applicant.story.to_owned(),
            actual.status.clone(),
            actual.error.clone().unwrap_or_default(),
            actual.compensation.clone(),
            actual.undone.join(", "),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..heads.len()).filter_map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    for (applicant, actual) in outcomes {
        for difference in differences(&applicant.expected, actual) {
            let _ = writeln!(text, "{}: {difference}", applicant.story);
        }
    }
    text
}

fn listed<T: AsRef<str>>(states: &[T]) -> String {
    if states.is_empty() {
        return "nothing".to_owned();
    }
    let names: Vec<&str> = states.iter().map(AsRef::as_ref).collect();
    names.join(", ")
}

fn part(retried: bool) -> String {
    let text = if retried { "a retry" } else { "nothing" };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applicants::applicants;

    fn as_expected(expected: &Expected) -> Actual {
        Actual {
            status: expected.status.to_owned(),
            error: expected.error.map(str::to_owned),
            compensation: expected.compensation.to_owned(),
            undone: expected
                .undone
                .iter()
                .map(|&state| state.to_owned())
                .collect(),
            operator: expected.operator,
        }
    }

    #[test]
    fn what_is_as_expected_has_no_differences() {
        for applicant in applicants() {
            let actual = as_expected(&applicant.expected);
            assert_eq!(
                differences(&applicant.expected, &actual),
                Vec::<String>::new()
            );
        }
    }

    #[test]
    fn each_difference_is_told() {
        let applicant = applicants().pop().unwrap();
        let expected = [
            "the status is RUNNING, not FAILED",
            "the error is none, not Transfer.Refused",
            "the compensation is SUSPENDED, not COMPENSATED",
            "what was undone is RegisterLoan, not RegisterLoan, ReserveFunds, CheckCredit, OpenApplication",
            "the operator's part is nothing, not a retry",
        ];
        let actual = Actual {
            status: "RUNNING".to_owned(),
            compensation: "SUSPENDED".to_owned(),
            undone: vec!["RegisterLoan".to_owned()],
            ..Actual::default()
        };
        assert_eq!(differences(&applicant.expected, &actual), expected);
        let table = table(&[(applicant, actual)]);
        assert_eq!(table.lines().count(), 7, "{table}");
    }
}
