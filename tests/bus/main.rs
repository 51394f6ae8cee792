//! The bus against a real RabbitMQ, at `AMQP_URL`; every test under queue names of its own.

mod intake;
mod outage;
mod publishing;
mod world;
