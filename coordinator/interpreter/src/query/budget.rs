//! How much one evaluation may still look at and copy. It makes every query bounded, whatever its
//! text and its data are: `$..*..*` is quadratic, and a template may name `$` ten thousand times.

use std::cell::Cell;
use std::fmt;

use serde_json::Value;

use crate::limits::{EVALUATED_BYTES_MAX, PATH_VISITS_MAX, VALUE_DEPTH_MAX};

/// Which limit an evaluation passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    Visits,
    Bytes,
    Depth,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Excess::Visits => write!(f, "it looks at more than {PATH_VISITS_MAX} nodes"),
            Excess::Bytes => write!(f, "it copies more than {EVALUATED_BYTES_MAX} bytes"),
            Excess::Depth => write!(f, "its value nests deeper than {VALUE_DEPTH_MAX} levels"),
        }
    }
}

/// What one evaluation may still spend.
#[derive(Debug)]
pub(super) struct Budget {
    visits: Cell<usize>,
    bytes: Cell<usize>,
}

impl Budget {
    pub(super) fn new() -> Budget {
        Budget {
            visits: Cell::new(PATH_VISITS_MAX),
            bytes: Cell::new(EVALUATED_BYTES_MAX),
        }
    }

    /// Pays for looking at `nodes`.
    pub(super) fn visit(&self, nodes: usize) -> Result<(), Excess> {
        spend(&self.visits, nodes, Excess::Visits)
    }

    /// Pays for comparing `value` as a whole.
    pub(super) fn visit_all(&self, value: &Value) -> Result<(), Excess> {
        match value {
            Value::String(text) => self.visit(1 + text.len() / 64),
            Value::Array(_) | Value::Object(_) => self.visit(1 + json_bytes(value, 0)? / 8),
            Value::Null | Value::Bool(_) | Value::Number(_) => self.visit(1),
        }
    }

    /// Pays for copying `value` to `depth` levels below the root of what is built.
    pub(super) fn copy(&self, value: &Value, depth: usize) -> Result<(), Excess> {
        self.build(json_bytes(value, depth)?)
    }

    /// Pays for building `bytes` of text.
    pub(super) fn build(&self, bytes: usize) -> Result<(), Excess> {
        spend(&self.bytes, bytes, Excess::Bytes)
    }

    /// Tells whether a limit was passed where the evaluation could not say so (in a filter).
    pub(super) fn check(&self) -> Result<(), Excess> {
        if self.visits.get() == 0 {
            return Err(Excess::Visits);
        }
        Ok(())
    }
}

/// Tells whether `value`, `depth` levels below a root, nests too deeply to be read back.
pub(super) fn check_depth(value: &Value, depth: usize) -> Result<(), Excess> {
    json_bytes(value, depth).map(|_| ())
}

fn spend(left: &Cell<usize>, cost: usize, excess: Excess) -> Result<(), Excess> {
    match left.get().checked_sub(cost) {
        Some(rest) if rest > 0 => {
            left.set(rest);
            Ok(())
        }
        _ => {
            left.set(0);
            Err(excess)
        }
    }
}

/// About as many bytes as the JSON text has; escapes and long numbers are not counted.
fn json_bytes(value: &Value, depth: usize) -> Result<usize, Excess> {
    if depth > VALUE_DEPTH_MAX {
        return Err(Excess::Depth);
    }
    let mut bytes = 4;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => bytes += text.len(),
        Value::Array(items) => {
            for item in items {
                bytes += json_bytes(item, depth + 1)?;
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                bytes += key.len() + json_bytes(member, depth + 1)?;
            }
        }
    }
    Ok(bytes)
}
