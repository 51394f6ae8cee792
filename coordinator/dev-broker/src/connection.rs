//! One connection: what it sends becomes requests, what it is sent becomes bytes. A client that does not read what it
//! asked for is not read from either.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use amq_protocol::frame::{AMQPContentHeader, AMQPFrame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::actor::{Backlog, Outbox, Told};
use crate::content::Intake;
use crate::core::{ConnectionId, Event, Message, Outgoing};
use crate::frames::{self, FRAME_OVERHEAD};
use crate::limits::{CHUNK_BYTES, CLOSE_MAX, FRAME_BYTES_MAX};
use crate::memory::Memory;

/// The way from a connection to the core, which outlives all connections.
pub struct Link {
    pub id: ConnectionId,
    pub core: mpsc::Sender<Told>,
    pub backlog: Arc<Backlog>,
}

/// Serves a connection for as long as it lasts.
pub async fn serve(mut stream: TcpStream, link: Link, memory: Memory) {
    let _ = stream.set_nodelay(true);
    let ended = link.talk(&mut stream, Intake::new(memory)).await;
    link.tell(Event::Gone).await;
    tracing::debug!(connection = link.id.0, ?ended, "a connection has ended");
}

impl Link {
    async fn tell(&self, event: Event) {
        // Only a broker that is being dropped has no core.
        let _ = self.core.send((self.id, event, None)).await;
    }

    async fn talk(&self, stream: &mut TcpStream, mut intake: Intake) -> io::Result<()> {
        let (mut from, mut to) = stream.split();
        while intake.buffer.len() < PROTOCOL_HEADER.len() {
            fill(&mut from, &mut intake).await?;
        }
        if *intake.buffer.split_to(PROTOCOL_HEADER.len()) != *PROTOCOL_HEADER {
            // Who speaks something else is told what is spoken here.
            return to.write_all(PROTOCOL_HEADER).await;
        }
        let (sender, outgoing) = mpsc::unbounded_channel();
        let outbox = Outbox(sender, Arc::clone(&self.backlog));
        let begins = (self.id, Event::Connected, Some(outbox));
        let _ = self.core.send(begins).await;
        tokio::select! {
            ended = self.read(from, intake) => ended,
            ended = self.write(to, outgoing) => ended,
        }
    }

    async fn read(&self, mut from: ReadHalf<'_>, mut intake: Intake) -> io::Result<()> {
        loop {
            match intake.next() {
                Ok(Some(request)) => {
                    self.backlog.room().await;
                    self.tell(Event::Request(request)).await;
                }
                Ok(None) => fill(&mut from, &mut intake).await?,
                Err(refusal) => {
                    self.tell(Event::Fault(refusal)).await;
                    break;
                }
            }
        }
        // What follows can't be understood. It is read until the writer has said why, and ends the connection.
        loop {
            intake.buffer.clear();
            fill(&mut from, &mut intake).await?;
        }
    }

    async fn write(
        &self,
        mut to: WriteHalf<'_>,
        mut outgoing: UnboundedReceiver<Outgoing>,
    ) -> io::Result<()> {
        let (mut buffer, mut bytes_max) = (Vec::new(), FRAME_BYTES_MAX as usize);
        let (mut patience, mut closing) = (None, false);
        loop {
            let (mut written, mut ended) = (0, false);
            match within(patience, outgoing.recv()).await {
                Err(_) if closing => return Ok(()),
                Err(_) => frames::encode(&AMQPFrame::Heartbeat, &mut buffer),
                Ok(None) => return Ok(()),
                Ok(mut next) => {
                    while let Some(sent) = next {
                        written += sent.bytes();
                        match sent {
                            Outgoing::Method(channel, method, message) => {
                                let place = (channel, method.get_amqp_class_id());
                                frames::encode(&AMQPFrame::Method(channel, method), &mut buffer);
                                if let Some(message) = message {
                                    put(place, &message, bytes_max, &mut buffer, &mut to).await?;
                                }
                            }
                            // Two heartbeats an interval: one may be late.
                            Outgoing::Tuned(frame_max, interval) => {
                                (bytes_max, patience) = (frame_max, interval.map(|all| all / 2));
                            }
                            Outgoing::Closing => (patience, closing) = (Some(CLOSE_MAX), true),
                            Outgoing::End => ended = true,
                        }
                        next = outgoing.try_recv().ok();
                    }
                }
            }
            to.write_all(&buffer).await?;
            buffer.clear();
            if ended {
                return to.shutdown().await;
            }
            self.backlog.subtract(written);
            self.tell(Event::Written(written)).await;
        }
    }
}

/// Reads what there is.
async fn fill(from: &mut ReadHalf<'_>, intake: &mut Intake) -> io::Result<()> {
    intake.buffer.reserve(CHUNK_BYTES);
    let reading = from.read_buf(&mut intake.buffer);
    match within(intake.patience, reading).await?? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

async fn within<F: Future>(patience: Option<Duration>, future: F) -> io::Result<F::Output> {
    match patience {
        Some(patience) => Ok(tokio::time::timeout(patience, future).await?),
        None => Ok(future.await),
    }
}

/// Adds a message to the buffer, and writes the buffer whenever it holds enough.
async fn put(
    (channel, class_id): (u16, u16),
    message: &Message,
    bytes_max: usize,
    buffer: &mut Vec<u8>,
    to: &mut WriteHalf<'_>,
) -> io::Result<()> {
    let header = AMQPContentHeader {
        class_id,
        body_size: message.content.body.len() as u64,
        properties: message.content.properties.clone(),
    };
    frames::encode(&AMQPFrame::Header(channel, header), buffer);
    for piece in message.content.body.chunks(bytes_max - FRAME_OVERHEAD) {
        frames::encode_body(channel, piece, buffer);
        if buffer.len() >= CHUNK_BYTES {
            to.write_all(buffer).await?;
            buffer.clear();
        }
    }
    Ok(())
}

const PROTOCOL_HEADER: &[u8] = b"AMQP\0\0\x09\x01";
