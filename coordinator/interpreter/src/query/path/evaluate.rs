//! Looks a path up in a document, step by step.
//!
//! All nodes that a step found are kept in a list and the next step is tried on each, in order; so
//! the depth of the stack does not grow with the path, nor, since `..` keeps a list of its own, with
//! the document.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::step::{Step, normal_form};
use crate::query::budget::{Budget, Excess};

/// Why a path found nothing. Rendered only when somebody wants to read it.
#[derive(Debug)]
pub(super) enum Miss<'v> {
    /// The last step of a definite path matched nothing.
    NoResults,
    /// The name of this step is absent, and more steps follow.
    Missing { step: usize },
    /// The index of this step is past the array's end.
    PastTheEnd { step: usize },
    /// The name of this step is asked of something that is no object.
    NotAnObject { step: usize, found: &'v Value },
    /// The index, slice or filter of this step is applied to something that is no array.
    NotAnArray { step: usize, found: &'v Value },
    /// Nothing was assigned to the variable it starts from.
    Unassigned(String),
    /// A function of the path cannot be applied.
    Function(&'static str),
    /// The evaluation passed a limit.
    Excess(Excess),
}

impl From<Excess> for Miss<'_> {
    fn from(excess: Excess) -> Self {
        Miss::Excess(excess)
    }
}

impl Miss<'_> {
    /// What was missing and where, in Jayway's words.
    pub(super) fn reason(&self, steps: &[Step]) -> String {
        let until = |end: usize| normal_form(steps.get(..end).unwrap_or(steps));
        let fragment = |at: usize| steps.get(at).map(Step::to_string).unwrap_or_default();
        match self {
            Miss::NoResults | Miss::PastTheEnd { .. } => {
                format!("No results for path: {}", normal_form(steps))
            }
            Miss::Missing { step } => format!("Missing property in path {}", until(step + 1)),
            Miss::NotAnObject { step, found } => format!(
                "Expected to find an object with property {} in path {} but found {}",
                fragment(*step),
                until(*step),
                kind(found)
            ),
            Miss::NotAnArray {
                step,
                found: Value::Null,
            } => {
                format!("The path {} is null", until(*step))
            }
            Miss::NotAnArray { step, found } => format!(
                "Filter: {} can only be applied to arrays. Current context is: {found}",
                fragment(*step)
            ),
            Miss::Unassigned(name) => format!("Nothing was assigned to the variable '${name}'"),
            Miss::Function(why) => (*why).to_owned(),
            Miss::Excess(excess) => excess.to_string(),
        }
    }
}

/// The value of a path of names and single indexes.
pub(super) fn look_up<'v>(steps: &[Step], root: &'v Value) -> Result<&'v Value, Miss<'v>> {
    let mut value = root;
    let last = steps.len().saturating_sub(1);
    for (at, step) in steps.iter().enumerate() {
        value = match (step, value) {
            (Step::Property(name), Value::Object(members)) => match members.get(name) {
                Some(member) => member,
                None if at == last => return Err(Miss::NoResults),
                None => return Err(Miss::Missing { step: at }),
            },
            (Step::Property(_), found) => return Err(Miss::NotAnObject { step: at, found }),
            (Step::Index(index), Value::Array(items)) => {
                item(items, *index).ok_or(Miss::PastTheEnd { step: at })?
            }
            (_, found) => return Err(Miss::NotAnArray { step: at, found }),
        };
    }
    Ok(value)
}

