//! Whatever clients send, in whatever order: the core neither panics nor keeps what nobody can have any more.

use std::sync::atomic::Ordering;

use amq_protocol::frame::AMQPFrame;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::content::Intake;
use crate::frames;

/// A core with two clients, whose bytes come in as a connection's do.
struct World(Core, [Intake; 2]);

impl World {
    fn new() -> Self {
        let (max, used) = (MEMORY_BYTES_MAX, Arc::default());
        let memory = Memory { used, max };
        let intakes = [0, 1].map(|_| Intake::new(memory.clone()));
        let core = Core::new("guest".to_owned(), "guest".to_owned(), memory);
        let mut world = World(core, intakes);
        for client in 0..2 {
            world.log_in(client);
        }
        world
    }

    fn log_in(&mut self, client: u64) {
        let start = method!(Connection connection StartOk { mechanism: "PLAIN".into(),
            response: "\0guest\0guest".into(), ..Default::default() });
        let tune = method!(Connection connection TuneOk { ..Default::default() });
        let open = method!(Connection connection Open { virtual_host: "/".into() });
        let mut bytes = Vec::new();
        for method in [start, tune, open] {
            frames::encode(&AMQPFrame::Method(0, method), &mut bytes);
        }
        for channel in [1, 2] {
            let open = method!(Channel channel Open {});
            frames::encode(&AMQPFrame::Method(channel, open), &mut bytes);
        }
        self.event(client, Event::Connected);
        self.bytes(client, &bytes);
    }

    /// What was closed is opened anew, so that the rest is not in vain.
    fn revive(&mut self, client: u64) {
        let connection = self.0.connections.get_mut(&ConnectionId(client)).unwrap();
        if connection.stage == Stage::Closing {
            self.event(client, Event::Gone);
            self.log_in(client);
        } else {
            let channels = connection.channels.values_mut();
            channels.for_each(|channel| channel.closing = false);
        }
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

    fn bytes(&mut self, client: u64, bytes: &[u8]) {
        self.1[client as usize].buffer.extend_from_slice(bytes);
        while let Some(request) = self.1[client as usize].next().transpose() {
            match request {
                Ok(request) => self.event(client, Event::Request(request)),
                Err(refusal) => {
                    self.1[client as usize].buffer.clear();
                    self.event(client, Event::Fault(refusal));
                }
            }
        }
    }
}

fn frame(kind: u8, channel: u8, payload: &[u8]) -> Vec<u8> {
    let size = (payload.len() as u32).to_be_bytes();
    [&[kind, 0, channel], &size[..], payload, &[206]].concat()
}

fn short(text: &str) -> Vec<u8> {
    [&[text.len() as u8], text.as_bytes()].concat()
}

/// A method that the dice choose, with its message if it has one.
fn method(dice: &[u8]) -> Vec<u8> {
    let mut dice = dice.iter().copied().cycle();
    let mut roll = |sides: u8| dice.next().unwrap() % sides;
    let channel = 1 + u8::from(roll(8) == 0);
    let layout = LAYOUTS.split(' ').nth(roll(21).into()).unwrap();
    let (numbers, layout) = layout.split_once(':').unwrap();
    let (class, method) = numbers.split_once('.').unwrap();
    let mut payload = vec![0, class.parse().unwrap(), 0, method.parse().unwrap()];
    for part in layout.chars() {
        let name = ["", "a", "b", "amq.fanout", "topic"][usize::from(roll(5))];
        match part {
            's' => payload.extend(short(name)),
            'w' => payload.extend([0, roll(4)]),
            'd' => payload.extend([0; 4]),
            'q' => payload.extend([0, 0, 0, 0, 0, 0, 0, roll(8)]),
            'm' => payload.push(roll(2)),
            'b' => payload.push(roll(255)),
            _ => {
                let mut table = Vec::new();
                for argument in ARGUMENTS.split(' ').skip(roll(6).into()) {
                    table.extend(short(argument));
                    table.extend([b'I', 0, 0, 0, roll(4)]);
                }
                if roll(2) == 0 {
                    table.extend(short("x-dead-letter-exchange"));
                    table.extend([&b"S\0\0\0"[..], &short(name)].concat());
                }
                payload.extend((table.len() as u32).to_be_bytes());
                payload.extend(table);
            }
        }
    }
    let mut sent = frame(1, channel, &payload);
    if numbers == "60.40" {
        // A body of so many bytes, and an expiration of a digit as its only property.
        let (bytes, digit) = (usize::from(roll(12)) * 1_000, b'0' + roll(10));
        let [.., high, low] = bytes.to_be_bytes();
        let header = [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, high, low, 1, 0, 1, digit];
        sent.extend(frame(2, channel, &header));
        sent.extend(frame(3, channel, &vec![0; bytes]));
    }
    sent
}

proptest! {
    #[test]
    fn no_sequence_of_frames_does_harm(all in vec((0..2u64, any::<[u8; 16]>()), 0..150)) {
        let mut world = World::new();
        let memory = world.0.memory.clone();
        for (client, dice) in all {
            world.bytes(client, &method(&dice));
            world.revive(client);
            prop_assert!(memory.used.load(Ordering::Relaxed) < 2 * MEMORY_BYTES_MAX);
        }
        let World(mut core, intakes) = world;
        drop(intakes);
        for client in 0..2 {
            core.take(ConnectionId(client), Event::Gone, core.now);
        }
        prop_assert!(core.queues.values().all(|queue| queue.consumers.is_empty()));
        core.queues.clear();
        drop(core.output());
        prop_assert_eq!(memory.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn no_bytes_do_harm(bytes in vec(any::<u8>(), 0..400), kind in 0..4u8, depth in 1..130u32) {
        let mut world = World::new();
        // A header whose only property is a table in a table in a table …
        let tables = (0..depth).rev().flat_map(|level| [&(level * 6).to_be_bytes()[..], b"\0F"].concat());
        let mut deep = [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0].into_iter().chain(tables).collect::<Vec<u8>>();
        deep.truncate(deep.len() - 2);
        for (client, sent) in [frame(kind, 1, &bytes), bytes, frame(2, 1, &deep)].iter().enumerate() {
            world.bytes(client as u64 / 2, sent);
            prop_assert!(world.1.iter().all(|intake| intake.buffer.len() <= 2 * sent.len() + 400));
        }
    }
}

const MEMORY_BYTES_MAX: usize = 64 * 1_024;
/// Methods by class and number, with their fields: names, words, longs, tags, bits and tables.
const LAYOUTS: &str = "20.10:s 20.41: 40.10:wssbt 40.20:wsb 50.10:wsbt 50.10:wsbt 50.20:wsssbt 50.30:wsb 50.40:wsb \
                       50.50:wssst 60.10:dwb 60.20:wssbt 60.30:sb 60.40:wssm 60.40:wssm 60.40:wssm 60.70:wsb \
                       60.80:qb 60.90:qb 60.120:qb 85.10:b";
const ARGUMENTS: &str = "x-none x-message-ttl x-max-length x-expires x-match";
