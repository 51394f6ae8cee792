//! The limits that can be set, each in bytes: `SAGAMORE_PAYLOAD_BYTES_MAX`, `SAGAMORE_DEFINITION_BYTES_MAX`,
//! `SAGAMORE_VARIABLES_BYTES_MAX`, `SAGAMORE_ITEMS_BYTES_MAX`.

use sagamore_interpreter::limits::{
    DEFINITION_BYTES_MAX, ITEMS_BYTES_MAX, Limit, PAYLOAD_BYTES_MAX, VARIABLES_BYTES_MAX,
};

use super::{Error, Given};

/// Limits as they are set. They hold for the whole process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// The largest input, argument or result of a state. Default 1048576; AWS has 262144.
    pub payload: Option<usize>,
    /// The longest definition. Default 1048576, as AWS has it.
    pub definition: Option<usize>,
    /// What the variables of one scope hold together. Default 10485760; AWS has as much for an execution.
    pub variables: Option<usize>,
    /// What the items take that a Map reads from files. Default 33554432.
    pub items: Option<usize>,
}

impl Limits {
    pub(super) fn read(given: &Given) -> Result<Limits, Error> {
        let read = |name, limit: &Limit, right| {
            given.parse(name, right, |text| {
                let bytes = text.parse().ok();
                bytes.filter(|bytes| (limit.least..=limit.most).contains(bytes))
            })
        };
        let payload = "a number of bytes from 1024 to 8388608, as in 262144";
        let variables = "a number of bytes from 1024 to 67108864, as in 10485760";
        let items = "a number of bytes from 1024 to 268435456, as in 33554432";
        Ok(Limits {
            payload: read("payload_bytes_max", &PAYLOAD_BYTES_MAX, payload)?,
            definition: read("definition_bytes_max", &DEFINITION_BYTES_MAX, payload)?,
            variables: read("variables_bytes_max", &VARIABLES_BYTES_MAX, variables)?,
            items: read("items_bytes_max", &ITEMS_BYTES_MAX, items)?,
        })
    }

    /// Lets them hold from now on.
    pub fn set(&self) {
        let limits = [
            (self.payload, &PAYLOAD_BYTES_MAX),
            (self.definition, &DEFINITION_BYTES_MAX),
            (self.variables, &VARIABLES_BYTES_MAX),
            (self.items, &ITEMS_BYTES_MAX),
        ];
        for (bytes, limit) in limits {
            limit.set(bytes.unwrap_or(limit.default));
        }
    }
}
