//! Intrinsic functions: `States.Format('{} of {}', $.done, States.ArrayLength($.all))`.
//!
//! Names, numbers of arguments and the types of literal arguments are checked when a definition is
//! accepted; values that a path finds are checked when the call is evaluated, and then fail the state
//! with States.IntrinsicFailure. Source: States Language, "Intrinsic Functions"; AWS's texts.

mod array;
mod call;
mod encoding;
mod format;
mod function;
mod json;
mod math;
mod parse;

pub(super) use call::{Call, Failure};
pub(super) use encoding::{ALGORITHMS, hash_hex};
pub(super) use math::uuid_of;
pub(super) use parse::parse_call;
