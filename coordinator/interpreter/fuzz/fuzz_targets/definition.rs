//! A definition is read or refused with its faults, whatever its text, and means the same when it is printed anew.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sagamore_interpreter::definition::{Machine, MachineKind, variable_references};
use serde_json::Value;

fuzz_target!(|text: &str| {
    for kind in [MachineKind::Standard, MachineKind::Express] {
        if Machine::parse_as(text, kind).is_err() {
            continue;
        }
        let _ = variable_references(text);
        let whole: Value = serde_json::from_str(text).expect("a definition is JSON");
        let again = Machine::parse_as(&whole.to_string(), kind);
        assert!(again.is_ok(), "it is refused once it is printed anew");
    }
});
