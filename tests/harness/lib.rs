//! What the tests share.

mod database;
mod file;
pub mod live;
mod model_store;
pub mod proxy;
mod random;
pub mod reference;
pub mod saga;

pub use database::with_database;
pub use file::with_file;
pub use model_store::{Audited, Fault, ModelStore};
pub use random::Random;
