//! The development broker, as the bus and clients in other languages see it.
//!
//! The tests are those of `bus`, which RabbitMQ passes, word for word.

#[path = "../bus/amqplib.rs"]
mod amqplib;
mod broker;
#[path = "../bus/intake.rs"]
mod intake;
#[path = "../bus/outage.rs"]
mod outage;
#[path = "../bus/pika.rs"]
mod pika;
#[path = "../bus/publishing.rs"]
mod publishing;
#[path = "../bus/world.rs"]
mod world;
