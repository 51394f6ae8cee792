//! What is wrong with a definition, where it stands in the text, and what would be right.
//!
//! A check reports a fault at a [`Spot`] of the document; line and column are worked out once, in the end, in one
//! pass over the text, however many faults there are.

use std::fmt;

use super::document::Spot;
use crate::limits::{DEFINITION_FAULTS_MAX, FAULT_EXCERPT_CHARACTERS_MAX};

/// One thing that is wrong with a definition. It prints as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Whether the definition is refused for it.
    pub severity: Severity,
    /// Step Functions' code where it has one for this fault, else ours.
    pub code: FaultCode,
    /// The offending value or key as a JSON pointer (RFC 6901): `/States/A/Next`; empty for the whole definition.
    pub pointer: String,
    /// The line of the offending value or key in the text, from 1.
    pub line: u32,
    /// The column of the offending value or key in its line, from 1, in characters.
    pub column: u32,
    /// What is wrong; Step Functions' own words where they are known.
    pub problem: String,
    /// What would be right.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.pointer.is_empty() {
            "/"
        } else {
            &self.pointer
        };
        write!(
            formatter,
            "line {}, {pointer}: {}; {}",
            self.line,
            self.problem.trim_end_matches('.'),
            self.remedy
        )
    }
}

/// How grave a [`Fault`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The definition is refused.
    Error,
    /// The definition runs, but hardly as its author means it.
    Warning,
}

/// The kind of a [`Fault`]. Source: Step Functions, "ValidateStateMachineDefinitionDiagnostic"; the saga extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultCode {
    /// The text is not JSON.
    InvalidJsonDescription,
    /// A field is missing, unknown, of the wrong type or out of range, or something that this version does not run.
    SchemaValidationFailed,
    /// Objects and arrays stand too deep inside one another.
    TooDeeplyNested,
    /// `Resource` is nothing that a Task can be sent to.
    InvalidResource,
    /// A transition leads nowhere, or no transition leads to a state.
    MissingTransitionTarget,
    /// No state of a block ends it.
    MissingEndState,
    /// Two states of the machine have one name.
    DuplicateStateName,
    /// A state's name is empty or too long.
    InvalidStateName,
    /// `Through` names a state that some way to its Compensate state goes around.
    ThroughNotOnEveryWay,
    /// A pivot stands in a branch, an iteration or a loop, or on one way with another.
    PivotMisplaced,
    /// A `Compensate` state or Catcher stands after a pivot.
    UndoAfterPivot,
    /// Warning: a value looks like a path, but its field does not end in `.$`.
    NoDollar,
    /// Warning: `Result` of a Pass has a field that ends in `.$`, which is not evaluated.
    PassResultIsStatic,
    /// Warning: an error name that nothing raises.
    UnknownErrorName,
    /// Warning: an undo reads `$.Result` or `$.Output`, which are null when the outcome is unknown.
    CompensationReadsResult,
    /// Warning: an undo is sent where its step is sent.
    CompensationSharesResource,
    /// Warning: a plain Catch leaves what the aborted branches did as it is.
    CatchKeepsEffects,
    /// Warning: the undo of a pivot never runs.
    PivotIsNotUndone,
    /// Warning: a variable is read that nothing assigns.
    UnassignedVariable,
    /// Warning: a field that does something in AWS only.
    NoEffect,
}

impl FaultCode {
    /// The code as Step Functions writes it: `SCHEMA_VALIDATION_FAILED`.
    pub fn as_str(self) -> &'static str {
        match self {
            FaultCode::InvalidJsonDescription => "INVALID_JSON_DESCRIPTION",
            FaultCode::SchemaValidationFailed => "SCHEMA_VALIDATION_FAILED",
            FaultCode::TooDeeplyNested => "TOO_DEEPLY_NESTED",
            FaultCode::InvalidResource => "INVALID_RESOURCE",
            FaultCode::MissingTransitionTarget => "MISSING_TRANSITION_TARGET",
            FaultCode::MissingEndState => "MISSING_END_STATE",
            FaultCode::DuplicateStateName => "DUPLICATE_STATE_NAME",
            FaultCode::InvalidStateName => "INVALID_STATE_NAME",
            FaultCode::NoDollar => "NO_DOLLAR",
            FaultCode::PassResultIsStatic => "PASS_RESULT_IS_STATIC",
            FaultCode::UnknownErrorName => "UNKNOWN_ERROR_NAME",
            FaultCode::CompensationReadsResult => "COMPENSATION_READS_RESULT",
            FaultCode::CompensationSharesResource => "COMPENSATION_SHARES_RESOURCE",
            FaultCode::CatchKeepsEffects => "CATCH_KEEPS_EFFECTS",
            FaultCode::ThroughNotOnEveryWay => "THROUGH_NOT_ON_EVERY_WAY",
            FaultCode::PivotMisplaced => "PIVOT_MISPLACED",
            FaultCode::UndoAfterPivot => "UNDO_AFTER_PIVOT",
            FaultCode::PivotIsNotUndone => "PIVOT_IS_NOT_UNDONE",
            FaultCode::UnassignedVariable => "UNASSIGNED_VARIABLE",
            FaultCode::NoEffect => "NO_EFFECT",
        }
    }
}

impl fmt::Display for FaultCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The faults found so far, and where in the text each stands.
#[derive(Debug, Default)]
pub(super) struct Faults {
    errors: Vec<(usize, Fault)>,
    warnings: Vec<(usize, Fault)>,
}

impl Faults {
    /// Whether the definition is refused.
    pub(super) fn any_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Whether no further error is told, so that its message need not be made.
    pub(super) fn full(&self) -> bool {
        self.errors.len() >= DEFINITION_FAULTS_MAX
    }

