//! The eighteen intrinsic functions and the arguments they take.

use serde_json::Value;

/// An intrinsic function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Array,
    ArrayPartition,
    ArrayContains,
    ArrayRange,
    ArrayGetItem,
    ArrayLength,
    ArrayUnique,
    Base64Encode,
    Base64Decode,
    Hash,
    JsonMerge,
    StringToJson,
    JsonToString,
    MathAdd,
    MathRandom,
    StringSplit,
    Uuid,
    Format,
}

/// What an argument must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Any,
    Number,
    Text,
    Array,
    Object,
    Boolean,
}

/// What a function takes: these arguments, of which the last `optional` may be left out, and then,
/// if `rest`, any number of any kind.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) name: &'static str,
    pub(super) function: Function,
    pub(super) kinds: &'static [Kind],
    pub(super) optional: usize,
    pub(super) rest: bool,
}

const fn takes(name: &'static str, function: Function, kinds: &'static [Kind]) -> Signature {
    Signature {
        name,
        function,
        kinds,
        optional: 0,
        rest: false,
    }
}

pub(super) const SIGNATURES: [Signature; 18] = [
    Signature {
        rest: true,
        ..takes("States.Array", Function::Array, &[])
    },
    takes(
        "States.ArrayPartition",
        Function::ArrayPartition,
        &[Kind::Array, Kind::Number],
    ),
    takes(
        "States.ArrayContains",
        Function::ArrayContains,
        &[Kind::Array, Kind::Any],
    ),
    takes(
        "States.ArrayRange",
        Function::ArrayRange,
        &[Kind::Number, Kind::Number, Kind::Number],
    ),
    takes(
        "States.ArrayGetItem",
        Function::ArrayGetItem,
        &[Kind::Array, Kind::Number],
    ),
    takes("States.ArrayLength", Function::ArrayLength, &[Kind::Array]),
    takes("States.ArrayUnique", Function::ArrayUnique, &[Kind::Array]),
    takes("States.Base64Encode", Function::Base64Encode, &[Kind::Text]),
    takes("States.Base64Decode", Function::Base64Decode, &[Kind::Text]),
    takes("States.Hash", Function::Hash, &[Kind::Text, Kind::Text]),
    takes(
        "States.JsonMerge",
        Function::JsonMerge,
        &[Kind::Object, Kind::Object, Kind::Boolean],
    ),
    takes("States.StringToJson", Function::StringToJson, &[Kind::Text]),
    takes("States.JsonToString", Function::JsonToString, &[Kind::Any]),
    takes(
        "States.MathAdd",
        Function::MathAdd,
        &[Kind::Number, Kind::Number],
    ),
    Signature {
        optional: 1,
        ..takes(
            "States.MathRandom",
            Function::MathRandom,
            &[Kind::Number, Kind::Number, Kind::Number],
        )
    },
    takes(
        "States.StringSplit",
        Function::StringSplit,
        &[Kind::Text, Kind::Text],
    ),
    takes("States.UUID", Function::Uuid, &[]),
    Signature {
        rest: true,
        ..takes("States.Format", Function::Format, &[Kind::Text])
    },
];

impl Signature {
    pub(super) fn of(function: Function) -> Option<&'static Signature> {
        SIGNATURES
            .iter()
            .find(|signature| signature.function == function)
    }

    /// What the argument at `index` must be; `None` where no such argument is taken.
    pub(super) fn kind(&self, index: usize) -> Option<Kind> {
        self.kinds
            .get(index)
            .copied()
            .or(self.rest.then_some(Kind::Any))
    }

    /// Tells what is wrong with a number of arguments.
    pub(super) fn check_count(&self, count: usize) -> Result<(), String> {
        let most = self.kinds.len();
        let least = most - self.optional;
        if count >= least && (self.rest || count <= most) {
            return Ok(());
        }
        let expected = match (self.rest, least == most) {
            (true, _) => format!("at least {least}"),
            (false, true) => most.to_string(),
            (false, false) => format!("{least} to {most}"),
        };
        let noun = if expected.ends_with(" 1") || expected == "1" {
            "argument"
        } else {
            "arguments"
        };
        Err(format!(
            "{} takes {expected} {noun}, found {count}",
            self.name
        ))
    }
}

impl Kind {
    pub(super) fn fits(self, value: &Value) -> bool {
        match self {
            Kind::Any => true,
            Kind::Number => value.is_number(),
            Kind::Text => value.is_string(),
            Kind::Array => value.is_array(),
            Kind::Object => value.is_object(),
            Kind::Boolean => value.is_boolean(),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Any => "any value",
            Kind::Number => "a number",
            Kind::Text => "a string",
            Kind::Array => "an array",
            Kind::Object => "an object",
            Kind::Boolean => "true or false",
        }
    }
}
