//! The beginning of a connection, and its end: who the client is, and what both sides agree on.

use std::collections::BTreeMap;
use std::time::Duration;

use amq_protocol::protocol::{AMQPClass, connection};
use amq_protocol::types::{AMQPValue, FieldTable, ShortString};

use super::channel::Channel;
use super::{Answer, ConnectionId, Core, Outgoing, Place, Result, answer, method};
use crate::limits::{CHANNELS_MAX, FRAME_BYTES_MAX, FRAME_BYTES_MIN};
use crate::limits::{HEARTBEAT_SECONDS, OUTGOING_BYTES_MAX};
use crate::refusal::{Refusal, refuse};

/// A connection and who is at its other end.
#[derive(Debug, Default)]
pub struct Client {
    pub stage: Stage,
    pub user: String,
    /// Whether it wants to hear that a consumer has ended.
    pub cancel_notify: bool,
    pub channels: BTreeMap<u16, Channel>,
    /// Bytes that are on their way to it.
    pub unwritten: usize,
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stage {
    #[default]
    Greeted,
    LoggedIn,
    Tuned,
    Open,
    /// Was told that it is closed; only its confirmation counts.
    Closing,
}

impl Client {
    /// Whether so much is on its way to it that what can wait has to.
    pub fn is_full(&self) -> bool {
        self.unwritten >= OUTGOING_BYTES_MAX
    }
}

impl Core {
    /// Somebody has connected.
    pub fn greet(&mut self, id: ConnectionId) {
        self.connections.insert(id, Client::default());
        let start = method!(Connection connection Start {
            version_major: 0,
            version_minor: 9,
            server_properties: server_properties(),
            mechanisms: "PLAIN".into(),
            locales: "en_US".into(),
        });
        self.send(Place(id, 0), start);
    }

    pub fn connection_method(&mut self, id: ConnectionId, method: AMQPClass) -> Answer {
        use connection::AMQPMethod::{Close, CloseOk, Open, StartOk, TuneOk};
        let stage = self
            .connections
            .get_mut(&id)
            .map(|client| &mut client.stage);
        let (Some(stage), AMQPClass::Connection(method)) = (stage, method) else {
            refuse!(COMMAND_INVALID => "a method on channel 0 that belongs on another");
        };
        match (*stage, method) {
            (Stage::Closing, CloseOk(_)) => self.push(id, Outgoing::End),
            (Stage::Closing, _) => {}
            (_, Close(_)) => {
                self.release(id);
                self.send(Place(id, 0), method!(Connection connection CloseOk {}));
                self.push(id, Outgoing::End);
            }
            (Stage::Greeted, StartOk(start)) => {
                self.log_in(id, &start)?;
                return answer!((Connection connection Tune {
                    channel_max: CHANNELS_MAX,
                    frame_max: FRAME_BYTES_MAX,
                    heartbeat: HEARTBEAT_SECONDS,
                }));
            }
            (Stage::LoggedIn, TuneOk(tune)) => {
                agree(
                    "channel_max",
                    tune.channel_max.into(),
                    1,
                    CHANNELS_MAX.into(),
                )?;
                agree(
                    "frame_max",
                    tune.frame_max,
                    FRAME_BYTES_MIN,
                    FRAME_BYTES_MAX,
                )?;
                *stage = Stage::Tuned;
                let frame_max = if tune.frame_max == 0 {
                    FRAME_BYTES_MAX
                } else {
                    tune.frame_max
                };
                let heartbeat = Duration::from_secs(tune.heartbeat.into());
                let heartbeat = Some(heartbeat).filter(|interval| !interval.is_zero());
                self.push(id, Outgoing::Tuned(frame_max as usize, heartbeat));
            }
            (Stage::Tuned, Open(open)) if open.virtual_host.as_str() == "/" => {
                *stage = Stage::Open;
                return answer!((Connection connection OpenOk {}));
            }
            (Stage::Tuned, Open(open)) => {
                refuse!(NOT_ALLOWED => "vhost {} not found", open.virtual_host)
            }
            _ => refuse!(COMMAND_INVALID => "unexpected connection method"),
        }
        Ok(None)
    }

