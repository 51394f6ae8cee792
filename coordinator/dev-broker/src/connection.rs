//! One connection: what it sends becomes requests, what it is sent becomes bytes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use amq_protocol::frame::{AMQPContentHeader, AMQPFrame};
use amq_protocol::protocol::{AMQPClass, connection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio_util::bytes::BytesMut;
use tokio_util::sync::CancellationToken;

use crate::actor::{Backlog, Command, Outbox};
use crate::content::{Assembler, Request};
use crate::core::{ConnectionId, Message, Outgoing};
use crate::frames::{self, FRAME_OVERHEAD};
use crate::handshake::{Login, Session, Wire};
use crate::limits::{CLOSE_MAX, WRITE_BYTES};
use crate::memory::Memory;
use crate::refusal::Refusal;

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) memory: Memory,
    pub(crate) requests: mpsc::Sender<(ConnectionId, Command)>,
    pub(crate) login: Login,
}

/// The way from a connection to the core, which outlives all connections.
struct Link {
    id: ConnectionId,
    shared: Arc<Shared>,
    backlog: Arc<Backlog>,
}

/// Serves a connection for as long as it lasts.
pub(crate) async fn serve(
    mut stream: TcpStream,
    id: ConnectionId,
    shared: Arc<Shared>,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    let mut buffer = BytesMut::new();
    let mut wire = Wire {
        stream: &mut stream,
        buffer: &mut buffer,
    };
    let session = match stop.run_until_cancelled(wire.open(&shared.login)).await {
        Some(Ok(session)) => session,
        Some(Err(error)) => return tracing::debug!(connection = id.0, %error, "no session"),
        None => return,
    };
    tracing::debug!(connection = id.0, "a client has logged in");
    let backlog = Arc::<Backlog>::default();
    let link = Link {
        id,
        shared,
        backlog,
    };
    let (sender, outbox) = mpsc::unbounded_channel();
    link.tell(Command::Connect {
        user: session.user.clone(),
        cancel_notify: session.cancel_notify,
        outbox: Outbox {
            sender,
            backlog: Arc::clone(&link.backlog),
        },
    })
    .await;
    let (reader, writer) = stream.split();
    let ended = tokio::select! {
        ended = link.read(reader, buffer, &session) => ended,
        ended = link.write(writer, outbox, &session) => ended,
    };
    link.tell(Command::Gone).await;
    tracing::debug!(
        connection = id.0,
        error = ended.err().map(tracing::field::display),
        "a connection has ended"
    );
}

impl Link {
    async fn tell(&self, command: Command) {
        // Only a broker that is being dropped has no core.
        let _ = self.shared.requests.send((self.id, command)).await;
    }

    async fn read(
        &self,
        mut from: ReadHalf<'_>,
        mut buffer: BytesMut,
        session: &Session,
    ) -> io::Result<()> {
        let mut assembler = Assembler::new(session.channels_max, self.shared.memory.clone());
        loop {
            match next_request(&mut buffer, &mut assembler, session.frame_bytes_max) {
                Ok(Some(request)) => {
                    self.backlog.room().await;
                    self.tell(Command::Request(request)).await;
                }
                Ok(None) => {
                    if let Ended::Yes = fill(&mut from, &mut buffer, session.heartbeat).await? {
                        return Ok(());
                    }
                }
                Err(refusal) => {
                    self.tell(Command::Fault(refusal)).await;
                    break;
                }
            }
        }
        // What follows can't be understood. It is read until the writer has said why, and ends the connection.
        while let Ended::No = fill(&mut from, &mut buffer, session.heartbeat).await? {
            buffer.clear();
        }
        Ok(())
    }

