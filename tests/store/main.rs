//! The store in Postgres is what its model is: every call of a random sequence gives the same with both.
//!
//! `cargo verify` starts Postgres and sets `DATABASE_URL`. The simulation runs the coordinator on the model, so what
//! is equal here holds there.

mod golden;
mod outage;
mod pair;
mod reads;
mod rules;
mod sample;
mod sequence;
mod turns;
