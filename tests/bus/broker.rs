//! Which broker these tests are against.

/// The address of a real RabbitMQ.
pub fn url() -> String {
    std::env::var("AMQP_URL").expect("AMQP_URL names a RabbitMQ for the tests")
}
