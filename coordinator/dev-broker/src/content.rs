//! From frames to requests: a message comes as a method, a header and pieces of a body, which belong together again here.

use std::collections::BTreeMap;

use amq_protocol::frame::AMQPContentHeader;
use amq_protocol::protocol::{AMQPClass, BasicProperties, basic, channel};

use crate::frames::Frame;
use crate::limits::{BODY_BYTES_MAX, MESSAGE_BYTES, PROPERTIES_FACTOR};
use crate::memory::{Hold, Memory};
use crate::refusal::{Code, Refusal};

/// What a client asks for, on which channel.
#[derive(Debug)]
pub(crate) enum Request {
    Method(u16, AMQPClass),
    Publish(u16, basic::Publish, Result<Content, Unfit>),
}

/// A message as its publisher sent it.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) properties: BasicProperties,
    pub(crate) body: Vec<u8>,
    pub(crate) hold: Hold,
}

/// Why a message is not taken. Its body is skipped, so that the connection can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    TooLarge(u64),
    MemoryFull,
}

/// The contents of one connection that are not complete.
#[derive(Debug)]
pub(crate) struct Assembler {
    partial: BTreeMap<u16, Partial>,
    channels_max: u16,
    memory: Memory,
}

#[derive(Debug)]
enum Partial {
    Header(basic::Publish),
    Body(basic::Publish, Content, u64),
    Skipped(u64),
}

impl Assembler {
    pub(crate) fn new(channels_max: u16, memory: Memory) -> Self {
        let partial = BTreeMap::new();
        Self {
            partial,
            channels_max,
            memory,
        }
    }

    /// Takes a frame; returns the request that it completes.
    pub(crate) fn take(&mut self, frame: Frame) -> Result<Option<Request>, Refusal> {
        match frame {
            Frame::Heartbeat => Ok(None),
            Frame::Method(channel, method) => self.method(channel, method),
            Frame::Header(channel, header, bytes) => self.header(channel, *header, bytes),
            Frame::Body(channel, piece) => self.body(channel, &piece),
        }
    }

    fn method(&mut self, channel: u16, method: AMQPClass) -> Result<Option<Request>, Refusal> {
        if channel > self.channels_max {
            let max = self.channels_max;
            return Err(
                Code::ChannelError.because(format!("channel {channel} is past channel_max, {max}"))
            );
        }
        // Whoever is told that its channel is closed leaves its message unfinished.
        let ends = matches!(
            method,
            AMQPClass::Channel(channel::AMQPMethod::Close(_) | channel::AMQPMethod::CloseOk(_))
        );
        if self.partial.remove(&channel).is_some() && !ends {
            return Err(unexpected(channel, "a method"));
        }
        if let AMQPClass::Basic(basic::AMQPMethod::Publish(publish)) = method {
            self.partial.insert(channel, Partial::Header(publish));
            return Ok(None);
        }
        Ok(Some(Request::Method(channel, method)))
    }

    fn header(
        &mut self,
        channel: u16,
        header: AMQPContentHeader,
        bytes: usize,
    ) -> Result<Option<Request>, Refusal> {
        let Some(Partial::Header(publish)) = self.partial.remove(&channel) else {
            return Err(unexpected(channel, "a content header"));
        };
        let size = header.body_size;
        match self.admit(size, bytes) {
            Ok(hold) => {
                let (properties, body) = (header.properties, Vec::new());
                let content = Content {
                    properties,
                    body,
                    hold,
                };
                Ok(self.progress(channel, publish, content, size))
            }
            Err(unfit) => {
                if size > 0 {
                    self.partial.insert(channel, Partial::Skipped(size));
                }
                Ok(Some(Request::Publish(channel, publish, Err(unfit))))
            }
        }
    }

    fn body(&mut self, channel: u16, piece: &[u8]) -> Result<Option<Request>, Refusal> {
        let size = piece.len() as u64;
        match self.partial.remove(&channel) {
            Some(Partial::Body(publish, mut content, missing)) if size <= missing => {
                content.body.extend_from_slice(piece);
                Ok(self.progress(channel, publish, content, missing - size))
            }
            Some(Partial::Skipped(missing)) if size <= missing => {
                if size < missing {
                    self.partial
                        .insert(channel, Partial::Skipped(missing - size));
                }
                Ok(None)
            }
            _ => Err(unexpected(channel, "a content body")),
        }
    }

    fn progress(
        &mut self,
        channel: u16,
        publish: basic::Publish,
        content: Content,
        missing: u64,
    ) -> Option<Request> {
        if missing == 0 {
            return Some(Request::Publish(channel, publish, Ok(content)));
        }
        let partial = Partial::Body(publish, content, missing);
        self.partial.insert(channel, partial);
        None
    }

    fn admit(&self, size: u64, header_bytes: usize) -> Result<Hold, Unfit> {
        if size > BODY_BYTES_MAX {
            return Err(Unfit::TooLarge(size));
        }
        let body = usize::try_from(size).map_err(|_| Unfit::TooLarge(size))?;
        let bytes = MESSAGE_BYTES + header_bytes * PROPERTIES_FACTOR + body;
        self.memory.take(bytes).ok_or(Unfit::MemoryFull)
    }
}

fn unexpected(channel: u16, what: &str) -> Refusal {
    Code::UnexpectedFrame.because(format!("did not expect {what} on channel {channel}"))
}
