//! The steps that a path is made of, and how a message writes them.

use std::fmt;

use super::filter::Test;
use super::function::Call;

/// One step of a path.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// `.name` or `['name']`
    Property(String),
    /// `['a','b']`: as the last step one object of both, else both in turn.
    Properties(Vec<String>),
    /// `[0]`, `[-1]`
    Index(i64),
    /// `[0,2]`
    Indexes(Vec<i64>),
    /// `[1:]`, `[:2]`, `[1:2]`
    Slice { from: Option<i64>, to: Option<i64> },
    /// `*`
    Wildcard,
    /// `..`: the step after it is tried on every node. The parser sees to it that there is one.
    Scan,
    /// `[?(…)]`
    Filter(Test),
    /// `.length()` and its like
    Function(Call),
}

impl Step {
    /// Names one node at most; `last` tells whether it ends the path.
    pub(super) fn is_definite(&self, last: bool) -> bool {
        match self {
            Step::Property(_) | Step::Index(_) | Step::Function(_) => true,
            Step::Properties(_) => last,
            Step::Indexes(_) | Step::Slice { .. } => false,
            Step::Wildcard | Step::Scan | Step::Filter(_) => false,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Property(name) => write!(f, "['{name}']"),
            Step::Properties(names) => write!(f, "['{}']", names.join("','")),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Indexes(indexes) => {
                let indexes: Vec<String> = indexes.iter().map(i64::to_string).collect();
                write!(f, "[{}]", indexes.join(","))
            }
            Step::Slice { from, to } => {
                let [from, to] =
                    [from, to].map(|end| end.map(|n| n.to_string()).unwrap_or_default());
                write!(f, "[{from}:{to}]")
            }
            Step::Wildcard => f.write_str("[*]"),
            Step::Scan => f.write_str(".."),
            Step::Filter(_) => f.write_str("[?]"),
            Step::Function(call) => write!(f, ".{}()", call.function.name()),
        }
    }
}

/// Writes `steps` as Jayway does: `$['a'][0]`.
pub(super) fn normal_form(steps: &[Step]) -> String {
    let mut text = String::from("$");
    for step in steps {
        text.push_str(&step.to_string());
    }
    text
}
