//! What the tests share.

pub mod saga;
