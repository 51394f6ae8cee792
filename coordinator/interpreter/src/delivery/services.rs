//! Lambda, SQS and SNS, each as a queue or an exchange of its name.

use md5::{Digest, Md5};
use serde_json::{Map, Value, json};

use super::sdk::{Call, metadata};
use super::{Delivery, Parameters};
use crate::definition::{Action, Integration, Pattern, function_name};
use crate::effect::{Body, Route};
use crate::history::Payload;
use crate::limits::{BROKER_NAME_BYTES_MAX, VALUE_DEPTH_MAX, is_payload_too_deep};

impl Integration {
    /// Whether the answer is a function's: it comes wrapped.
    pub(super) fn is_invocation(&self) -> bool {
        self.action == Action::Invoke && self.pattern == Pattern::Response
    }
}

/// `lambda:invoke`: the queue named by the function gets the `Payload`.
pub(super) fn invoke(parameters: &Parameters<'_>, is_told: bool) -> Result<Delivery, String> {
    let function = parameters.required_text("FunctionName")?;
    let invocation = parameters.text("InvocationType")?;
    if let Some(other) = invocation.filter(|kind| *kind != "RequestResponse") {
        let problem = format!(
            "The value '{other}' of the field 'InvocationType' is not run: use sqs:sendMessage to send without an answer"
        );
        return Err(parameters.refused(&problem));
    }
    let name = function_name(function).unwrap_or_default();
    // A text is the JSON that the function gets, if it is any.
    let payload = match parameters.members.get("Payload") {
        None => json!({}),
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        Some(payload) => payload.clone(),
    };
    if is_payload_too_deep(&payload) {
        let problem = format!(
            "The value for the field 'Payload' must nest no deeper than {VALUE_DEPTH_MAX} levels"
        );
        return Err(parameters.refused(&problem));
    }
    Ok(Delivery::Sent {
        route: queue(parameters, "FunctionName", name)?,
        is_told,
        body: Body::Json(Payload::new(payload)),
        receipt: None,
    })
}

/// What a function answered, as `lambda:invoke` gives it.
pub(super) fn invoked(answer: &Payload, call: &Call) -> Payload {
    let length = match call.bytes {
        Some(bytes) => bytes.to_string(),
        None => answer.to_string().len().to_string(),
    };
    let trace = format!("root=1-{:08x}", call.at.as_second());
    let headers = [
        ("X-Amz-Executed-Version", "$LATEST"),
        ("x-amzn-Remapped-Content-Length", "0"),
        ("Connection", "keep-alive"),
        ("Content-Length", &length),
        ("X-Amzn-Trace-Id", &trace),
        ("Content-Type", "application/json"),
    ];
    let [http, response] = metadata(call, &headers);
    Payload::new(json!({
        "ExecutedVersion": "$LATEST",
        "Payload": **answer,
        http.0: http.1,
        response.0: response.1,
        "StatusCode": 200,
    }))
}

/// `sqs:sendMessage`: the queue named by the last part of `QueueUrl` gets the `MessageBody`.
pub(super) fn send_message(parameters: &Parameters<'_>) -> Result<Delivery, String> {
    let url = parameters.required_text("QueueUrl")?;
    let name = url.rsplit('/').next().unwrap_or_default();
    let body = body(parameters.required("MessageBody")?);
    let digest = match &body {
        Body::Json(value) => Md5::digest(value.to_string()),
        Body::Text(text) => Md5::digest(text),
    };
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Delivery::Sent {
        route: queue(parameters, "QueueUrl", name)?,
        is_told: true,
        body,
        receipt: Some(Payload::new(json!({ "MD5OfMessageBody": digest }))),
    })
}

/// `sns:publish`: the exchange named by the last part of `TopicArn` gets the `Message`, with its `Subject` for a routing key.
pub(super) fn publish(parameters: &Parameters<'_>) -> Result<Delivery, String> {
    let topic = parameters.required_text("TopicArn")?;
    let exchange = topic.rsplit(':').next().unwrap_or_default();
    let routing_key = parameters.text("Subject")?.unwrap_or_default();
    let message = parameters.required("Message")?;
    Ok(Delivery::Sent {
        route: Route::Exchange {
            exchange: broker_name(parameters, "TopicArn", exchange)?,
            routing_key: match routing_key {
                "" => String::new(),
                subject => broker_name(parameters, "Subject", subject)?,
            },
        },
        is_told: true,
        body: body(message),
        receipt: None,
    })
}

/// The answer to a message that the broker has.
pub(crate) fn confirmed(message_id: &str, receipt: Option<&Payload>) -> Payload {
    let mut members = match receipt.map(|receipt| &**receipt) {
        Some(Value::Object(members)) => members.clone(),
        _ => Map::new(),
    };
    members.insert("MessageId".to_owned(), json!(message_id));
    Payload::new(Value::Object(members))
}

/// What these services make of a value: a string stays as it is, all else becomes JSON.
fn body(value: &Value) -> Body {
    match value {
        Value::String(text) => Body::Text(text.clone()),
        other => Body::Json(Payload::new(other.clone())),
    }
}

fn queue(parameters: &Parameters<'_>, field: &str, name: &str) -> Result<Route, String> {
    broker_name(parameters, field, name).map(Route::Queue)
}

/// A name that AMQP can carry.
fn broker_name(parameters: &Parameters<'_>, field: &str, name: &str) -> Result<String, String> {
    let fits = (1..=BROKER_NAME_BYTES_MAX).contains(&name.len());
    if fits && !name.chars().any(char::is_control) {
        return Ok(name.to_owned());
    }
    let problem = format!(
        "The value for the field '{field}' must name what a broker can: 1 to {BROKER_NAME_BYTES_MAX} bytes, no control characters"
    );
    Err(parameters.refused(&problem))
}