    /// Reports what the definition is refused for.
    pub(super) fn error(
        &mut self,
        spot: Spot<'_>,
        code: FaultCode,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        push(
            &mut self.errors,
            Severity::Error,
            spot,
            code,
            problem.into(),
            remedy.into(),
        );
    }

    /// Reports a breach of the language's grammar: most errors are one.
    pub(super) fn schema(
        &mut self,
        spot: Spot<'_>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.error(spot, FaultCode::SchemaValidationFailed, problem, remedy);
    }

    /// Reports what is allowed, but hardly meant.
    pub(super) fn warning(
        &mut self,
        spot: Spot<'_>,
        code: FaultCode,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        push(
            &mut self.warnings,
            Severity::Warning,
            spot,
            code,
            problem.into(),
            remedy.into(),
        );
    }

    /// The errors and the warnings, each in the order of the text, with line and column.
    pub(super) fn located(self, text: &str) -> (Vec<Fault>, Vec<Fault>) {
        (locate(self.errors, text), locate(self.warnings, text))
    }
}

fn push(
    faults: &mut Vec<(usize, Fault)>,
    severity: Severity,
    spot: Spot<'_>,
    code: FaultCode,
    problem: String,
    remedy: String,
) {
    if faults.len() >= DEFINITION_FAULTS_MAX {
        return;
    }
    let pointer = spot.pointer();
    let fault = Fault {
        severity,
        code,
        pointer,
        line: 0,
        column: 0,
        problem,
        remedy,
    };
    faults.push((spot.offset(), fault));
}

/// Gives each fault its line and column in one pass over the text.
fn locate(mut faults: Vec<(usize, Fault)>, text: &str) -> Vec<Fault> {
    faults.sort_by_key(|(offset, _)| *offset);
    let mut characters = text.char_indices().peekable();
    let (mut line, mut column) = (1, 1);
    let mut located = Vec::with_capacity(faults.len());
    for (offset, mut fault) in faults {
        while let Some((_, character)) = characters.next_if(|(at, _)| *at < offset) {
            if character == '\n' {
                (line, column) = (line + 1, 1);
            } else {
                column += 1;
            }
        }
        (fault.line, fault.column) = (line, column);
        located.push(fault);
    }
    located
}

/// A text from the definition, for use in a sentence: cut when it is long, and on one line.
pub(super) fn excerpt(text: &str) -> String {
    let mut excerpt: String = text
        .chars()
        .take(FAULT_EXCERPT_CHARACTERS_MAX)
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect();
    if text.chars().nth(FAULT_EXCERPT_CHARACTERS_MAX).is_some() {
        excerpt.push('…');
    }
    excerpt
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::definition::Machine;

    /// Every fault of a definition, errors before warnings, as `pointer problem` or `pointer warning: problem`.
    pub(in crate::definition) fn faults(definition: &str) -> Vec<String> {
        let faults = match Machine::parse(definition) {
            Ok((_, warnings)) => warnings,
            Err(errors) => errors,
        };
        let print = |fault: Fault| match fault.severity {
            Severity::Error => format!("{} {}", fault.pointer, fault.problem),
            Severity::Warning => format!("{} warning: {}", fault.pointer, fault.problem),
        };
        faults.into_iter().map(print).collect()
    }

    /// The faults of one state, by pointers relative to it. It stands first, and may lead to a state `B`.
    pub(in crate::definition) fn state_faults(state: &str) -> Vec<String> {
        let successor = if state.contains(r#""B""#) {
            r#","B":{"Type":"Succeed"}"#
        } else {
            ""
        };
        let definition = format!(r#"{{"StartAt":"A","States":{{"A":{state}{successor}}}}}"#);
        faults(&definition)
            .into_iter()
            .map(|fault| fault.replacen("/States/A", "", 1))
            .collect()
    }

    fn check(definition: &str, expected: &str) {
        let printed: Vec<_> = Machine::parse(definition)
            .expect_err("a fault")
            .iter()
            .map(Fault::to_string)
            .collect();
        assert_eq!(printed.join("\n"), expected);
    }

    #[test]
    fn a_fault_prints_as_one_line() {
        check(
            "{\n \"StartAt\": \"A\",\n \"States\": {\n  \"A\": { \"Type\": \"Pass\", \"Next\": \"Done\" },\n  \"Don\": { \"Type\": \"Succeed\" }}}",
            "line 4, /States/A/Next: Missing 'Next' target: Done; did you mean 'Don'?\n\
             line 5, /States/Don: State \"Don\" is not reachable; lead a 'Next', 'Default' or 'Catch' to it, or remove it",
        );
    }

    #[test]
    fn a_fault_of_the_whole_is_at_the_root() {
        check(
            "{}",
            "line 1, /: These fields are required: [States, StartAt]; add States, StartAt",
        );
    }

    #[test]
    fn a_pointer_escapes_slashes_and_tildes() {
        check(
            r#"{"StartAt":"a/b~c","States":{"a/b~c":{"Type":"Succeed","X":1}}}"#,
            "line 1, /States/a~1b~0c/X: Field 'X' is not supported; \
             a Succeed state has these: Type, Comment, QueryLanguage, InputPath, OutputPath",
        );
    }

    #[test]
    fn a_text_of_the_definition_stays_on_the_line() {
        check(
            r#"{"StartAt":"a\nb","States":{}}"#,
            "line 1, /States: Value cannot be empty; 'States' holds at least one state",
        );
        assert_eq!(excerpt("a\nb"), "a\u{fffd}b");
        assert_eq!(
            excerpt(&"x".repeat(200)).chars().count(),
            FAULT_EXCERPT_CHARACTERS_MAX + 1
        );
    }
}
