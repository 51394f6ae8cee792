//! What the tests share.

pub mod live;
pub mod proxy;
pub mod saga;
