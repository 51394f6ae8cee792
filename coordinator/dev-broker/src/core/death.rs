//! Dead letters: what a queue gives up goes to its dead letter exchange, and tells in `x-death` how it got there.

use super::*;

// Why a queue gives up a message: it was rejected, waited too long, or was one too many.
pub const REJECTED: &str = "rejected";
pub const EXPIRED: &str = "expired";
pub const MAX_LENGTH: &str = "maxlen";

impl Core {
    /// Sends a message that a queue gives up to where the queue says; `None` when it does not.
    pub fn dead_letter(&mut self, from: QueueId, message: &Message, why: &str) -> Option<()> {
        let Queue { name, policy, .. } = self.queues.get(&from)?;
        let exchange = policy.dead_letter_exchange.clone()?;
        let key = policy.dead_letter_key.as_ref();
        let headers = message.died(name.as_str(), why, self.now);
        let address = (exchange, key.unwrap_or(&message.address.1).clone());
        let mut content = message.content.clone();
        content.properties = lasting(&content.properties).with_headers(headers.clone());
        let dead = Arc::new(Message { address, content });
        let deaths = deaths(&headers);
        for target in self.route(&dead) {
            let to = self.queues.get(&target);
            let cycles = why != REJECTED && to.is_some_and(|to| is_cycle(deaths, &to.name));
            if cycles || deaths.len() > DEATHS_MAX {
                tracing::warn!("dropped a message that would be dead-lettered for ever");
                continue;
            }
            self.enqueue(target, Arc::clone(&dead));
        }
        Some(())
    }
}

impl Message {
    /// The headers with this death as the newest; that a queue gives it up for the same reason again is counted.
    fn died(&self, queue: &str, why: &str, now: Duration) -> FieldTable {
        let properties = &self.content.properties;
        let (exchange, key) = (self.address.0.as_str(), self.address.1.as_str());
        let mut headers = properties.headers().clone().unwrap_or_default();
        let mut all = deaths(&headers).to_vec();
        let parts = [("reason", why), ("queue", queue), ("exchange", exchange)];
        let is_same = |death: &AMQPValue| has(death, "reason", why) && has(death, "queue", queue);
        let before = all.iter().position(is_same).map(|at| all.remove(at));
        let mut death = match before {
            Some(AMQPValue::FieldTable(death)) => death,
            _ => {
                let mut death = FieldTable::default();
                let keys = vec![text(key)];
                death.insert("time".into(), AMQPValue::Timestamp(now.as_secs()));
                death.insert("routing-keys".into(), AMQPValue::FieldArray(keys.into()));
                let expiration = properties.expiration().as_ref();
                let original = expiration.map(|value| ("original-expiration", value.as_str()));
                for (name, value) in parts.into_iter().chain(original) {
                    death.insert(name.into(), text(value));
                }
                death
            }
        };
        let count = match death.inner().get("count") {
            Some(AMQPValue::LongLongInt(count)) => count.saturating_add(1),
            _ => 1,
        };
        death.insert("count".into(), AMQPValue::LongLongInt(count));
        all.insert(0, AMQPValue::FieldTable(death));
        let is_first = !headers.contains_key("x-first-death-reason");
        headers.insert("x-death".into(), AMQPValue::FieldArray(all.into()));
        for (name, value) in parts.into_iter().filter(|_| is_first) {
            headers.insert(format!("x-first-death-{name}").into(), text(value));
        }
        headers
    }
}

fn deaths(headers: &FieldTable) -> &[AMQPValue] {
    match headers.inner().get("x-death") {
        Some(AMQPValue::FieldArray(deaths)) => deaths.as_slice(),
        _ => &[],
    }
}

/// Whether a message comes back to a queue without anybody having rejected it in between: it would do so for ever.
fn is_cycle(deaths: &[AMQPValue], queue: &ShortString) -> bool {
    let is_no_reject = |death: &&AMQPValue| !has(death, "reason", REJECTED);
    let mut since = deaths.iter().take_while(is_no_reject);
    since.any(|death| has(death, "queue", queue.as_str()))
}

fn has(death: &AMQPValue, name: &str, value: &str) -> bool {
    let AMQPValue::FieldTable(death) = death else {
        return false;
    };
    death.inner().get(name) == Some(&text(value))
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

/// A copy of the properties without headers and expiration: what expired once does not expire again.
fn lasting(original: &BasicProperties) -> BasicProperties {
    let mut copy = BasicProperties::default();
    macro_rules! keep {
        ($($get:ident $with:ident)*) => {
            $(if let Some(value) = original.$get().clone() { copy = copy.$with(value); })*
        };
    }
    keep!(
        content_type with_content_type content_encoding with_content_encoding kind with_type
        delivery_mode with_delivery_mode priority with_priority timestamp with_timestamp
        correlation_id with_correlation_id reply_to with_reply_to message_id with_message_id
        user_id with_user_id app_id with_app_id cluster_id with_cluster_id
    );
    copy
}