/// All nodes that `steps` match from `start`; `root` is what `$` means inside filters.
pub(super) fn walk<'v>(
    steps: &[Step],
    start: &'v Value,
    root: &'v Value,
    budget: &Budget,
) -> Result<Vec<Cow<'v, Value>>, Miss<'v>> {
    let mut nodes = vec![start];
    let mut definite = true;
    let mut at = 0;
    while let Some(step) = steps.get(at) {
        let last = at + 1 == steps.len();
        let mut next = Vec::new();
        match step {
            Step::Scan => {
                let Some(target) = steps.get(at + 1) else {
                    break;
                };
                let last = at + 2 == steps.len();
                for node in nodes {
                    scan(target, last, node, root, budget, &mut next)?;
                }
                at += 1;
                if let (Step::Properties(names), true) = (target, last) {
                    return merge(names, at, &next, false, budget);
                }
            }
            Step::Properties(names) if last => return merge(names, at, &nodes, definite, budget),
            Step::Function(call) => {
                let mut found = Vec::new();
                for node in nodes {
                    budget.visit(1)?;
                    if let Some(value) = call.apply(node, root, budget)? {
                        rest_of(
                            steps.get(at + 1..).unwrap_or_default(),
                            value,
                            root,
                            budget,
                            &mut found,
                        )?;
                    }
                }
                return Ok(found);
            }
            _ => {
                for node in nodes {
                    budget.visit(1)?;
                    apply(step, node, root, budget, &mut next)?;
                    if definite && next.is_empty() {
                        check_definite(step, at, last, node)?;
                    }
                }
            }
        }
        definite &= step.is_definite(last);
        nodes = next;
        at += 1;
    }
    Ok(nodes.into_iter().map(Cow::Borrowed).collect())
}

/// Goes on from a value that a function computed and that nobody else holds.
fn rest_of<'v>(
    steps: &[Step],
    value: Value,
    root: &Value,
    budget: &Budget,
    found: &mut Vec<Cow<'v, Value>>,
) -> Result<(), Miss<'v>> {
    if steps.is_empty() {
        found.push(Cow::Owned(value));
        return Ok(());
    }
    let after = walk(steps, &value, root, budget).map_err(|miss| match miss {
        Miss::Excess(excess) => Miss::Excess(excess),
        _ => Miss::NoResults,
    })?;
    for node in after {
        budget.copy(&node, 0)?;
        found.push(Cow::Owned(node.into_owned()));
    }
    Ok(())
}

/// A step that matched nothing where everything before it was definite: is that an error?
fn check_definite<'v>(step: &Step, at: usize, last: bool, node: &'v Value) -> Result<(), Miss<'v>> {
    match (step, node) {
        (Step::Property(_), Value::Object(_)) if last => Err(Miss::NoResults),
        (Step::Property(_), Value::Object(_)) => Err(Miss::Missing { step: at }),
        (Step::Property(_) | Step::Properties(_), found) if !found.is_object() => {
            Err(Miss::NotAnObject { step: at, found })
        }
        (Step::Index(_), Value::Array(_)) => Err(Miss::PastTheEnd { step: at }),
        (Step::Index(_) | Step::Indexes(_) | Step::Slice { .. }, found) if !found.is_array() => {
            Err(Miss::NotAnArray { step: at, found })
        }
        (Step::Filter(_), found) if !found.is_array() && !found.is_object() => {
            Err(Miss::NotAnArray { step: at, found })
        }
        _ => Ok(()),
    }
}

/// What `step` matches in `node`, appended to `found`.
fn apply<'v>(
    step: &Step,
    node: &'v Value,
    root: &Value,
    budget: &Budget,
    found: &mut Vec<&'v Value>,
) -> Result<(), Excess> {
    match (step, node) {
        (Step::Property(name), Value::Object(members)) => found.extend(members.get(name)),
        (Step::Properties(names), Value::Object(members)) => {
            budget.visit(names.len())?;
            found.extend(names.iter().filter_map(|name| members.get(name)));
        }
        (Step::Index(index), Value::Array(items)) => found.extend(item(items, *index)),
        (Step::Indexes(indexes), Value::Array(items)) => {
            budget.visit(indexes.len())?;
            found.extend(indexes.iter().filter_map(|index| item(items, *index)));
        }
        (Step::Slice { from, to }, Value::Array(items)) => {
            budget.visit(items.len())?;
            found.extend(slice(items.len(), *from, *to).filter_map(|index| item(items, index)));
        }
        (Step::Wildcard, Value::Array(items)) => {
            budget.visit(items.len())?;
            found.extend(items);
        }
        (Step::Wildcard, Value::Object(members)) => {
            budget.visit(members.len())?;
            found.extend(members.values());
        }
        (Step::Filter(test), Value::Array(items)) => {
            for element in items {
                budget.visit(1)?;
                if test.holds(element, root, budget) {
                    found.push(element);
                }
            }
        }
        (Step::Filter(test), Value::Object(_)) if test.holds(node, root, budget) => {
            found.push(node);
        }
        _ => {}
    }
    Ok(())
}

