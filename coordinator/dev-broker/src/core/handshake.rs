//! The beginning of a connection, and its end: who the client is, and what both sides agree on.

use super::*;

/// A connection and who is at its other end.
#[derive(Default)]
pub struct Client {
    pub stage: Stage,
    /// Whether it wants to hear that a consumer has ended.
    pub cancel_notify: bool,
    pub channels: BTreeMap<u16, Channel>,
    /// Bytes that are on their way to it: past a limit, what can wait has to.
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
        let client = self.connections.get_mut(&id);
        let (Some(client), AMQPClass::Connection(method)) = (client, method) else {
            refuse!(COMMAND_INVALID => "a method on channel 0 that belongs on another");
        };
        match (client.stage, method) {
            (Stage::Closing, CloseOk(_)) => self.push(id, Outgoing::End),
            (Stage::Closing, _) => {}
            (_, Close(_)) => {
                self.release(id);
                self.send(Place(id, 0), method!(Connection connection CloseOk {}));
                self.push(id, Outgoing::End);
            }
            (Stage::Greeted, StartOk(start)) => {
                log_in(&start, &self.user, &self.password)?;
                let wishes = start.client_properties.inner().get("capabilities");
                client.cancel_notify = matches!(wishes, Some(AMQPValue::FieldTable(wishes))
                    if wishes.inner().get("consumer_cancel_notify") == Some(&AMQPValue::Boolean(true)));
                client.stage = Stage::LoggedIn;
                return answer!((Connection connection Tune {
                    channel_max: CHANNELS_MAX,
                    frame_max: FRAME_BYTES_MAX,
                    heartbeat: HEARTBEAT_SECONDS,
                }));
            }
            (Stage::LoggedIn, TuneOk(tune)) => {
                // 0 leaves it to the broker.
                let frame_max = match tune.frame_max {
                    0 => FRAME_BYTES_MAX,
                    asked => asked.clamp(FRAME_BYTES_MIN, FRAME_BYTES_MAX),
                };
                client.stage = Stage::Tuned;
                let interval = Duration::from_secs(tune.heartbeat.into());
                let interval = Some(interval).filter(|interval| !interval.is_zero());
                self.push(id, Outgoing::Tuned(frame_max as usize, interval));
            }
            (Stage::Tuned, Open(open)) if open.virtual_host.as_str() == "/" => {
                client.stage = Stage::Open;
                return answer!((Connection connection OpenOk {}));
            }
            (Stage::Tuned, Open(open)) => {
                refuse!(NOT_ALLOWED => "vhost {} not found", open.virtual_host)
            }
            _ => refuse!(COMMAND_INVALID => "unexpected connection method"),
        }
        Ok(None)
    }

    /// So many bytes of what was sent to a connection are written: perhaps its consumers can get more.
    pub fn written(&mut self, id: ConnectionId, bytes: usize) {
        if let Some(client) = self.connections.get_mut(&id) {
            let before = client.unwritten;
            client.unwritten = before.saturating_sub(bytes);
            if (client.unwritten..before).contains(&OUTGOING_BYTES_MAX) {
                let queues = client.channels.values().flat_map(Channel::queues);
                self.touched.extend(queues);
            }
        }
    }

    /// Closes a channel or, for what is more than its own fault, its connection.
    pub fn refuse(&mut self, place: Place, refusal: &Refusal, (class_id, method_id): (u16, u16)) {
        let Place(id, channel) = place;
        tracing::debug!(connection = id.0, channel, %refusal, "refused");
        let (reply_code, reply_text) = (refusal.code.0, refusal.reply_text());
        if refusal.is_soft() && channel != 0 {
            self.release_channel(place);
            let end =
                method!(Channel channel Close { reply_code, reply_text, class_id, method_id });
            return self.send(place, end);
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

fn log_in(start: &connection::StartOk, user: &str, password: &str) -> Result<()> {
    // An identity to act as, the user, the password. RabbitMQ ignores the first, too.
    let given = start.response.as_bytes().splitn(3, |byte| *byte == 0);
    let is_right = given.skip(1).eq([user.as_bytes(), password.as_bytes()]);
    if start.mechanism.as_str() != "PLAIN" || !is_right {
        refuse!(ACCESS_REFUSED => "Login was refused using authentication mechanism {}. \
                                   For details see the broker logfile.", start.mechanism);
    }
    Ok(())
}

fn server_properties() -> FieldTable {
    let mut capabilities = FieldTable::default();
    for name in CAPABILITIES.split(' ') {
        capabilities.insert(name.into(), AMQPValue::Boolean(true));
    }
    let text = |text: &str| AMQPValue::LongString(text.into());
    let mut properties = FieldTable::default();
    properties.insert("product".into(), text("Sagamore dev broker"));
    properties.insert("version".into(), text(env!("CARGO_PKG_VERSION")));
    properties.insert("capabilities".into(), AMQPValue::FieldTable(capabilities));
    properties
}

/// What this broker can, as RabbitMQ calls it. It never blocks a connection: `connection.blocked` is not among it.
const CAPABILITIES: &str = "authentication_failure_close basic.nack consumer_cancel_notify per_consumer_qos \
                            publisher_confirms";
