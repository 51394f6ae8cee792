//! What a reference path puts into a document is found there again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sagamore_interpreter::query::{Data, Path, Random, ReferencePath};
use serde_json::{Value, json};

fuzz_target!(|input: (&str, &str)| {
    let (text, document) = input;
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let Ok(reference) = ReferencePath::parse(text) else {
        return;
    };
    let Ok(put) = reference.put(document, json!("put")) else {
        return;
    };
    let path = Path::parse(text).expect("a reference path is a path");
    let data = Data::new(&put, &Value::Null, &Value::Null, Random::new([0; 32]));
    assert_eq!(path.get(&data).ok().as_deref(), Some(&json!("put")));
});
