//! Between bytes and frames. The codec does methods and properties; what is done here bounds it: the size of a frame,
//! and how deep it nests.

use amq_protocol::frame::{AMQPContentHeader, AMQPFrame, WriteContext, gen_frame, parse_frame};
use amq_protocol::protocol::AMQPClass;
use amq_protocol::protocol::constants as kinds;
use tokio_util::bytes::{Buf, Bytes, BytesMut};

use crate::limits::{FRAME_BYTES_MAX, METHOD_BYTES_MAX, TABLES_MAX};
use crate::refusal::{Refusal, refuse};

/// A frame that a client sent.
pub enum Frame {
    Method(u16, AMQPClass),
    /// The content's header, and how many bytes it took.
    Header(u16, Box<AMQPContentHeader>, usize),
    Body(u16, Bytes),
    Heartbeat,
}

/// Takes the next frame off what was received, or `None` until more is; never more than the largest frame there may be.
pub fn decode(buffer: &mut BytesMut) -> Result<Option<Frame>, Refusal> {
    let Some(&[kind, channel @ .., size0, size1, size2, size3]) = buffer.first_chunk::<7>() else {
        return Ok(None);
    };
    let channel = u16::from_be_bytes(channel);
    let size = u32::from_be_bytes([size0, size1, size2, size3]) as usize;
    let bytes = size.saturating_add(FRAME_OVERHEAD);
    if bytes > FRAME_BYTES_MAX as usize || (kind == kinds::FRAME_METHOD && size > METHOD_BYTES_MAX)
    {
        refuse!(FRAME_ERROR => "type {kind}, {size} octets: frame_too_large");
    }
    if buffer.len() < bytes {
        return Ok(None);
    }
    let mut frame = buffer.split_to(bytes).freeze();
    if frame.last() != Some(&kinds::FRAME_END) {
        refuse!(FRAME_ERROR => "type {kind}, {size} octets: no frame end");
    }
    match kind {
        kinds::FRAME_METHOD | kinds::FRAME_HEADER => structured(&frame, size).map(Some),
        kinds::FRAME_BODY => {
            frame.advance(FRAME_OVERHEAD - 1);
            frame.truncate(size);
            Ok(Some(Frame::Body(channel, frame)))
        }
        kinds::FRAME_HEARTBEAT => Ok(Some(Frame::Heartbeat)),
        _ => refuse!(FRAME_ERROR => "unknown frame type {kind}"),
    }
}

fn structured(frame: &[u8], size: usize) -> Result<Frame, Refusal> {
    // Behind the type of a nested table or array stands its length, whose first byte no frame is long enough to need.
    let is_nested = |bytes: &&[u8]| matches!(bytes, [b'F' | b'A', 0]);
    if frame.windows(2).filter(is_nested).count() > TABLES_MAX {
        refuse!(RESOURCE_ERROR => "more than {TABLES_MAX} tables in a frame");
    }
    match parse_frame(frame) {
        Ok((_, AMQPFrame::Method(channel, method))) => Ok(Frame::Method(channel, method)),
        Ok((_, AMQPFrame::Header(channel, head))) => {
            Ok(Frame::Header(channel, Box::new(head), size))
        }
        _ => refuse!(SYNTAX_ERROR => "cannot parse a frame of {size} octets"),
    }
}

/// Appends a frame that holds no body.
pub fn encode(frame: &AMQPFrame, to: &mut Vec<u8>) {
    let written = gen_frame(frame)(WriteContext::from(Vec::new()));
    let (bytes, _) = written.expect("a vector takes everything").into_inner();
    to.extend(bytes);
}

/// Appends a frame with a piece of a body.
pub fn encode_body(channel: u16, piece: &[u8], to: &mut Vec<u8>) {
    let size = u32::try_from(piece.len()).expect("a piece fits into a frame");
    to.push(kinds::FRAME_BODY);
    to.extend(channel.to_be_bytes());
    to.extend(size.to_be_bytes());
    to.extend(piece);
    to.push(kinds::FRAME_END);
}

/// Type, channel and size before the payload, and the end behind it.
pub const FRAME_OVERHEAD: usize = 8;
