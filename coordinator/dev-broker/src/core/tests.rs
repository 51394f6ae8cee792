//! Whatever clients send, in whatever order: the core neither panics nor keeps what nobody can have any more.

use std::time::Duration;

use amq_protocol::frame::{AMQPContentHeader, AMQPFrame};
use amq_protocol::protocol::{AMQPClass, BasicProperties};
use amq_protocol::types::{AMQPValue, FieldTable};
use proptest::prelude::*;

use super::{ConnectionId, Core, Event, method};
use crate::content::Intake;
use crate::frames;
use crate::memory::Memory;

const MEMORY_BYTES_MAX: usize = 64 * 1_024;

/// A core with two clients, whose bytes come in as a connection's do.
struct World {
    core: Core,
    memory: Memory,
    intakes: [Intake; 2],
    now: Duration,
}

impl World {
    fn new() -> Self {
        let memory = Memory::new(MEMORY_BYTES_MAX);
        let mut world = World {
            core: Core::new("guest".to_owned(), "guest".to_owned(), memory.clone()),
            intakes: [0, 1].map(|_| Intake::new(memory.clone())),
            memory,
            now: Duration::from_secs(1),
        };
        for client in 0..2 {
            world.event(client, Event::Connected);
            for method in [
                method!(Connection connection StartOk { mechanism: "PLAIN".into(),
                    response: "\0guest\0guest".into(), ..Default::default() }),
                method!(Connection connection TuneOk { ..Default::default() }),
                method!(Connection connection Open { virtual_host: "/".into() }),
                method!(Channel channel Open {}),
            ] {
                let channel = u16::from(matches!(method, AMQPClass::Channel(_)));
                world.frame(client, &AMQPFrame::Method(channel, method));
            }
        }
        world
    }

    fn event(&mut self, client: usize, event: Event) {
        self.now += Duration::from_millis(1);
        self.core.take(ConnectionId(client as u64), event, self.now);
        let bytes: usize = self
            .core
            .output()
            .iter()
            .map(|(_, outgoing)| outgoing.bytes())
            .sum();
        self.core
            .take(ConnectionId(0), Event::Written(bytes), self.now);
        self.core.tick(self.now);
    }

    fn frame(&mut self, client: usize, frame: &AMQPFrame) {
        let mut bytes = Vec::new();
        frames::encode(frame, &mut bytes);
        self.bytes(client, &bytes);
    }

    fn bytes(&mut self, client: usize, bytes: &[u8]) {
        self.intakes[client].buffer.extend_from_slice(bytes);
        loop {
            match self.intakes[client].next() {
                Ok(Some(request)) => self.event(client, Event::Request(request)),
                Ok(None) => return,
                Err(refusal) => {
                    self.intakes[client].buffer.clear();
                    return self.event(client, Event::Fault(refusal));
                }
            }
        }
    }
}

fn arguments() -> impl Strategy<Value = FieldTable> {
    let names = "x-message-ttl x-max-length x-delivery-limit x-expires x-match".split(' ');
    let names = prop::sample::select(Vec::from_iter(names));
    let numbers = prop::collection::btree_map(names, 0..5i32, 0..3);
    (numbers, any::<Option<bool>>()).prop_map(|(numbers, dead)| {
        let mut table = FieldTable::default();
        for (name, number) in numbers {
            table.insert(name.into(), AMQPValue::LongInt(number));
        }
        let exchange = dead.map(|default| if default { "" } else { "amq.fanout" });
        if let Some(exchange) = exchange {
            table.insert(
                "x-dead-letter-exchange".into(),
                AMQPValue::LongString(exchange.into()),
            );
        }
        table
    })
}

fn frame() -> impl Strategy<Value = Vec<AMQPFrame>> {
    let name = prop::sample::select(vec!["", "a", "b", "amq.fanout", "amq.topic"]);
    let any = (
        name.clone(),
        name,
        arguments(),
        1..3u16,
        any::<[bool; 4]>(),
        0..40u64,
    );
    (0..18, any).prop_map(|(kind, (one, other, arguments, channel, [p, q, r, s], number))| {
        let (queue, exchange) = (one.into(), other.into());
        let properties = BasicProperties::default().with_expiration((number / 4).to_string().into());
        let body_size = number * 300;
        let method = match kind {
            0 | 1 => method!(Queue queue Declare { queue, passive: false, durable: p, exclusive: q && r,
                auto_delete: q && s, nowait: s, arguments }),
            2 => method!(Queue queue Bind { queue, exchange, arguments, routing_key: other.into(), nowait: p }),
            3 => method!(Queue queue Delete { queue, if_unused: p, if_empty: q, nowait: r }),
            4 => method!(Queue queue Purge { queue, nowait: p }),
            5 => method!(Exchange exchange Declare { exchange, kind: "topic".into(), auto_delete: p,
                passive: q, arguments, ..Default::default() }),
            6 | 7 => method!(Basic basic Consume { queue, no_ack: p, exclusive: q && r, ..Default::default() }),
            8 => method!(Basic basic Cancel { consumer_tag: one.into(), nowait: p }),
            9 => method!(Basic basic Get { queue, no_ack: p }),
            10 => method!(Basic basic Ack { delivery_tag: number / 4, multiple: p }),
            11 => method!(Basic basic Nack { delivery_tag: number / 4, multiple: p, requeue: q }),
            12 => method!(Basic basic Qos { prefetch_count: 2, global: p }),
            13 => method!(Channel channel Open {}),
            14 => method!(Channel channel CloseOk {}),
            15 => method!(Confirm confirm Select { nowait: p }),
            _ => {
                let method = method!(Basic basic Publish { exchange, routing_key: one.into(), mandatory: p,
                    immediate: false });
                let header = AMQPContentHeader { class_id: 60, body_size, properties };
                let body = vec![0; body_size as usize];
                return vec![
                    AMQPFrame::Method(channel, method),
                    AMQPFrame::Header(channel, header),
                    AMQPFrame::Body(channel, body),
                ];
            }
        };
        vec![AMQPFrame::Method(channel, method)]
    })
}

proptest! {
    #[test]
    fn no_sequence_of_frames_does_harm(sent in prop::collection::vec((0..2usize, frame()), 0..80)) {
        let mut world = World::new();
        for (client, frames) in sent {
            for frame in frames {
                world.frame(client, &frame);
            }
            // What was admitted, and a message's worth of places in queues.
            prop_assert!(world.memory.used() < 2 * MEMORY_BYTES_MAX);
        }
        for client in 0..2 {
            world.intakes[client] = Intake::new(world.memory.clone());
            world.event(client, Event::Gone);
        }
        world.core.queues.clear();
        prop_assert_eq!(world.memory.used(), 0);
    }

    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..400), head in 0..4u8, nested in 0..130u32) {
        let mut world = World::new();
        let mut frame = vec![head, 0, 0];
        frame.extend((bytes.len() as u32).to_be_bytes());
        frame.extend(&bytes);
        frame.push(206);
        world.bytes(0, &frame);
        world.bytes(0, &bytes);
        // A header whose only property is a table in a table in a table …
        let mut deep = vec![0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0];
        for level in (0..nested).rev() {
            deep.extend((level * 6).to_be_bytes());
            deep.extend([0, b'F']);
        }
        let mut frame = vec![2, 0, 1];
        frame.extend((deep.len() as u32).to_be_bytes());
        frame.extend(deep);
        frame.push(206);
        world.bytes(1, &frame);
        prop_assert!(world.intakes.iter().all(|intake| intake.buffer.len() <= frame.len()));
    }
}
