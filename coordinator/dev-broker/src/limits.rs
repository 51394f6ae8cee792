//! Every limit of the broker, with its unit. What is past one is refused with a code that says so.

use std::time::Duration;

/// Connections that are open at the same time; one more is closed before the handshake.
pub const CONNECTIONS_MAX: usize = 1_024;
/// Channels of a connection, and the highest number one may have: RabbitMQ's default.
pub const CHANNELS_MAX: u16 = 2_047;
/// Consumers of a channel.
pub const CONSUMERS_MAX: usize = 1_024;
/// Queues of the broker.
pub const QUEUES_MAX: usize = 10_000;
/// Exchanges of the broker.
pub const EXCHANGES_MAX: usize = 1_000;
/// Bindings of an exchange.
pub const BINDINGS_MAX: usize = 1_000;
/// A frame with its head and end: RabbitMQ's default.
pub const FRAME_BYTES_MAX: u32 = 131_072;
/// The least a client may ask for as the largest frame.
pub const FRAME_BYTES_MIN: u32 = 4_096;
/// The payload of a method: names and arguments, which stay in memory as long as what they declare.
pub const METHOD_BYTES_MAX: usize = 16_384;
/// Tables and arrays within one frame. The codec recurses into them, so they also bound its stack.
pub const TABLES_MAX: usize = 64;
/// The body of a message: RabbitMQ's default of old.
pub const BODY_BYTES_MAX: usize = 128 * 1_024 * 1_024;
/// All messages together, with what their keeping costs, when the settings don't say otherwise.
pub const MEMORY_BYTES_MAX: usize = 1_024 * 1_024 * 1_024;
/// What a message costs beside its body and properties.
pub const MESSAGE_BYTES: usize = 512;
/// How much larger than on the wire properties may be in memory.
pub const PROPERTIES_FACTOR: usize = 8;
/// What a place in a queue costs.
pub const ENTRY_BYTES: usize = 160;
/// What waits to be written to a connection before its consumers get nothing more, and its client is read no further.
pub const OUTGOING_BYTES_MAX: usize = 1_024 * 1_024;
/// What a connection reads at once, and what it gathers before it writes.
pub const CHUNK_BYTES: usize = 32 * 1_024;
/// Requests of all connections that wait for the broker.
pub const REQUESTS_MAX: usize = 1_024;
/// Entries of `x-death`: a message with more of them has travelled enough, and is dropped.
pub const DEATHS_MAX: usize = 32;
/// How long each step of a handshake may take.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// How long a client may take to confirm that its connection is closed.
pub const CLOSE_MAX: Duration = Duration::from_secs(5);
/// How long the broker waits for all of its clients when it stops.
pub const STOP_MAX: Duration = Duration::from_secs(1);
/// The interval of heartbeats that is proposed, in seconds: RabbitMQ's default.
pub const HEARTBEAT_SECONDS: u16 = 60;