    async fn write(
        &self,
        mut to: WriteHalf<'_>,
        mut outbox: mpsc::UnboundedReceiver<Outgoing>,
        session: &Session,
    ) -> io::Result<()> {
        let mut buffer = Vec::new();
        // Two heartbeats an interval: one may be late.
        let mut patience = session.heartbeat.map(|interval| interval / 2);
        let mut closing = false;
        loop {
            let next = match patience {
                Some(patience) => tokio::time::timeout(patience, outbox.recv()).await,
                None => Ok(outbox.recv().await),
            };
            let (mut bytes, mut ended) = (0, false);
            match next {
                Ok(None) => return Ok(()),
                Err(_) if closing => return Ok(()),
                Err(_) => frames::encode(&AMQPFrame::Heartbeat, &mut buffer),
                Ok(mut next) => {
                    while let Some(outgoing) = next {
                        bytes += outgoing.bytes();
                        ended |= matches!(outgoing, Outgoing::End);
                        closing |= is_close(&outgoing);
                        put(outgoing, session.frame_bytes_max, &mut buffer, &mut to).await?;
                        next = outbox
                            .try_recv()
                            .ok()
                            .filter(|_| buffer.len() < WRITE_BYTES);
                    }
                }
            }
            to.write_all(&buffer).await?;
            buffer.clear();
            if ended {
                return to.shutdown().await;
            }
            if closing {
                patience = Some(CLOSE_MAX);
            }
            self.backlog.subtract(bytes);
            self.tell(Command::Written(bytes)).await;
        }
    }
}

/// Whether the other side has closed the connection.
enum Ended {
    Yes,
    No,
}

/// Reads what there is. A client that is silent for two heartbeats is gone.
async fn fill(
    from: &mut ReadHalf<'_>,
    buffer: &mut BytesMut,
    heartbeat: Option<Duration>,
) -> io::Result<Ended> {
    buffer.reserve(READ_BYTES);
    let reading = from.read_buf(buffer);
    let count = match heartbeat {
        Some(interval) => tokio::time::timeout(interval * 2, reading).await??,
        None => reading.await?,
    };
    Ok(if count == 0 { Ended::Yes } else { Ended::No })
}

/// The next request in what was received, or `None` until more is.
fn next_request(
    buffer: &mut BytesMut,
    assembler: &mut Assembler,
    bytes_max: usize,
) -> Result<Option<Request>, Refusal> {
    while let Some(frame) = frames::decode(buffer, bytes_max)? {
        if let Some(request) = assembler.take(frame)? {
            return Ok(Some(request));
        }
    }
    Ok(None)
}

fn is_close(outgoing: &Outgoing) -> bool {
    matches!(
        outgoing,
        Outgoing::Method(0, AMQPClass::Connection(connection::AMQPMethod::Close(_)))
    )
}

/// Adds what is sent to the buffer; a large body goes out piece by piece.
async fn put(
    outgoing: Outgoing,
    frame_bytes_max: usize,
    buffer: &mut Vec<u8>,
    to: &mut WriteHalf<'_>,
) -> io::Result<()> {
    let (channel, method, message) = match outgoing {
        Outgoing::End => return Ok(()),
        Outgoing::Method(channel, method) => {
            frames::encode(&AMQPFrame::Method(channel, method), buffer);
            return Ok(());
        }
        Outgoing::Content(channel, method, message) => (channel, method, message),
    };
    let class_id = method.get_amqp_class_id();
    frames::encode(&AMQPFrame::Method(channel, method), buffer);
    let Message {
        properties, body, ..
    } = &*message;
    let header = AMQPContentHeader {
        class_id,
        body_size: body.len() as u64,
        properties: properties.clone(),
    };
    frames::encode(&AMQPFrame::Header(channel, header), buffer);
    for piece in body.chunks(frame_bytes_max - FRAME_OVERHEAD) {
        frames::encode_body(channel, piece, buffer);
        if buffer.len() >= WRITE_BYTES {
            to.write_all(buffer).await?;
            buffer.clear();
        }
    }
    Ok(())
}

/// What is read at once, at most.
const READ_BYTES: usize = 16 * 1_024;
