//! Events for others to listen to: CloudEvents 1.0 in structured mode.

use sagamore_interpreter::{Announcement, CustomEvent, Head};
use serde_json::{Value, json};

use super::Identity;

/// The routing key of an announcement, and its CloudEvent as JSON text.
pub(super) fn event(
    announcement: &Announcement,
    head: &Head,
    identity: &Identity,
) -> (String, String) {
    let machine = &head.start.machine_name;
    let (routing_key, kind, mut data) = match announcement {
        Announcement::Execution(status) => {
            let status = status.as_str();
            let data = json!({ "status": status, "error": head.error, "cause": head.cause });
            (
                format!("execution.{machine}.{status}"),
                "sagamore.execution",
                data,
            )
        }
        Announcement::Suspended(incident) => {
            let data = json!({
                "about": incident.about,
                "state": incident.state,
                "error": incident.error,
                "cause": incident.cause,
                "acts": incident.about.acts(),
            });
            (
                format!("compensation.{machine}.suspended"),
                "sagamore.compensation.suspended",
                data,
            )
        }
        Announcement::ReviewWaiting { task } => {
            let token = identity.token_key.seal(head.id.0, task.0);
            let link = format!("{}/reviews/{}", identity.public_url, token.as_str());
            (
                format!("task.{machine}.waiting"),
                "sagamore.task.waiting",
                json!({ "link": link }),
            )
        }
        Announcement::Event(event) => return custom(event, head),
        Announcement::TaskCancelled { task, state } => {
            let data = json!({ "state": state, "messageId": format!("{}-{task}", head.id) });
            (
                format!("task.{machine}.cancelled"),
                "sagamore.task.cancelled",
                data,
            )
        }
    };
    data["executionArn"] = Value::from(head.start.arn.as_str());
    let event = json!({
        "specversion": "1.0",
        // The same whenever the event is sent again, so that a listener can tell.
        "id": format!("{}-{}-{routing_key}", head.id, head.sequence),
        "source": head.start.machine_arn,
        "type": kind,
        "subject": head.start.name,
        "time": head.at.to_string(),
        "datacontenttype": "application/json",
        "data": data,
    });
    (routing_key, event.to_string())
}

/// An event of a machine's own. Its routing key can't be taken for one of the coordinator's.
fn custom(event: &CustomEvent, head: &Head) -> (String, String) {
    let routing_key = format!("event.{}.{}", event.source, event.detail_type);
    let mut told = json!({
        "specversion": "1.0",
        "id": event.id.to_string(),
        "source": event.source,
        "type": event.detail_type,
        "time": head.at.to_string(),
        "datacontenttype": "application/json",
        "data": event.detail,
        "executionarn": head.start.arn,
    });
    if let Some(bus) = &event.bus {
        told["eventbusname"] = json!(bus);
    }
    if !event.resources.is_empty() {
        told["resources"] = json!(event.resources.join(","));
    }
    (routing_key, told.to_string())
}
