//! A parsed call and its evaluation: arguments first, from the inside out.

use std::borrow::Cow;

use serde_json::Value;

use super::format::Pattern;
use super::function::{Function, Signature};
use super::{array, encoding, format, json, math};
use crate::query::budget::{Budget, Excess};
use crate::query::path::Lookup;
use crate::query::{Data, Path};

/// A call of an intrinsic function.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::query) struct Call {
    pub(super) function: Function,
    pub(super) arguments: Vec<Argument>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Argument {
    Literal(Value),
    /// The first argument of States.Format, written as a literal.
    Pattern(Pattern),
    Path(Path),
    Call(Call),
}

/// Why a call has no value. The expression that holds the call puts it into words.
#[derive(Debug)]
pub(in crate::query) enum Failure {
    /// A definite path found nothing.
    Missing { path: String },
    /// A function refused a value.
    Refused(String),
    /// The evaluation passed a limit.
    Excess(Excess),
}

impl From<Excess> for Failure {
    fn from(excess: Excess) -> Self {
        Failure::Excess(excess)
    }
}

impl Call {
    /// The call's value.
    pub(in crate::query) fn evaluate(
        &self,
        data: &Data<'_>,
        budget: &Budget,
    ) -> Result<Value, Failure> {
        if let (Function::Format, Some((Argument::Pattern(pattern), rest))) =
            (self.function, self.arguments.split_first())
        {
            let values = arguments(rest, data, budget)?;
            return pattern.fill(&values, budget);
        }
        let values = arguments(&self.arguments, data, budget)?;
        self.check(&values)?;
        apply(self.function, &values, data, budget)
    }

    /// Appends the text of every path in the call.
    pub(in crate::query) fn collect_paths<'t>(&'t self, paths: &mut Vec<&'t str>) {
        for argument in &self.arguments {
            match argument {
                Argument::Literal(_) | Argument::Pattern(_) => {}
                Argument::Path(path) => paths.push(path.text()),
                Argument::Call(call) => call.collect_paths(paths),
            }
        }
    }

    /// Appends the variables that the call reads.
    pub(in crate::query) fn collect_variables<'t>(&'t self, variables: &mut Vec<&'t str>) {
        for argument in &self.arguments {
            match argument {
                Argument::Literal(_) | Argument::Pattern(_) => {}
                Argument::Path(path) => variables.extend(path.variable()),
                Argument::Call(call) => call.collect_variables(variables),
            }
        }
    }

    /// Checks the values against the function's signature.
    fn check(&self, values: &[Cow<'_, Value>]) -> Result<(), Failure> {
        let Some(signature) = Signature::of(self.function) else {
            return Ok(());
        };
        for (index, value) in values.iter().enumerate() {
            let Some(kind) = signature.kind(index) else {
                continue;
            };
            if !kind.fits(value) {
                let reason = format!(
                    "argument {} of {} must be {}",
                    index + 1,
                    signature.name,
                    kind.name()
                );
                return Err(Failure::Refused(reason));
            }
        }
        Ok(())
    }
}

fn arguments<'a>(
    arguments: &'a [Argument],
    data: &Data<'a>,
    budget: &Budget,
) -> Result<Vec<Cow<'a, Value>>, Failure> {
    let evaluate = |argument: &'a Argument| match argument {
        Argument::Literal(value) => Ok(Cow::Borrowed(value)),
        Argument::Pattern(pattern) => Ok(Cow::Owned(Value::String(pattern.text()))),
        Argument::Call(call) => call.evaluate(data, budget).map(Cow::Owned),
        Argument::Path(path) => {
            let value = path.look_up(data, budget).map_err(|lookup| match lookup {
                Lookup::Missing(_) | Lookup::PastTheEnd(_) => Failure::Missing {
                    path: path.text_from_root().to_owned(),
                },
                Lookup::Excess(excess) => Failure::Excess(excess),
            })?;
            // Paid for even where the function only looks at it: one price bounds them all.
            budget.copy(&value, 0)?;
            Ok(value)
        }
    };
    arguments.iter().map(evaluate).collect()
}

/// The function's value for arguments that fit its signature.
fn apply(
    function: Function,
    values: &[Cow<'_, Value>],
    data: &Data<'_>,
    budget: &Budget,
) -> Result<Value, Failure> {
    let values: Vec<&Value> = values.iter().map(Cow::as_ref).collect();
    let refused = |reason: &str| Failure::Refused(reason.to_owned());
    let value = match (function, values.as_slice()) {
        (Function::Array, items) => {
            Value::Array(items.iter().map(|item| (*item).clone()).collect())
        }
        (Function::ArrayPartition, [items, size]) => array::partition(items, size)?,
        (Function::ArrayContains, [items, item]) => array::contains(items, item),
        (Function::ArrayRange, [first, last, step]) => array::range(first, last, step)?,
        (Function::ArrayGetItem, [items, index]) => array::get_item(items, index)?,
        (Function::ArrayLength, [items]) => array::length(items),
        (Function::ArrayUnique, [items]) => array::unique(items),
        (Function::Base64Encode, [text]) => encoding::base64_encode(text)?,
        (Function::Base64Decode, [text]) => encoding::base64_decode(text)?,
        (Function::Hash, [text, algorithm]) => encoding::hash(text, algorithm)?,
        (Function::JsonMerge, [one, other, deep]) => json::merge(one, other, deep)?,
        (Function::StringToJson, [text]) => json::parse(text)?,
        (Function::JsonToString, [value]) => json::write(value, budget)?,
        (Function::MathAdd, [one, other]) => math::add(one, other)?,
        (Function::MathRandom, [start, end]) => math::random(start, end, &data.random)?,
        (Function::MathRandom, [start, end, seed]) => math::random_of_seed(start, end, seed)?,
        (Function::StringSplit, [text, separators]) => format::split(text, separators),
        (Function::Uuid, []) => math::uuid(&data.random),
        (Function::Format, [pattern, values @ ..]) => format::fill(pattern, values, budget)?,
        _ => return Err(refused("it is called with a wrong number of arguments")),
    };
    Ok(value)
}
