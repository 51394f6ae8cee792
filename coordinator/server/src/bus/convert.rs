//! Between neutral properties and those of the AMQP library, in both directions.

use std::collections::BTreeMap;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldArray, FieldTable, LongString, ShortString};
use sagamore_messages::{Header, Properties, names::HEADER_EXECUTION};

/// Why a message can't be put on the wire, whatever the broker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unsendable {
    /// AMQP's short strings hold 255 bytes.
    #[error("its {0} is longer than 255 bytes")]
    TooLong(&'static str),
    /// All properties travel in one frame; one that is too large would cost the whole connection.
    #[error("its headers are larger than {HEADERS_BYTES_MAX} bytes")]
    HeadersTooLarge,
}

/// The library's properties for neutral ones.
pub(super) fn outgoing(properties: &Properties) -> Result<BasicProperties, Unsendable> {
    let mut to = BasicProperties::default();
    if let Some(text) = short("type", properties.kind.as_deref())? {
        to = to.with_type(text);
    }
    if let Some(text) = short("message_id", properties.message_id.as_deref())? {
        to = to.with_message_id(text);
    }
    if let Some(text) = short("correlation_id", properties.correlation_id.as_deref())? {
        to = to.with_correlation_id(text);
    }
    if let Some(text) = short("reply_to", properties.reply_to.as_deref())? {
        to = to.with_reply_to(text);
    }
    if let Some(text) = short("content_type", properties.content_type.as_deref())? {
        to = to.with_content_type(text);
    }
    if let Some(text) = short("expiration", properties.expiration.as_deref())? {
        to = to.with_expiration(text);
    }
    if let Some(text) = short("user_id", properties.user_id.as_deref())? {
        to = to.with_user_id(text);
    }
    if let Some(text) = short("app_id", properties.app_id.as_deref())? {
        to = to.with_app_id(text);
    }
    if let Some(mode) = properties.delivery_mode {
        to = to.with_delivery_mode(mode);
    }
    if let Some(seconds) = properties.timestamp {
        to = to.with_timestamp(seconds);
    }
    if !properties.headers.is_empty() {
        let headers = table(&properties.headers)?;
        if table_bytes(&headers) > HEADERS_BYTES_MAX {
            return Err(Unsendable::HeadersTooLarge);
        }
        to = to.with_headers(headers);
    }
    Ok(to)
}

/// A text as AMQP's short string.
pub(super) fn short(
    name: &'static str,
    text: Option<&str>,
) -> Result<Option<ShortString>, Unsendable> {
    text.map(ShortString::try_new)
        .transpose()
        .map_err(|_| Unsendable::TooLong(name))
}

/// The reason of the newest entry of `x-death`, or `None` when the broker did not dead-letter the message.
pub(super) fn death_reason(properties: &BasicProperties) -> Option<String> {
    let headers = properties.headers().as_ref()?.inner();
    let Some(AMQPValue::FieldArray(deaths)) = headers.get("x-death") else {
        return None;
    };
    let Some(AMQPValue::FieldTable(newest)) = deaths.as_slice().first() else {
        return None;
    };
    match newest.inner().get("reason") {
        Some(AMQPValue::LongString(reason)) => Some(reason.to_string()),
        _ => None,
    }
}

/// Whether a task message is of an EXPRESS execution, by its ARN.
pub(super) fn is_of_express(properties: &BasicProperties) -> bool {
    let headers = properties.headers().as_ref().map(FieldTable::inner);
    let arn = headers.and_then(|headers| headers.get(HEADER_EXECUTION));
    matches!(arn, Some(AMQPValue::LongString(arn)) if arn.to_string().contains(":express:"))
}

/// How many bytes a table takes on the wire, or a little more.
pub(super) fn table_bytes(table: &FieldTable) -> usize {
    let entries = table.into_iter();
    let entries = entries.map(|(name, value)| 1 + name.as_str().len() + value_bytes(value));
    4 + entries.sum::<usize>()
}

