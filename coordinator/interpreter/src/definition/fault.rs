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
            self.line, self.problem, self.remedy
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
