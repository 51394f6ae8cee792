//! The worker library over a real broker, its memory in a real Postgres.
//!
//! `cargo verify` starts both and sets `AMQP_URL` and `DATABASE_URL`. The rules of the memory are told one by one in the library's
//! own tests; here they are held under concurrency, lost connections and crashes.

mod bench;
mod broker;
mod loan;
mod memory;
mod proxy;