fn value_bytes(value: &AMQPValue) -> usize {
    1 + match value {
        AMQPValue::ShortString(text) => 4 + text.as_str().len(),
        AMQPValue::LongString(text) => 4 + text.len(),
        AMQPValue::ByteArray(bytes) => 4 + bytes.len(),
        AMQPValue::FieldArray(list) => 4 + list.as_slice().iter().map(value_bytes).sum::<usize>(),
        AMQPValue::FieldTable(table) => table_bytes(table),
        AMQPValue::Boolean(_)
        | AMQPValue::ShortShortInt(_)
        | AMQPValue::ShortShortUInt(_)
        | AMQPValue::ShortInt(_)
        | AMQPValue::ShortUInt(_)
        | AMQPValue::LongInt(_)
        | AMQPValue::LongUInt(_)
        | AMQPValue::LongLongInt(_)
        | AMQPValue::Float(_)
        | AMQPValue::Double(_)
        | AMQPValue::DecimalValue(_)
        | AMQPValue::Timestamp(_)
        | AMQPValue::Void => 8,
    }
}

fn table(headers: &BTreeMap<String, Header>) -> Result<FieldTable, Unsendable> {
    let mut table = FieldTable::default();
    for (name, header) in headers {
        let name = ShortString::try_new(name.as_str());
        let name = name.map_err(|_| Unsendable::TooLong("header's name"))?;
        table.insert(name, value(header)?);
    }
    Ok(table)
}

fn value(header: &Header) -> Result<AMQPValue, Unsendable> {
    Ok(match header {
        Header::Text(text) => AMQPValue::LongString(LongString::from(text.as_str())),
        Header::Integer(number) => AMQPValue::LongLongInt(*number),
        Header::Boolean(truth) => AMQPValue::Boolean(*truth),
        Header::List(list) => {
            let values: Result<Vec<_>, _> = list.iter().map(value).collect();
            AMQPValue::FieldArray(FieldArray::from(values?))
        }
        Header::Table(members) => AMQPValue::FieldTable(table(members)?),
        Header::Other => AMQPValue::Void,
    })
}

/// Half of the smallest frame that RabbitMQ negotiates by default: the other properties fit into the other half.
pub(super) const HEADERS_BYTES_MAX: usize = 64 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(properties: Properties, expected: Result<(), Unsendable>) {
        assert_eq!(outgoing(&properties).map(drop), expected);
    }

    #[test]
    fn what_fits_is_sent() {
        check(Properties::default(), Ok(()));
        let kind = Some("t".repeat(255));
        check(
            Properties {
                kind,
                ..Properties::default()
            },
            Ok(()),
        );
    }

    #[test]
    fn what_would_break_the_connection_is_refused() {
        let kind = Some("t".repeat(256));
        let too_long = Err(Unsendable::TooLong("type"));
        check(
            Properties {
                kind,
                ..Properties::default()
            },
            too_long,
        );
        let large = Header::List(vec![Header::Text("h".repeat(HEADERS_BYTES_MAX))]);
        let headers = BTreeMap::from([("h".to_owned(), large)]);
        check(
            Properties {
                headers,
                ..Properties::default()
            },
            Err(Unsendable::HeadersTooLarge),
        );
    }

    #[test]
    fn the_newest_death_tells_the_reason() {
        let death = |reason: &str| {
            let mut death = FieldTable::default();
            death.insert("reason".into(), AMQPValue::LongString(reason.into()));
            AMQPValue::FieldTable(death)
        };
        let deaths = FieldArray::from(vec![death("rejected"), death("expired")]);
        let mut headers = FieldTable::default();
        headers.insert("x-death".into(), AMQPValue::FieldArray(deaths));
        let properties = BasicProperties::default().with_headers(headers);
        assert_eq!(death_reason(&properties).as_deref(), Some("rejected"));
        assert_eq!(death_reason(&BasicProperties::default()), None);
    }
}
