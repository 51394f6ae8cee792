//! What a rule of a Choice asks. Source: States Language, "Choice State".

use jiff::Timestamp;

use crate::query::Path;

/// A boolean expression over the state's input.
#[derive(Debug)]
pub enum Condition {
    /// `And`: all hold; never empty.
    And(Vec<Condition>),
    /// `Or`: one holds; never empty.
    Or(Vec<Condition>),
    /// `Not`.
    Not(Box<Condition>),
    /// One comparison or type test of `Variable`.
    Test(Test),
}

/// One question about the value at `variable`.
#[derive(Debug)]
pub struct Test {
    /// `Variable`.
    pub variable: Path,
    /// The question.
    pub comparison: Comparison,
}

/// The question of a [`Test`].
#[derive(Debug)]
pub enum Comparison {
    /// `StringEquals` and its kin, `StringMatches` aside; a value of another type makes it false, never an error.
    Compare(Operator, Operand),
    /// `StringMatches`: `*` stands for any characters, `\*` for itself, `\\` for a backslash.
    StringMatches(String),
    /// `IsNull` and its kin, and whether the test must hold (`true`) or fail (`false`).
    Is(TypeTest, bool),
}

/// How two values are compared. Equality is all that booleans have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `…Equals`
    Equals,
    /// `…LessThan`
    LessThan,
    /// `…GreaterThan`
    GreaterThan,
    /// `…LessThanEquals`
    LessThanEquals,
    /// `…GreaterThanEquals`
    GreaterThanEquals,
}

/// What a value is compared with, and so the type that both must have.
#[derive(Debug)]
pub enum Operand {
    /// `String…`
    String(String),
    /// `Numeric…`
    Numeric(serde_json::Number),
    /// `BooleanEquals`
    Boolean(bool),
    /// `Timestamp…`
    Timestamp(Timestamp),
    /// `String…Path`
    StringPath(Path),
    /// `Numeric…Path`
    NumericPath(Path),
    /// `BooleanEqualsPath`
    BooleanPath(Path),
    /// `Timestamp…Path`
    TimestampPath(Path),
}

/// A test of a value's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeTest {
    /// `IsNull`
    Null,
    /// `IsPresent`: the path finds something, null included.
    Present,
    /// `IsNumeric`
    Numeric,
    /// `IsString`
    String,
    /// `IsBoolean`
    Boolean,
    /// `IsTimestamp`: a string in the language's profile of RFC 3339.
    Timestamp,
}
