//! The arguments of queues: what they mean, and whether two declarations ask for the same.

use super::matching::integer;
use super::*;

/// What the arguments of a queue ask for.
#[derive(Default)]
pub struct Policy {
    /// How long a message may wait, and the queue go unused.
    pub ttl: Option<Duration>,
    pub expires: Option<Duration>,
    /// Messages that are ready.
    pub length_max: Option<u64>,
    /// Whether what is too much is refused, instead of the first message being dropped.
    pub rejects_excess: bool,
    pub dead_letter_exchange: Option<ShortString>,
    pub dead_letter_key: Option<ShortString>,
    arguments: FieldTable,
}

impl Policy {
    /// Reads the arguments of a queue. Those that would change what a client gets, and that this broker does not have,
    /// are refused; all others are hints.
    pub fn parse(queue: &str, arguments: FieldTable) -> Result<Self> {
        let mut policy = Self::default();
        for (name, value) in &arguments {
            if policy.read(name.as_str(), value).is_none() {
                refuse!(PRECONDITION_FAILED =>
                    "invalid arg '{name}' for queue '{queue}' in vhost '/': {}", shown(Some(value)));
            }
        }
        policy.arguments = arguments;
        Ok(policy)
    }

    /// `None` for a value that can't be used.
    fn read(&mut self, name: &str, value: &AMQPValue) -> Option<()> {
        let number = || integer(value).and_then(|number| u64::try_from(number).ok());
        let text = || match value {
            AMQPValue::LongString(text) => ShortString::try_new(text.to_string()).ok(),
            _ => None,
        };
        let is = |word: &&str| text().is_some_and(|text| text.as_str() == *word);
        let one_of = |all: [&'static str; 2]| all.into_iter().find(is);
        match name {
            "x-message-ttl" => self.ttl = Some(Duration::from_millis(number()?)),
            "x-expires" => self.expires = Some(Duration::from_millis(number().filter(|n| *n > 0)?)),
            "x-max-length" => self.length_max = Some(number()?),
            "x-dead-letter-exchange" => self.dead_letter_exchange = Some(text()?),
            "x-dead-letter-routing-key" => self.dead_letter_key = Some(text()?),
            "x-overflow" => {
                let overflow = one_of(["drop-head", "reject-publish"])?;
                self.rejects_excess = overflow == "reject-publish";
            }
            "x-queue-type" => _ = one_of(["classic", "quorum"])?,
            "x-delivery-limit" | "x-max-length-bytes" | "x-max-priority" => return None,
            "x-single-active-consumer" => return None,
            _ => {}
        }
        Some(())
    }

    /// Whether a second declaration of `what` asks for what is there.
    pub fn assert_equivalent(&self, what: &str, asked: &FieldTable) -> Result<()> {
        for name in COMPARED.split(' ') {
            let shown = |table: &FieldTable| shown(table.inner().get(name));
            let (asked, current) = (shown(asked), shown(&self.arguments));
            assert_same(what, name, &asked, &current)?;
        }
        Ok(())
    }
}

/// Whether a second declaration of `what` has the same flags, as far as it has them.
pub fn assert_equivalent(what: &str, asked: &[bool], current: &[bool]) -> Result<()> {
    let flags = ["durable", "auto_delete", "internal"].into_iter();
    for (name, (asked, current)) in flags.zip(asked.iter().zip(current)) {
        assert_same(what, name, &format!("'{asked}'"), &format!("'{current}'"))?;
    }
    Ok(())
}

pub fn assert_same(what: &str, name: &str, asked: &str, current: &str) -> Result<()> {
    if asked != current {
        refuse!(PRECONDITION_FAILED =>
            "inequivalent arg '{name}' for {what} in vhost '/': received {asked} but current is {current}");
    }
    Ok(())
}

/// A value as RabbitMQ shows it. A whole number has one type here, since its width makes no difference.
fn shown(value: Option<&AMQPValue>) -> String {
    match (value, value.and_then(integer)) {
        (None, _) => "none".to_owned(),
        (_, Some(number)) => format!("the value '{number}' of type 'signedint'"),
        (Some(AMQPValue::LongString(text)), _) => format!("the value '{text}' of type 'longstr'"),
        (Some(value), _) => format!("a value of type '{}'", value.get_type()),
    }
}

/// The arguments that two declarations must agree on: all that this broker heeds.
const COMPARED: &str = "x-dead-letter-exchange x-dead-letter-routing-key x-expires x-max-length \
                        x-message-ttl x-overflow x-queue-type";
