//! Whatever clients send, in whatever order: the core neither panics nor keeps what nobody can have any more.

use amq_protocol::frame::{AMQPContentHeader, AMQPFrame};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::content::Intake;
use crate::frames;

const MEMORY_BYTES_MAX: usize = 64 * 1_024;

/// A core with two clients, whose bytes come in as a connection's do.
struct World(Core, [Intake; 2]);

impl World {
    fn new() -> Self {
        let (max, used) = (MEMORY_BYTES_MAX, Arc::default());
        let memory = Memory { used, max };
        let intakes = [0, 1].map(|_| Intake::new(memory.clone()));
        let core = Core::new("guest".to_owned(), "guest".to_owned(), memory);
        let (mut world, response) = (World(core, intakes), "\0guest\0guest");
        for client in 0..2 {
            world.event(client, Event::Connected);
            for (channel, method) in [
                (
                    0,
                    method!(Connection connection StartOk {
                    mechanism: "PLAIN".into(), response: response.into(), ..Default::default() }),
                ),
                (
                    0,
                    method!(Connection connection TuneOk { ..Default::default() }),
                ),
                (
                    0,
                    method!(Connection connection Open { virtual_host: "/".into() }),
                ),
                (1, method!(Channel channel Open {})),
            ] {
                world.frame(client, &AMQPFrame::Method(channel, method));
            }
        }
        world
    }

    fn event(&mut self, client: u64, event: Event) {
        let World(core, _) = self;
        let now = core.now + Duration::from_millis(1);
        core.take(ConnectionId(client), event, now);
        for (id, sent) in core.output() {
            core.take(id, Event::Written(sent.bytes()), now);
        }
        core.tick(now);
    }

    fn frame(&mut self, client: u64, frame: &AMQPFrame) {
        let mut bytes = Vec::new();
        frames::encode(frame, &mut bytes);
        self.bytes(client, &bytes);
    }

    fn bytes(&mut self, client: u64, bytes: &[u8]) {
        let intake = client as usize;
        self.1[intake].buffer.extend_from_slice(bytes);
        while let Some(request) = self.1[intake].next().transpose() {
            match request {
                Ok(request) => self.event(client, Event::Request(request)),
                Err(refusal) => {
                    self.1[intake].buffer.clear();
                    self.event(client, Event::Fault(refusal));
                }
            }
        }
    }
}

fn frames_of(
    kind: u8,
    (one, other): (&str, &str),
    (p, q, r): (bool, bool, bool),
    number: u64,
) -> Vec<AMQPFrame> {
    let (queue, exchange) = (ShortString::from(one), ShortString::from(other));
    let (consumer_tag, routing_key, prefetch_count) =
        (queue.clone(), exchange.clone(), number as u16);
    let (delivery_tag, nowait, multiple, requeue) = (number, p, p, q);
    let mut arguments = FieldTable::default();
    for (name, value) in [
        "x-message-ttl",
        "x-max-length",
        "x-delivery-limit",
        "x-expires",
    ]
    .iter()
    .zip(1..)
    {
        if number % (value + 1) == 0 {
            arguments.insert((*name).into(), AMQPValue::LongInt(value as i32));
        }
    }
    let dead = if r { "" } else { "amq.fanout" };
    arguments.insert(
        "x-dead-letter-exchange".into(),
        AMQPValue::LongString(dead.into()),
    );
    let method = match kind {
        0 | 1 => {
            method!(Queue queue Declare { queue, arguments, exclusive: p, auto_delete: q, ..Default::default() })
        }
        2 => method!(Queue queue Bind { queue, exchange, routing_key, nowait, arguments }),
        3 => method!(Queue queue Delete { queue, if_unused: p, if_empty: q, nowait }),
        4 => method!(Queue queue Purge { queue, nowait }),
        5 => {
            method!(Exchange exchange Declare { exchange, kind: "topic".into(), auto_delete: p, ..Default::default() })
        }
        6 | 7 => {
            method!(Basic basic Consume { queue, no_ack: p, exclusive: q && r, ..Default::default() })
        }
        8 => method!(Basic basic Cancel { consumer_tag, nowait }),
        9 => method!(Basic basic Get { queue, no_ack: p }),
        10 => method!(Basic basic Ack { delivery_tag, multiple }),
        11 => method!(Basic basic Nack { delivery_tag, multiple, requeue }),
        12 => method!(Basic basic Qos { prefetch_count, global: p }),
        13 => method!(Channel channel Open {}),
        14 => method!(Channel channel CloseOk {}),
        15 => method!(Confirm confirm Select { nowait }),
        _ => {
            method!(Basic basic Publish { exchange, routing_key: queue, mandatory: p, immediate: false })
        }
    };
    let channel = 1 + u16::from(p && q && r);
    let mut frames = vec![AMQPFrame::Method(channel, method)];
    if kind > 15 {
        let (class_id, body_size) = (60, number * 1_000);
        let properties = BasicProperties::default().with_expiration(number.to_string().into());
        frames.push(AMQPFrame::Header(
            channel,
            AMQPContentHeader {
                class_id,
                body_size,
                properties,
            },
        ));
        frames.push(AMQPFrame::Body(channel, vec![0; body_size as usize]));
    }
    frames
}

fn sent() -> impl Strategy<Value = (u64, Vec<AMQPFrame>)> {
    let name = || prop::sample::select(vec!["", "a", "b", "amq.fanout", "amq.topic"]);
    let parts = (
        0..2u64,
        0..20u8,
        (name(), name()),
        any::<(bool, bool, bool)>(),
        0..12u64,
    );
    parts.prop_map(|(client, kind, names, flags, number)| {
        (client, frames_of(kind, names, flags, number))
    })
}

proptest! {
    #[test]
    fn no_sequence_of_frames_does_harm(all in vec(sent(), 0..120)) {
        let mut world = World::new();
        let memory = world.0.memory.clone();
        for (client, frames) in all {
            for frame in frames {
                world.frame(client, &frame);
            }
            // What was admitted, and places in queues that the next message pays for.
            prop_assert!(memory.used() < 2 * MEMORY_BYTES_MAX);
        }
        let World(mut core, intakes) = world;
        drop(intakes);
        for client in 0..2 {
            core.take(ConnectionId(client), Event::Gone, core.now);
        }
        prop_assert!(core.queues.values().all(|queue| queue.consumers.is_empty()));
        core.queues.clear();
        drop(core.output());
        prop_assert_eq!(memory.used(), 0);
    }

    #[test]
    fn no_bytes_do_harm(bytes in vec(any::<u8>(), 0..400), kind in 0..4u8, depth in 0..130u32) {
        let mut world = World::new();
        // A header whose only property is a table in a table in a table …
        let mut deep = vec![0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0];
        for level in (1..depth).rev() {
            deep.extend((level * 6).to_be_bytes());
            deep.extend([0, b'F']);
        }
        deep.extend(0u32.to_be_bytes());
        for (client, kind, payload) in [(0, kind, &bytes), (1, 2, &deep)] {
            let mut frame = vec![kind, 0, 1];
            frame.extend((payload.len() as u32).to_be_bytes());
            frame.extend(payload);
            frame.push(206);
            world.bytes(client, &frame);
            world.bytes(client, &bytes);
            prop_assert!(world.1[client as usize].buffer.len() <= bytes.len());
        }
    }
}
