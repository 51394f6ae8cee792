//! An expression of JSONata is read or refused, and evaluated or stopped, whatever its text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sagamore_interpreter::query::{Data, Jsonata, Random};
use serde_json::Value;

fuzz_target!(|input: (&str, &str)| {
    let (text, document) = input;
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let Ok(expression) = Jsonata::parse(&format!("{{% {text} %}}"), "Output") else {
        return;
    };
    let _ = expression.variables().count();
    let data = Data::new(&document, &document, &document, Random::new([0; 32]));
    let _ = expression.get(&data);
});
