//! JSONPath in Jayway's dialect: `$` reads the state's data, `$$` the context object.
//!
//! A path is *definite* when it can name one node at most; then nothing found is an error. All other
//! paths answer with an array of their matches, which may be empty. Looking up a definite path of
//! names and indexes allocates nothing.

mod compiled;
mod evaluate;
mod filter;
mod function;
mod parse;
mod predicate;
mod reference;
mod step;

pub use compiled::Path;
pub use reference::ReferencePath;

pub(super) use compiled::Lookup;
pub(super) use parse::{Place, parse_path};
