//! The stores in Postgres and SQLite are what their model is: every call of a random sequence gives the same with all.
//!
//! `cargo verify` starts Postgres and sets `DATABASE_URL`. The simulation runs the coordinator on the model, so what
//! is equal here holds there.

mod ageing;
mod file;
mod golden;
mod letters;
mod outage;
mod reads;
mod rules;
mod sample;
mod sequence;
mod stores;
mod turns;
