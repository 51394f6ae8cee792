//! Between bytes and frames. The codec does methods and properties; what is done here is what bounds it: the size of a
//! frame, how deep it nests, and that bodies are never copied more than once.

use amq_protocol::frame::{AMQPContentHeader, AMQPFrame, WriteContext, gen_frame, parse_frame};
use amq_protocol::protocol::AMQPClass;
use amq_protocol::protocol::constants::{
    FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_HEARTBEAT, FRAME_METHOD,
};
use tokio_util::bytes::{Buf, Bytes, BytesMut};

use crate::limits::{METHOD_BYTES_MAX, TABLES_MAX};
use crate::refusal::{Code, Refusal};

/// A frame that a client sent.
#[derive(Debug)]
pub(crate) enum Frame {
    Method(u16, AMQPClass),
    /// The content's header, and how many bytes it took.
    Header(u16, Box<AMQPContentHeader>, usize),
    Body(u16, Bytes),
    Heartbeat,
}

/// Takes the next frame off what was received, or `None` until more is.
///
/// `bytes_max` is the size of the largest frame that was agreed on, so the buffer never has to hold more.
pub(crate) fn decode(buffer: &mut BytesMut, bytes_max: usize) -> Result<Option<Frame>, Refusal> {
    let Some(&[kind, channel0, channel1, size0, size1, size2, size3]) = buffer.first_chunk() else {
        return Ok(None);
    };
    let channel = u16::from_be_bytes([channel0, channel1]);
    let size = u32::from_be_bytes([size0, size1, size2, size3]) as usize;
    let bytes = size.saturating_add(FRAME_OVERHEAD);
    if bytes > bytes_max || (kind == FRAME_METHOD && size > METHOD_BYTES_MAX) {
        return Err(
            Code::FrameError.because(format!("type {kind}, {size} octets: frame_too_large"))
        );
    }
    if buffer.len() < bytes {
        return Ok(None);
    }
    let mut frame = buffer.split_to(bytes).freeze();
    if frame.last() != Some(&FRAME_END) {
        return Err(Code::FrameError.because(format!("type {kind}, {size} octets: no frame end")));
    }
    match kind {
        FRAME_METHOD | FRAME_HEADER => structured(&frame, channel, size).map(Some),
        FRAME_BODY => {
            frame.advance(FRAME_OVERHEAD - 1);
            frame.truncate(size);
            Ok(Some(Frame::Body(channel, frame)))
        }
        FRAME_HEARTBEAT => Ok(Some(Frame::Heartbeat)),
        other => Err(Code::FrameError.because(format!("unknown frame type {other}"))),
    }
}

fn structured(frame: &[u8], channel: u16, size: usize) -> Result<Frame, Refusal> {
    // Behind the type of a nested table or array stands its length, whose first byte no frame is long enough to need.
    let is_nested = |bytes: &&[u8]| matches!(bytes, [b'F' | b'A', 0, ..]);
    if frame.windows(2).filter(is_nested).count() > TABLES_MAX {
        return Err(
            Code::ResourceError.because(format!("more than {TABLES_MAX} tables in a frame"))
        );
    }
    match parse_frame(frame) {
        Ok((_, AMQPFrame::Method(channel, method))) => Ok(Frame::Method(channel, method)),
        Ok((_, AMQPFrame::Header(channel, header))) => {
            Ok(Frame::Header(channel, Box::new(header), size))
        }
        _ => {
            // A method's class and number come first in its payload.
            let text = match frame.get(FRAME_OVERHEAD - 1..FRAME_OVERHEAD + 3) {
                Some(&[class0, class1, method0, method1]) => format!(
                    "channel {channel}: cannot parse class {} method {}",
                    u16::from_be_bytes([class0, class1]),
                    u16::from_be_bytes([method0, method1]),
                ),
                _ => format!("channel {channel}: cannot parse a frame of {size} octets"),
            };
            Err(Code::SyntaxError.because(text))
        }
    }
}

/// Appends a frame that holds no body.
pub(crate) fn encode(frame: &AMQPFrame, to: &mut Vec<u8>) {
    let written = gen_frame(frame)(WriteContext::from(Vec::new()));
    let (bytes, _) = written.expect("a vector takes everything").into_inner();
    to.extend(bytes);
}

/// Appends a frame with a piece of a body.
pub(crate) fn encode_body(channel: u16, piece: &[u8], to: &mut Vec<u8>) {
    let size = u32::try_from(piece.len()).expect("a piece is smaller than the largest frame");
    to.push(FRAME_BODY);
    to.extend(channel.to_be_bytes());
    to.extend(size.to_be_bytes());
    to.extend(piece);
    to.push(FRAME_END);
}

/// Type, channel and size before the payload, and the end behind it.
pub(crate) const FRAME_OVERHEAD: usize = 8;
