//! What the tests share.

mod database;
mod model_store;
pub mod live;
pub mod proxy;
pub mod saga;

pub use database::with_database;
pub use model_store::{Audited, Fault, ModelStore};
