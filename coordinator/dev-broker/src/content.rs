//! From bytes to requests: a message comes as a method, a header and pieces of a body, put together again here.

use std::collections::BTreeMap;
use std::time::Duration;

use amq_protocol::protocol::{AMQPClass, BasicProperties, basic, channel, connection};
use tokio_util::bytes::BytesMut;

use crate::frames::{Frame, decode};
use crate::limits::{BODY_BYTES_MAX, CHANNELS_MAX, FRAME_BYTES_MAX, HANDSHAKE_MAX};
use crate::limits::{FRAME_BYTES_MIN, MESSAGE_BYTES, PROPERTIES_FACTOR};
use crate::memory::{Hold, Memory};
use crate::refusal::{Refusal, refuse};

/// What a client asks for on a channel; with a message if it is `basic.publish`.
#[derive(Debug)]
pub struct Request {
    pub channel: u16,
    pub method: AMQPClass,
    pub content: Option<Result<Content, Unfit>>,
}

/// A message as its publisher sent it.
#[derive(Debug)]
pub struct Content {
    pub properties: BasicProperties,
    pub body: Vec<u8>,
    pub hold: Hold,
}

/// Why a message is not taken. Its body is skipped, so that the connection can go on.
#[derive(Debug, Clone, Copy)]
pub enum Unfit {
    TooLarge(u64),
    MemoryFull,
}

/// What has been received over one connection and is not complete.
#[derive(Debug)]
pub struct Intake {
    pub buffer: BytesMut,
    /// How long the client may be silent: two heartbeats, or for ever.
    pub patience: Option<Duration>,
    partial: BTreeMap<u16, Partial>,
    memory: Memory,
    frame_bytes_max: u32,
    /// None but the connection's own until more are agreed on.
    channels_max: u16,
}

/// A message that is not complete; once its header has come, with how many bytes of its body are missing.
#[derive(Debug)]
enum Partial {
    Header(AMQPClass),
    Body(AMQPClass, Content, u64),
    Skipped(u64),
}

impl Intake {
    pub fn new(memory: Memory) -> Self {
        Self {
            buffer: BytesMut::new(),
            patience: Some(HANDSHAKE_MAX),
            partial: BTreeMap::new(),
            memory,
            frame_bytes_max: FRAME_BYTES_MAX,
            channels_max: 0,
        }
    }

    /// The next request in what was received, or `None` until more is.
    pub fn next(&mut self) -> Result<Option<Request>, Refusal> {
        while let Some(frame) = decode(&mut self.buffer, self.frame_bytes_max as usize)? {
            if let Some(request) = self.take(frame)? {
                self.heed(&request.method);
                return Ok(Some(request));
            }
        }
        Ok(None)
    }

    /// Keeps to what the client settled on; the core checks whether it may.
    fn heed(&mut self, method: &AMQPClass) {
        let AMQPClass::Connection(connection::AMQPMethod::TuneOk(tune)) = method else {
            return;
        };
        let (frame_max, channel_max) = (
            tune.frame_max.wrapping_sub(1),
            tune.channel_max.wrapping_sub(1),
        );
        // 0 leaves it to the broker.
        self.frame_bytes_max = frame_max.clamp(FRAME_BYTES_MIN - 1, FRAME_BYTES_MAX - 1) + 1;
        self.channels_max = channel_max.min(CHANNELS_MAX - 1) + 1;
        let seconds = 2 * u64::from(tune.heartbeat);
        self.patience = (seconds > 0).then(|| Duration::from_secs(seconds));
    }

    fn take(&mut self, frame: Frame) -> Result<Option<Request>, Refusal> {
        match frame {
            Frame::Heartbeat => Ok(None),
            Frame::Method(channel, method) => self.method(channel, method),
            Frame::Header(channel, header, bytes) => {
                let Some(Partial::Header(method)) = self.partial.remove(&channel) else {
                    refuse!(UNEXPECTED_FRAME => "unexpected content header on channel {channel}");
                };
                let (properties, body) = (header.properties, Vec::new());
                let admitted = self.admit(header.body_size, bytes);
                let content = admitted.map(|hold| Content {
                    properties,
                    body,
                    hold,
                });
                Ok(self.progress(channel, method, content, header.body_size))
            }
            Frame::Body(channel, piece) => {
                let size = piece.len() as u64;
                match self.partial.remove(&channel) {
                    Some(Partial::Body(method, mut content, missing)) if size <= missing => {
                        content.body.extend_from_slice(&piece);
                        Ok(self.progress(channel, method, Ok(content), missing - size))
                    }
                    Some(Partial::Skipped(missing)) if size <= missing => {
                        self.skip(channel, missing - size);
                        Ok(None)
                    }
                    _ => {
                        refuse!(UNEXPECTED_FRAME => "unexpected content body on channel {channel}")
                    }
                }
            }
        }
    }

    fn method(&mut self, channel: u16, method: AMQPClass) -> Result<Option<Request>, Refusal> {
        use channel::AMQPMethod::{Close, CloseOk};
        if channel > self.channels_max {
            refuse!(CHANNEL_ERROR => "channel {channel} is past channel_max ({})", self.channels_max);
        }
        // Whoever is told that its channel is closed leaves its message unfinished.
        let ends = matches!(method, AMQPClass::Channel(Close(_) | CloseOk(_)));
        if self.partial.remove(&channel).is_some() && !ends {
            refuse!(UNEXPECTED_FRAME => "unexpected method on channel {channel} within a message");
        }
        if matches!(method, AMQPClass::Basic(basic::AMQPMethod::Publish(_))) {
            self.partial.insert(channel, Partial::Header(method));
            return Ok(None);
        }
        Ok(Some(Request {
            channel,
            method,
            content: None,
        }))
    }

    fn progress(
        &mut self,
        channel: u16,
        method: AMQPClass,
        content: Result<Content, Unfit>,
        missing: u64,
    ) -> Option<Request> {
        match content {
            Ok(content) if missing > 0 => {
                let partial = Partial::Body(method, content, missing);
                self.partial.insert(channel, partial);
                return None;
            }
            Ok(_) => {}
            Err(_) => self.skip(channel, missing),
        }
        let content = Some(content);
        Some(Request {
            channel,
            method,
            content,
        })
    }

    fn skip(&mut self, channel: u16, missing: u64) {
        if missing > 0 {
            self.partial.insert(channel, Partial::Skipped(missing));
        }
    }

    fn admit(&self, size: u64, header_bytes: usize) -> Result<Hold, Unfit> {
        let body = usize::try_from(size)
            .ok()
            .filter(|_| size <= BODY_BYTES_MAX);
        let body = body.ok_or(Unfit::TooLarge(size))?;
        let bytes = MESSAGE_BYTES + header_bytes * PROPERTIES_FACTOR + body;
        self.memory.take(bytes).ok_or(Unfit::MemoryFull)
    }
}
