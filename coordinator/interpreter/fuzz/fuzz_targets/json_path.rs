//! A path or intrinsic call is read or refused, and looked up in bounded time, whatever its text: a text, a NUL, a document.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sagamore_interpreter::query::{Data, Expression, Path, Random, Template};
use serde_json::Value;

fuzz_target!(|input: (&str, &str)| {
    let (text, document) = input;
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let data = Data::new(&document, &document, &document, Random::new([0; 32]));
    if let Ok(path) = Path::parse(text) {
        assert_eq!(path.get(&data).is_ok(), path.find(&data).is_some());
    }
    if let Ok(expression) = Expression::parse(text) {
        let _ = expression.get(&data);
        let _ = expression.variables();
    }
    if let Ok(template) = Template::parse(&document) {
        let _ = template.evaluate(&data);
    }
});
