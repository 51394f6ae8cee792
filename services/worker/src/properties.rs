//! Neutral properties from and to the client library's.

use std::collections::BTreeMap;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use sagamore_messages::{Header, Properties};

/// The client library's properties of a message to send.
///
/// A text that does not fit AMQP's 255 bytes is left out: the one text that must arrive, the token, came from such a property.
pub fn to_amqp(properties: &Properties) -> BasicProperties {
    let short = |text: &Option<String>| ShortString::try_new(text.clone()?).ok();
    let mut amqp = BasicProperties::default();
    if let Some(kind) = short(&properties.kind) {
        amqp = amqp.with_type(kind);
    }
    if let Some(message_id) = short(&properties.message_id) {
        amqp = amqp.with_message_id(message_id);
    }
    if let Some(correlation_id) = short(&properties.correlation_id) {
        amqp = amqp.with_correlation_id(correlation_id);
    }
    if let Some(reply_to) = short(&properties.reply_to) {
        amqp = amqp.with_reply_to(reply_to);
    }
    if let Some(content_type) = short(&properties.content_type) {
        amqp = amqp.with_content_type(content_type);
    }
    if let Some(delivery_mode) = properties.delivery_mode {
        amqp = amqp.with_delivery_mode(delivery_mode);
    }
    if let Some(timestamp) = properties.timestamp {
        amqp = amqp.with_timestamp(timestamp);
    }
    if let Some(expiration) = short(&properties.expiration) {
        amqp = amqp.with_expiration(expiration);
    }
    if let Some(user_id) = short(&properties.user_id) {
        amqp = amqp.with_user_id(user_id);
    }
    if let Some(app_id) = short(&properties.app_id) {
        amqp = amqp.with_app_id(app_id);
    }
    if !properties.headers.is_empty() {
        amqp = amqp.with_headers(to_table(&properties.headers));
    }
    amqp
}

/// The neutral properties of a delivery.
pub fn from_amqp(amqp: &BasicProperties) -> Properties {
    let text = |text: &Option<ShortString>| Some(text.as_ref()?.as_str().to_owned());
    Properties {
        kind: text(amqp.kind()),
        message_id: text(amqp.message_id()),
        correlation_id: text(amqp.correlation_id()),
        reply_to: text(amqp.reply_to()),
        content_type: text(amqp.content_type()),
        delivery_mode: *amqp.delivery_mode(),
        timestamp: *amqp.timestamp(),
        expiration: text(amqp.expiration()),
        user_id: text(amqp.user_id()),
        app_id: text(amqp.app_id()),
        headers: amqp.headers().as_ref().map(from_table).unwrap_or_default(),
    }
}

fn to_table(headers: &BTreeMap<String, Header>) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        if let Ok(name) = ShortString::try_new(name.as_str()) {
            table.insert(name, to_value(value));
        }
    }
    table
}

fn to_value(header: &Header) -> AMQPValue {
    match header {
        Header::Text(text) => AMQPValue::LongString(text.as_str().into()),
        Header::Integer(number) => AMQPValue::LongLongInt(*number),
        Header::Boolean(truth) => AMQPValue::Boolean(*truth),
        Header::List(list) => {
            let values: Vec<_> = list.iter().map(to_value).collect();
            AMQPValue::FieldArray(values.into())
        }
        Header::Table(table) => AMQPValue::FieldTable(to_table(table)),
        Header::Other => AMQPValue::Void,
    }
}

fn from_table(table: &FieldTable) -> BTreeMap<String, Header> {
    let entries = table.inner().iter();
    entries
        .map(|(name, value)| (name.as_str().to_owned(), from_value(value)))
        .collect()
}

fn from_value(value: &AMQPValue) -> Header {
    match value {
        AMQPValue::Boolean(truth) => Header::Boolean(*truth),
        AMQPValue::ShortShortInt(number) => Header::Integer((*number).into()),
        AMQPValue::ShortShortUInt(number) => Header::Integer((*number).into()),
        AMQPValue::ShortInt(number) => Header::Integer((*number).into()),
        AMQPValue::ShortUInt(number) => Header::Integer((*number).into()),
        AMQPValue::LongInt(number) => Header::Integer((*number).into()),
        AMQPValue::LongUInt(number) => Header::Integer((*number).into()),
        AMQPValue::LongLongInt(number) => Header::Integer(*number),
        AMQPValue::Timestamp(seconds) => {
            i64::try_from(*seconds).map_or(Header::Other, Header::Integer)
        }
        AMQPValue::ShortString(text) => Header::Text(text.as_str().to_owned()),
        AMQPValue::LongString(text) => match std::str::from_utf8(text.as_bytes()) {
            Ok(text) => Header::Text(text.to_owned()),
            Err(_) => Header::Other,
        },
        AMQPValue::FieldArray(values) => {
            Header::List(values.as_slice().iter().map(from_value).collect())
        }
        AMQPValue::FieldTable(table) => Header::Table(from_table(table)),
        AMQPValue::Float(_)
        | AMQPValue::Double(_)
        | AMQPValue::DecimalValue(_)
        | AMQPValue::ByteArray(_)
        | AMQPValue::Void => Header::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_what_is_read() {
        let text = |text: &str| Some(text.to_owned());
        let table = BTreeMap::from([("count".to_owned(), Header::Integer(-1))]);
        let properties = Properties {
            kind: text("task"),
            message_id: text("m"),
            correlation_id: text("t"),
            reply_to: text("q"),
            content_type: text("application/json"),
            delivery_mode: Some(2),
            timestamp: Some(1),
            expiration: text("2000"),
            user_id: text("guest"),
            app_id: text("a"),
            headers: BTreeMap::from([
                ("text".to_owned(), Header::Text("é".repeat(300))),
                (
                    "x-death".to_owned(),
                    Header::List(vec![Header::Table(table)]),
                ),
                ("truth".to_owned(), Header::Boolean(true)),
                ("other".to_owned(), Header::Other),
            ]),
        };
        assert_eq!(from_amqp(&to_amqp(&properties)), properties);
        assert_eq!(
            from_amqp(&BasicProperties::default()),
            Properties::default()
        );
    }

    #[test]
    fn a_text_that_does_not_fit_is_left_out() {
        let properties = Properties {
            message_id: Some("m".repeat(256)),
            ..Properties::default()
        };
        assert_eq!(from_amqp(&to_amqp(&properties)), Properties::default());
    }
}
