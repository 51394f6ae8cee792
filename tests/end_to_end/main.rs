//! All of Sagamore as its users run it: processes, a real RabbitMQ, a real Postgres.
//!
//! `cargo verify` builds the binaries, starts both servers and sets `AMQP_URL`, `DATABASE_URL` and `PIKA_PYTHON`. Each test
//! has a world of its own: see the harness.

mod applicants;
mod bad_replies;
mod bad_requests;
mod children;
mod commands;
mod embedded;
mod express;
mod faults;
mod files;
mod machines;
mod operator;
mod plain_worker;
mod recorded;
mod reviews;
mod services;
mod settings;
mod shutdown;
mod timers;
mod watch;
