//! The beginning of a connection: who the client is, and what both sides agree on.

use std::io;
use std::time::Duration;

use amq_protocol::frame::{AMQPFrame, ProtocolVersion};
use amq_protocol::protocol::{AMQPClass, connection};
use amq_protocol::types::{AMQPValue, FieldTable, ShortString};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::bytes::BytesMut;

use crate::core::method;
use crate::frames::{self, Frame};
use crate::limits::{
    CHANNELS_MAX, CLOSE_MAX, FRAME_BYTES_MAX, FRAME_BYTES_MIN, HANDSHAKE_MAX, HEARTBEAT_SECONDS,
};
use crate::refusal::{Code, Refusal};

/// Who may log in.
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
}

/// What client and broker agreed on.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) user: ShortString,
    /// Whether the client wants to hear that a consumer has ended.
    pub(crate) cancel_notify: bool,
    pub(crate) frame_bytes_max: usize,
    pub(crate) channels_max: u16,
    /// The interval of heartbeats; `None` for none.
    pub(crate) heartbeat: Option<Duration>,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The connection was lost, or is too slow: nobody is there to tell.
    #[error("failed to talk with the client")]
    Io(#[from] io::Error),
    /// The client speaks something else; it has been told what is spoken here.
    #[error("the client does not speak AMQP 0-9-1")]
    Foreign,
    /// The client has been told.
    #[error("refused the client: {0}")]
    Refused(#[from] Refusal),
}

/// A connection before it is open.
pub(crate) struct Wire<'a> {
    pub(crate) stream: &'a mut TcpStream,
    pub(crate) buffer: &'a mut BytesMut,
}

