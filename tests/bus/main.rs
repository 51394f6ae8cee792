//! The bus against a real RabbitMQ, at `AMQP_URL`; every test under queue names of its own. `dev_broker` runs the same
//! tests against the development broker.

mod amqplib;
mod broker;
mod intake;
mod outage;
mod pika;
mod publishing;
mod world;
