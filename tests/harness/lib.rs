//! What the tests share.

pub mod proxy;
pub mod saga;
mod database;
mod model_store;

pub use database::with_database;
pub use model_store::{Audited, Fault, ModelStore};