    fn log_in(&mut self, id: ConnectionId, start: &connection::StartOk) -> Result<()> {
        if start.mechanism.as_str() != "PLAIN" {
            refuse!(ACCESS_REFUSED => "unsupported authentication mechanism '{}'", start.mechanism);
        }
        // An identity to act as, the user, the password. RabbitMQ ignores the first, too.
        let given = start
            .response
            .as_bytes()
            .splitn(3, |byte| *byte == 0)
            .skip(1);
        if !given.eq([self.user.as_bytes(), self.password.as_bytes()]) {
            refuse!(ACCESS_REFUSED => "Login was refused using authentication mechanism PLAIN. \
                                       For details see the broker logfile.");
        }
        if let Some(client) = self.connections.get_mut(&id) {
            let wishes = match start.client_properties.inner().get("capabilities") {
                Some(AMQPValue::FieldTable(wishes)) => wishes.clone(),
                _ => FieldTable::default(),
            };
            let notify = wishes.inner().get("consumer_cancel_notify");
            client.cancel_notify = notify == Some(&AMQPValue::Boolean(true));
            client.user.clone_from(&self.user);
            client.stage = Stage::LoggedIn;
        }
        Ok(())
    }

    /// So many bytes of what was sent to a connection are written: perhaps its consumers can get more.
    pub fn written(&mut self, id: ConnectionId, bytes: usize) {
        if let Some(client) = self.connections.get_mut(&id) {
            let was_full = client.is_full();
            client.unwritten = client.unwritten.saturating_sub(bytes);
            if was_full && !client.is_full() {
                self.touched
                    .extend(client.channels.values().flat_map(Channel::queues));
            }
        }
    }

    /// Closes a channel or, for what is more than its own fault, its connection.
    pub fn refuse(&mut self, place: Place, refusal: &Refusal, (class_id, method_id): (u16, u16)) {
        let Place(id, channel) = place;
        tracing::debug!(connection = id.0, channel, %refusal, "refused");
        let (reply_code, reply_text) = (refusal.reply_code(), refusal.reply_text());
        if refusal.is_soft() && channel != 0 {
            self.release_channel(place, true);
            self.send(
                place,
                method!(Channel channel Close { reply_code, reply_text, class_id, method_id }),
            );
            return;
        }
        self.release(id);
        let client = self.connections.get_mut(&id);
        if let Some(client) = client.filter(|client| client.stage != Stage::Closing) {
            client.stage = Stage::Closing;
            let close = method!(Connection connection Close { reply_code, reply_text, class_id, method_id });
            self.send(Place(id, 0), close);
            self.push(id, Outgoing::Closing);
        }
    }
}

/// Checks what the client settled on, where 0 leaves it to the broker.
fn agree(what: &str, asked: u32, min: u32, max: u32) -> Result<()> {
    match asked {
        0 => Ok(()),
        _ if (min..=max).contains(&asked) => Ok(()),
        _ => refuse!(NOT_ALLOWED => "negotiated {what} = {asked} is not between {min} and {max}"),
    }
}

fn server_properties() -> FieldTable {
    let mut capabilities = FieldTable::default();
    for name in CAPABILITIES.split(' ') {
        capabilities.insert(name.into(), AMQPValue::Boolean(true));
    }
    let mut properties = FieldTable::default();
    let version = env!("CARGO_PKG_VERSION");
    for (name, value) in [
        ("product", "Sagamore dev broker"),
        ("version", version),
        ("platform", "Rust"),
    ] {
        properties.insert(ShortString::from(name), AMQPValue::LongString(value.into()));
    }
    properties.insert("capabilities".into(), AMQPValue::FieldTable(capabilities));
    properties
}

/// What RabbitMQ calls what this broker can. It never blocks a connection, so `connection.blocked` is not among it.
const CAPABILITIES: &str = "authentication_failure_close basic.nack consumer_cancel_notify per_consumer_qos \
                            publisher_confirms";
