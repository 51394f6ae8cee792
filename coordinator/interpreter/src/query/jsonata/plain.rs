//! Expressions that only walk from name to name, `$states.input.order.amount`: found without the engine, and without
//! copying what they walk through.

use jsonata_core::ast::{AstNode, PathStep};
use serde_json::Value;

use crate::query::Data;

/// A walk from a variable, or from a member of `$states`.
#[derive(Debug)]
pub(super) struct Plain {
    root: String,
    names: Vec<String>,
}

impl Plain {
    /// The walk that an expression is; `None` when it is more.
    pub(super) fn of(tree: &AstNode) -> Option<Plain> {
        let (root, names) = match tree {
            AstNode::Variable(root) => (root, Vec::new()),
            AstNode::Path { steps } => {
                let (first, rest) = steps.split_first()?;
                let AstNode::Variable(root) = bare(first)? else {
                    return None;
                };
                let names = rest.iter().map(|step| match bare(step)? {
                    AstNode::Name(name) => Some(name.clone()),
                    _ => None,
                });
                (root, names.collect::<Option<_>>()?)
            }
            _ => return None,
        };
        let is_whole = root == "states" && names.is_empty();
        // `$` and `$$` are what an expression is applied to, which is nothing here.
        (!root.is_empty() && !is_whole).then(|| Plain {
            root: root.clone(),
            names,
        })
    }

    /// What it finds: `Some(None)` is nothing, `None` leaves it to the engine.
    pub(super) fn find<'a>(&self, data: &Data<'a>) -> Option<Option<&'a Value>> {
        let (mut found, names) = if self.root == "states" {
            let (member, rest) = self.names.split_first()?;
            let found = match member.as_str() {
                "input" => Some(data.input),
                "result" => data.result,
                "errorOutput" => data.error_output,
                _ => return None,
            };
            (found, rest)
        } else {
            (data.variables.variable(&self.root), self.names.as_slice())
        };
        for name in names {
            found = match found {
                Some(Value::Object(members)) => members.get(name),
                // Each of its items is walked through.
                Some(Value::Array(_)) => return None,
                _ => None,
            };
        }
        Some(found)
    }
}

/// The node of a step that does nothing else.
fn bare(step: &PathStep) -> Option<&AstNode> {
    let is_bare = step.stages.is_empty()
        && step.focus.is_none()
        && step.index_var.is_none()
        && step.ancestor_label.is_none();
    is_bare.then_some(&step.node)
}
