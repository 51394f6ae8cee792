//! A parsed path, ready to be looked up.

use std::borrow::Cow;

use serde_json::Value;

use super::evaluate::{Miss, look_up, walk};
use super::parse::{Place, parse_path};
use super::step::Step;
use crate::limits::QUERY_TEXT_BYTES_MAX;
use crate::query::budget::{Budget, Excess};
use crate::query::cursor::Cursor;
use crate::query::{Data, Error};

/// A JSONPath: `$.order.lines[0]`, `$$.Execution.Id`, `$..price`, `$.lines[?(@.price > 9)]`.
///
/// Source: States Language, "Paths"; dialect of Jayway JsonPath.
#[derive(Debug, Clone)]
pub struct Path {
    pub(super) text: String,
    pub(super) root: Root,
    pub(super) steps: Vec<Step>,
    /// Only names and single indexes: looked up without allocating.
    pub(super) plain: bool,
    pub(super) definite: bool,
}

/// What a path starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Root {
    /// `$`
    Input,
    /// `$$`
    Context,
    /// `$name`
    Variable(String),
}

/// Why a path gave no value, for callers inside the query package that word it themselves.
#[derive(Debug)]
pub(in crate::query) enum Lookup {
    /// A definite path found nothing; the reason is in Jayway's words.
    Missing(String),
    /// As [`Lookup::Missing`], but only for its last step: an index past the end of an array.
    PastTheEnd(String),
    /// The evaluation passed a limit.
    Excess(Excess),
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with the text, at which column, and what would be right.
    pub fn parse(text: &str) -> Result<Path, String> {
        if text.len() > QUERY_TEXT_BYTES_MAX {
            return Err(format!(
                "a path is at most {QUERY_TEXT_BYTES_MAX} bytes long"
            ));
        }
        let mut cursor = Cursor::new(text.trim_end());
        cursor.skip_blanks();
        let path = parse_path(&mut cursor, Place::Alone)?;
        Ok(Path {
            text: text.to_owned(),
            ..path
        })
    }

    pub(super) fn new(text: &str, root: Root, steps: Vec<Step>) -> Path {
        let plain = steps
            .iter()
            .all(|step| matches!(step, Step::Property(_) | Step::Index(_)));
        let definite = definite(&steps);
        Path {
            text: text.to_owned(),
            root,
            steps,
            plain,
            definite,
        }
    }

    /// The path as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the path names one node at most, so that its value is that node and not an array of
    /// matches.
    pub fn is_definite(&self) -> bool {
        self.definite
    }

