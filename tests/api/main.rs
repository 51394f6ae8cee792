//! The API as its callers see it: a whole coordinator on a real Postgres and RabbitMQ, asked over HTTP and AMQP.
//!
//! `cargo verify` gives the servers; `DATABASE_URL` and `AMQP_URL` name them.

mod reviews;
mod wire;
mod world;
