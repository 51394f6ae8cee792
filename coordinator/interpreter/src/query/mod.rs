//! How a state reads and shapes its data: JSONPath, payload templates, intrinsic functions.
//!
//! Everything is parsed once, when a definition is accepted, and evaluated many times. Parsing names
//! each fault with its column and the remedy. Evaluation is a pure function of [`Data`]: no I/O, no
//! clock, no entropy, no panic, and its work is bounded whatever the text and the data are.
//!
//! JSONPath is Jayway's dialect, which AWS uses, not RFC 9535: a definite path that finds nothing is
//! an error, an indefinite one is an empty array.

mod budget;
mod cursor;
mod error;
mod expression;
mod intrinsic;
mod jsonata;
mod path;
mod scope;
mod template;

pub use error::Error;
pub use expression::Expression;
pub use jsonata::Jsonata;
pub use path::{Path, ReferencePath};
pub use scope::{Context, Data, Random, Variables};
pub use template::Template;