    /// The one value of a definite path, or an array of the matches of another one.
    ///
    /// # Errors
    /// [`Error::Path`] when a definite path finds nothing; [`Error::Limit`].
    pub fn get<'a>(&self, data: &Data<'a>) -> Result<Cow<'a, Value>, Error> {
        self.look_up(data, &Budget::new())
            .map_err(|lookup| match lookup {
                Lookup::Missing(reason) | Lookup::PastTheEnd(reason) => Error::Path {
                    path: self.text.clone(),
                    reason,
                },
                Lookup::Excess(excess) => Error::limit(&self.text, excess),
            })
    }

    /// As [`Path::get`], but `None` where a definite path finds nothing: what IsPresent asks. A path
    /// that passes a limit finds nothing, too.
    pub fn find<'a>(&self, data: &Data<'a>) -> Option<Cow<'a, Value>> {
        self.seek(data, &Budget::new()).ok()
    }

    /// As [`Path::get`], paid for from a budget that several lookups share.
    pub(in crate::query) fn look_up<'a>(
        &self,
        data: &Data<'a>,
        budget: &Budget,
    ) -> Result<Cow<'a, Value>, Lookup> {
        self.seek(data, budget).map_err(|miss| match miss {
            Miss::Excess(excess) => Lookup::Excess(excess),
            Miss::PastTheEnd { step } if step + 1 == self.steps.len() => {
                Lookup::PastTheEnd(miss.reason(&self.steps))
            }
            _ => Lookup::Missing(miss.reason(&self.steps)),
        })
    }

    /// The document that the path searches.
    pub(in crate::query) fn searched<'a>(&self, data: &Data<'a>) -> &'a Value {
        match &self.root {
            Root::Input => data.input,
            Root::Context => data.context.whole(),
            Root::Variable(name) => data.variables.variable(name).unwrap_or(&Value::Null),
        }
    }

    /// The variable that it starts from, if it does.
    pub fn variable(&self) -> Option<&str> {
        match &self.root {
            Root::Variable(name) => Some(name),
            Root::Input | Root::Context => None,
        }
    }

    /// The path told from its document's root: `$$.Execution` as `$.Execution`.
    pub(in crate::query) fn text_from_root(&self) -> &str {
        match self.root {
            Root::Input | Root::Variable(_) => &self.text,
            Root::Context => self
                .text
                .trim_start()
                .strip_prefix('$')
                .unwrap_or(&self.text),
        }
    }

    fn seek<'a>(&self, data: &Data<'a>, budget: &Budget) -> Result<Cow<'a, Value>, Miss<'a>> {
        if let Root::Variable(name) = &self.root
            && data.variables.variable(name).is_none()
        {
            return Err(Miss::Unassigned(name.clone()));
        }
        if let Some((steps, part)) = self.part(data)
            && let Ok(found) = look_up(steps, part)
        {
            return Ok(Cow::Borrowed(found));
        }
        self.resolve(self.searched(data), budget)
    }

    /// The part of the context object in which the path is sure to end, and its steps there. What is not found is sought in
    /// the whole, for the error's sake.
    fn part<'a>(&self, data: &Data<'a>) -> Option<(&[Step], &'a Value)> {
        if self.root != Root::Context || !self.plain {
            return None;
        }
        let is = |step: &Step, name: &str| matches!(step, Step::Property(it) if it == name);
        match self.steps.as_slice() {
            [first, second, rest @ ..] if is(first, "Execution") && is(second, "Input") => {
                Some((rest, data.context.input()?))
            }
            [first] if is(first, "Execution") => None,
            [Step::Property(_), ..] => Some((&self.steps, data.context.without_input())),
            _ => None,
        }
    }

    fn resolve<'v>(&self, root: &'v Value, budget: &Budget) -> Result<Cow<'v, Value>, Miss<'v>> {
        if self.plain {
            return look_up(&self.steps, root).map(Cow::Borrowed);
        }
        resolve(&self.steps, self.definite, root, root, budget)
    }
}

impl PartialEq for Path {
    fn eq(&self, other: &Path) -> bool {
        self.text == other.text
    }
}

impl Eq for Path {}

/// Whether `steps` name one node at most. A function that ends a scan takes all its matches at once.
pub(super) fn definite(steps: &[Step]) -> bool {
    if gathers(steps) {
        return true;
    }
    let last = steps.len().saturating_sub(1);
    steps
        .iter()
        .enumerate()
        .all(|(at, step)| step.is_definite(at == last))
}

/// `$..price.sum()`: the function takes the array of all matches.
fn gathers(steps: &[Step]) -> bool {
    matches!(steps, [Step::Scan, .., Step::Function(_)])
}

/// The value of `steps` from `start`: the one node, or an array of all.
pub(super) fn resolve<'v>(
    steps: &[Step],
    definite: bool,
    start: &'v Value,
    root: &'v Value,
    budget: &Budget,
) -> Result<Cow<'v, Value>, Miss<'v>> {
    if let Some((Step::Function(call), before)) = steps.split_last()
        && gathers(steps)
    {
        let matches = resolve(before, false, start, root, budget)?;
        let value = call.apply(&matches, root, budget)?.ok_or(Miss::NoResults)?;
        return Ok(Cow::Owned(value));
    }
    let found = walk(steps, start, root, budget);
    budget.check()?;
    if definite {
        return found?.pop().ok_or(Miss::NoResults);
    }
    // Nothing on the way to an indefinite step is no match, not an error: so AWS answers.
    let found = match found {
        Err(miss @ Miss::Excess(_)) => return Err(miss),
        found => found.unwrap_or_default(),
    };
    let mut matches = Vec::with_capacity(found.len());
    for value in found {
        budget.copy(&value, 1)?;
        matches.push(value.into_owned());
    }
    Ok(Cow::Owned(Value::Array(matches)))
}

#[cfg(test)]
mod tests;
