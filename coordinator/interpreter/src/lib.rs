//! The pure core of Sagamore: the States Language and its saga extension.

pub mod definition;
pub mod limits;
pub mod query;
