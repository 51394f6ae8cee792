//! `events:putEvents`: events for all who listen, written down with the turn and sent from there.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Delivery, Parameters, Sender};
use crate::effect::CustomEvent;
use crate::history::Payload;

/// The events of `Entries`; what can't be sent fails the Task, once all else is sent.
pub(super) fn put_events(
    parameters: &Parameters<'_>,
    sender: &Sender<'_>,
    waits: bool,
) -> Result<Delivery, String> {
    let entries = parameters.required("Entries")?;
    let entries = entries.as_array().filter(|entries| !entries.is_empty());
    let entries =
        entries.ok_or_else(|| parameters.refused("The field 'Entries' must be an ARRAY"))?;
    if entries.len() > ENTRIES_MAX {
        let problem = format!("The field 'Entries' must have {ENTRIES_MAX} elements at most");
        return Err(parameters.refused(&problem));
    }
    let (mut events, mut results, mut failed) = (Vec::new(), Vec::new(), 0);
    for (index, entry) in entries.iter().enumerate() {
        let id = Uuid::new_v5(
            &sender.head.id.0,
            format!("{}/{index}", sender.task).as_bytes(),
        );
        match event(id, entry) {
            Ok(event) => {
                results.push(json!({ "EventId": id.to_string() }));
                events.push(event);
            }
            Err((code, message)) => {
                results.push(json!({ "ErrorCode": code, "ErrorMessage": message }));
                failed += 1;
            }
        }
    }
    let result = json!({ "Entries": results, "FailedEntryCount": failed });
    let answer = match failed {
        0 => Ok(Payload::new(result)),
        _ => Err(("EventBridge.FailedEntry".to_owned(), result.to_string())),
    };
    Ok(Delivery::Told {
        events,
        answer,
        waits,
    })
}

/// Source: EventBridge, PutEvents, `ErrorCode`.
type Malformed = (&'static str, &'static str);

fn event(id: Uuid, entry: &Value) -> Result<CustomEvent, Malformed> {
    let nothing = Map::new();
    let members = entry.as_object().unwrap_or(&nothing);
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let required = |name| text(name).filter(|text| !text.is_empty());
    let invalid = |message| ("InvalidArgument", message);
    let source = required("Source").ok_or(invalid("Source is a required field"))?;
    let detail_type = required("DetailType").ok_or(invalid("DetailType is a required field"))?;
    if source.len() + detail_type.len() > NAMES_BYTES_MAX {
        return Err(invalid("Source and DetailType are too long"));
    }
    // They are a routing key, which a database may keep as text.
    let is_control = |name: &str| name.chars().any(char::is_control);
    if is_control(source) || is_control(detail_type) {
        return Err(invalid(
            "Source and DetailType must have no control characters",
        ));
    }
    let detail = match members.get("Detail") {
        Some(Value::String(text)) => serde_json::from_str(text).ok(),
        other => other.cloned(),
    };
    let detail = detail.filter(Value::is_object);
    let resources = members.get("Resources").and_then(Value::as_array);
    let resources = resources.into_iter().flatten();
    Ok(CustomEvent {
        id,
        source: source.to_owned(),
        detail_type: detail_type.to_owned(),
        detail: detail.ok_or(("MalformedDetail", "Detail is malformed."))?,
        bus: text("EventBusName").map(str::to_owned),
        resources: resources
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
    })
}

/// Source: EventBridge, PutEvents, `Entries`.
const ENTRIES_MAX: usize = 10;
/// Both stand in one routing key of AMQP, which has 255 bytes.
const NAMES_BYTES_MAX: usize = 240;