impl Wire<'_> {
    /// Opens a session.
    pub(crate) async fn open(&mut self, login: &Login) -> Result<Session, Error> {
        let opened = self.negotiate(login).await;
        if let Err(Error::Refused(refusal)) = &opened {
            let (reply_code, reply_text) = (refusal.code as u16, refusal.reply_text());
            let close = method!(
                Connection,
                connection,
                Close {
                    reply_code,
                    reply_text,
                    class_id: 0,
                    method_id: 0
                }
            );
            self.send(close).await?;
            // Closed with bytes unread, the socket would take the farewell back.
            let farewell = async {
                while self.fill().await.is_ok() {
                    self.buffer.clear();
                }
            };
            let _ = tokio::time::timeout(CLOSE_MAX, farewell).await;
        }
        opened
    }

    async fn negotiate(&mut self, login: &Login) -> Result<Session, Error> {
        self.header().await?;
        self.send(method!(
            Connection,
            connection,
            Start {
                version_major: 0,
                version_minor: 9,
                server_properties: server_properties(),
                mechanisms: "PLAIN".into(),
                locales: "en_US".into(),
            }
        ))
        .await?;
        let connection::AMQPMethod::StartOk(start) = self.receive().await? else {
            return Err(Code::CommandInvalid
                .because("expected 'connection.start_ok'")
                .into());
        };
        let user = login.check(&start)?;
        self.send(method!(
            Connection,
            connection,
            Tune {
                channel_max: CHANNELS_MAX,
                frame_max: FRAME_BYTES_MAX,
                heartbeat: HEARTBEAT_SECONDS,
            }
        ))
        .await?;
        let connection::AMQPMethod::TuneOk(tune) = self.receive().await? else {
            return Err(Code::CommandInvalid
                .because("expected 'connection.tune_ok'")
                .into());
        };
        let channels_max = agreed(
            "channel_max",
            tune.channel_max.into(),
            1,
            CHANNELS_MAX.into(),
        )?;
        let frame_max = agreed(
            "frame_max",
            tune.frame_max,
            FRAME_BYTES_MIN,
            FRAME_BYTES_MAX,
        )?;
        let connection::AMQPMethod::Open(open) = self.receive().await? else {
            return Err(Code::CommandInvalid
                .because("expected 'connection.open'")
                .into());
        };
        if open.virtual_host.as_str() != "/" {
            return Err(Code::NotAllowed
                .because(format!("vhost {} not found", open.virtual_host))
                .into());
        }
        self.send(method!(Connection, connection, OpenOk {}))
            .await?;
        Ok(Session {
            user,
            cancel_notify: wants_cancel_notify(&start.client_properties),
            frame_bytes_max: frame_max as usize,
            channels_max: u16::try_from(channels_max).unwrap_or(CHANNELS_MAX),
            heartbeat: (tune.heartbeat > 0).then(|| Duration::from_secs(tune.heartbeat.into())),
        })
    }

    async fn header(&mut self) -> Result<(), Error> {
        while self.buffer.len() < PROTOCOL_HEADER.len() {
            self.fill().await?;
        }
        if *self.buffer.split_to(PROTOCOL_HEADER.len()) != *PROTOCOL_HEADER {
            let mut bytes = Vec::new();
            frames::encode(
                &AMQPFrame::ProtocolHeader(ProtocolVersion::amqp_0_9_1()),
                &mut bytes,
            );
            self.stream.write_all(&bytes).await?;
            return Err(Error::Foreign);
        }
        Ok(())
    }

    async fn receive(&mut self) -> Result<connection::AMQPMethod, Error> {
        loop {
            match frames::decode(self.buffer, FRAME_BYTES_MAX as usize)? {
                Some(Frame::Method(0, AMQPClass::Connection(method))) => return Ok(method),
                Some(Frame::Heartbeat) => {}
                Some(_) => {
                    return Err(Code::UnexpectedFrame
                        .because("the connection is not open")
                        .into());
                }
                None => self.fill().await?,
            }
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        let reading = self.stream.read_buf(self.buffer);
        match tokio::time::timeout(HANDSHAKE_MAX, reading).await?? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn send(&mut self, method: AMQPClass) -> io::Result<()> {
        let mut bytes = Vec::new();
        frames::encode(&AMQPFrame::Method(0, method), &mut bytes);
        self.stream.write_all(&bytes).await
    }
}

impl Login {
    fn check(&self, start: &connection::StartOk) -> Result<ShortString, Refusal> {
        let refused = |why: &str| Code::AccessRefused.because(why);
        if start.mechanism.as_str() != "PLAIN" {
            return Err(refused(&format!(
                "unsupported authentication mechanism '{}'",
                start.mechanism
            )));
        }
        // An identity to act as, the user, the password. RabbitMQ ignores the first, too.
        let mut parts = start
            .response
            .as_bytes()
            .splitn(3, |byte| *byte == 0)
            .skip(1);
        let given = [parts.next(), parts.next()];
        if given != [Some(self.user.as_bytes()), Some(self.password.as_bytes())] {
            return Err(refused(
                "Login was refused using authentication mechanism PLAIN. For details see the broker logfile.",
            ));
        }
        ShortString::try_new(self.user.as_str()).map_err(|_| refused("the user's name is too long"))
    }
}

/// What the client settled on, where 0 leaves it to the broker.
fn agreed(what: &str, asked: u32, min: u32, max: u32) -> Result<u32, Refusal> {
    match asked {
        0 => Ok(max),
        _ if asked > max => Err(Code::NotAllowed.because(format!(
            "negotiated {what} = {asked} is higher than the maximum allowed value ({max})"
        ))),
        _ if asked < min => Err(Code::NotAllowed.because(format!(
            "negotiated {what} = {asked} is lower than the minimum allowed value ({min})"
        ))),
        _ => Ok(asked),
    }
}

fn wants_cancel_notify(client: &FieldTable) -> bool {
    match client.inner().get("capabilities") {
        Some(AMQPValue::FieldTable(capabilities)) => {
            capabilities.inner().get("consumer_cancel_notify") == Some(&AMQPValue::Boolean(true))
        }
        _ => false,
    }
}

fn server_properties() -> FieldTable {
    let mut capabilities = FieldTable::default();
    for (name, has) in CAPABILITIES {
        capabilities.insert((*name).into(), AMQPValue::Boolean(*has));
    }
    let mut properties = FieldTable::default();
    for (name, value) in [
        ("product", "Sagamore dev broker"),
        ("version", env!("CARGO_PKG_VERSION")),
        ("platform", "Rust"),
        ("information", "In memory, for development; not RabbitMQ"),
    ] {
        properties.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    properties.insert("capabilities".into(), AMQPValue::FieldTable(capabilities));
    properties
}

const PROTOCOL_HEADER: &[u8] = b"AMQP\0\0\x09\x01";

const CAPABILITIES: &[(&str, bool)] = &[
    ("authentication_failure_close", true),
    ("basic.nack", true),
    ("connection.blocked", false),
    ("consumer_cancel_notify", true),
    ("exchange_exchange_bindings", true),
    ("per_consumer_qos", true),
    ("publisher_confirms", true),
];
