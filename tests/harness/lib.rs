//! What the tests share.

pub mod proxy;