/// Tries `target` on `start` and everything below it, parents before children.
///
/// Two rules are Jayway's own: a filter tests each node itself, not its elements, and where more
/// steps follow, an array that the target fits hands on all its elements.
fn scan<'v>(
    target: &Step,
    last: bool,
    start: &'v Value,
    root: &Value,
    budget: &Budget,
    found: &mut Vec<&'v Value>,
) -> Result<(), Excess> {
    let mut waiting = vec![start];
    while let Some(node) = waiting.pop() {
        budget.visit(1)?;
        match (node, target) {
            (Value::Object(members), Step::Properties(names)) if last => {
                let all = names.iter().all(|name| members.contains_key(name));
                found.extend(all.then_some(node));
            }
            (Value::Object(_), _) => apply(target, node, root, budget, found)?,
            (Value::Array(_), Step::Filter(test)) if !test.holds(node, root, budget) => {}
            (Value::Array(_), Step::Property(_) | Step::Properties(_)) => {}
            (Value::Array(items), _) if !last => {
                budget.visit(items.len())?;
                found.extend(items);
            }
            (Value::Array(_), Step::Filter(_)) => apply(target, node, root, budget, found)?,
            (Value::Array(_), _) => apply(target, node, root, budget, found)?,
            _ => {}
        }
        match node {
            Value::Array(items) => waiting.extend(items.iter().rev()),
            Value::Object(members) => waiting.extend(members.values().rev()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    Ok(())
}

/// The last step `['a','b']`, tried on `nodes`.
fn merge<'v>(
    names: &[String],
    step: usize,
    nodes: &[&'v Value],
    definite: bool,
    budget: &Budget,
) -> Result<Vec<Cow<'v, Value>>, Miss<'v>> {
    let mut found = Vec::new();
    for node in nodes {
        budget.visit(names.len())?;
        match node {
            Value::Object(_) => {
                let object = merged(names, node);
                budget.copy(&object, 0)?;
                found.push(object);
            }
            _ if definite => return Err(Miss::NotAnObject { step, found: node }),
            _ => {}
        }
    }
    Ok(found)
}

/// `['a','b']` at a path's end: one object with those of the names that are there.
fn merged<'v>(names: &[String], node: &Value) -> Cow<'v, Value> {
    let members = names
        .iter()
        .filter_map(|name| Some((name.clone(), node.get(name)?.clone())));
    Cow::Owned(Value::Object(members.collect::<Map<_, _>>()))
}

/// The item at `index`, which counts from the end when negative.
pub(super) fn item(items: &[Value], index: i64) -> Option<&Value> {
    let from_start = usize::try_from(index).ok();
    let from_end = || {
        items
            .len()
            .checked_sub(usize::try_from(index.unsigned_abs()).ok()?)
    };
    items.get(from_start.or_else(from_end)?)
}

/// The indexes of a slice, as Jayway counts them: with both ends given they are taken as they are,
/// so `[-3:-1]` leaves out the last item, and `[1:-1]` is empty.
fn slice(length: usize, from: Option<i64>, to: Option<i64>) -> std::ops::Range<i64> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let from_start = |end: i64| {
        if end < 0 {
            (length + end.max(-length)).max(0)
        } else {
            end
        }
    };
    match (from, to) {
        (Some(from), Some(to)) => from.max(-length)..to.min(length),
        (Some(from), None) => from_start(from)..length,
        (None, Some(to)) if to < -length => 0..0,
        (None, Some(to)) => 0..from_start(to).min(length),
        (None, None) => 0..length,
    }
}

/// What a value is, for a message.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
