//! From bytes to requests: a message comes as a method, a header and pieces of a body, put together again here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use amq_protocol::frame::AMQPContentHeader;
use amq_protocol::protocol::{AMQPClass, BasicProperties, basic, channel, connection};
use tokio_util::bytes::BytesMut;

use crate::frames::{Frame, decode};
use crate::limits::*;
use crate::memory::{Hold, Memory};
use crate::refusal::{Refusal, refuse};

/// What a client asks for on a channel; with a message if it is `basic.publish`.
pub struct Request(pub u16, pub AMQPClass, pub Option<Published>);

/// The message of a request, or why there is none.
pub type Published = Result<Box<Content>, Unfit>;

/// A message as its publisher sent it, in parts that can be shared.
#[derive(Clone)]
pub struct Content {
    pub properties: BasicProperties,
    pub body: Arc<Vec<u8>>,
    pub _hold: Arc<Hold>,
}

/// Why a message is not taken. Its body is skipped.
pub enum Unfit {
    TooLarge(u64),
    MemoryFull,
}

/// What has been received over one connection and is not complete.
pub struct Intake {
    pub buffer: BytesMut,
    /// How long the client may be silent: two heartbeats, or for ever.
    pub patience: Option<Duration>,
    partial: BTreeMap<u16, Partial>,
    memory: Memory,
}

/// A message that is not complete; once its header has come, with how many bytes of its body are missing.
enum Partial {
    Header(AMQPClass),
    Body(AMQPClass, Published, u64),
}

impl Intake {
    pub fn new(memory: Memory) -> Self {
        let (buffer, patience) = (BytesMut::new(), Some(HANDSHAKE_MAX));
        let partial = BTreeMap::new();
        Self {
            buffer,
            patience,
            partial,
            memory,
        }
    }

    /// The next request in what was received, or `None` until more is.
    pub fn next(&mut self) -> Result<Option<Request>, Refusal> {
        while let Some(frame) = decode(&mut self.buffer)? {
            let request = match frame {
                Frame::Method(channel, method) => self.method(channel, method)?,
                Frame::Header(channel, header, bytes) => {
                    let size = header.body_size;
                    let Some(Partial::Header(method)) = self.partial.remove(&channel) else {
                        refuse!(UNEXPECTED_FRAME => "unexpected header on channel {channel}");
                    };
                    let content = self.admit(*header, bytes);
                    self.progress(channel, Partial::Body(method, content, size))
                }
                Frame::Body(channel, piece) => match self.partial.remove(&channel) {
                    Some(Partial::Body(method, mut content, left))
                        if piece.len() as u64 <= left =>
                    {
                        if let Ok(content) = &mut content {
                            Arc::make_mut(&mut content.body).extend_from_slice(&piece);
                        }
                        let left = left - piece.len() as u64;
                        self.progress(channel, Partial::Body(method, content, left))
                    }
                    _ => {
                        refuse!(UNEXPECTED_FRAME => "unexpected body on channel {channel}")
                    }
                },
                Frame::Heartbeat => None,
            };
            if request.is_some() {
                return Ok(request);
            }
        }
        Ok(None)
    }

    fn method(&mut self, channel: u16, method: AMQPClass) -> Result<Option<Request>, Refusal> {
        use channel::AMQPMethod::{Close, CloseOk};
        if channel > CHANNELS_MAX {
            refuse!(CHANNEL_ERROR => "channel {channel} is past channel_max ({CHANNELS_MAX})");
        }
        // Whoever is told that its channel is closed leaves its message unfinished.
        let ends = matches!(method, AMQPClass::Channel(Close(_) | CloseOk(_)));
        if self.partial.remove(&channel).is_some() && !ends {
            refuse!(UNEXPECTED_FRAME => "unexpected method on channel {channel} within a message");
        }
        match &method {
            AMQPClass::Basic(basic::AMQPMethod::Publish(_)) => {
                self.partial.insert(channel, Partial::Header(method));
                return Ok(None);
            }
            AMQPClass::Connection(connection::AMQPMethod::TuneOk(tune)) => {
                let patience = Duration::from_secs(tune.heartbeat.into()) * 2;
                self.patience = Some(patience).filter(|patience| !patience.is_zero());
            }
            _ => {}
        }
        Ok(Some(Request(channel, method, None)))
    }

    fn progress(&mut self, channel: u16, partial: Partial) -> Option<Request> {
        if let Partial::Body(method, content, 0) = partial {
            return Some(Request(channel, method, Some(content)));
        }
        self.partial.insert(channel, partial);
        None
    }

    fn admit(&self, header: AMQPContentHeader, header_bytes: usize) -> Published {
        let size = header.body_size;
        if size > BODY_BYTES_MAX as u64 {
            return Err(Unfit::TooLarge(size));
        }
        let bytes = MESSAGE_BYTES + header_bytes * PROPERTIES_FACTOR + size as usize;
        Ok(Box::new(Content {
            _hold: Arc::new(self.memory.take(bytes).ok_or(Unfit::MemoryFull)?),
            properties: header.properties,
            body: Arc::default(),
        }))
    }
}
