//! Messages as they were once written, which must parse for ever.
//!
//! Each file of `golden/` has the properties and the body of one message and what must be read from them. A member that a later
//! version adds to what is read needs no change here; a file of a released version is never edited.

#![expect(clippy::unwrap_used, reason = "a test may")]

use std::fs;
use std::path::Path;

use sagamore_messages::{Command, Effect, Kind, Properties, Reply, TaskMessage};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    message: Read,
    properties: Properties,
    body: String,
    reads: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Read {
    #[serde(rename = "task_message")]
    Task,
    Reply,
    Command,
}

#[test]
fn golden_messages_parse_for_ever() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let golden: Golden = serde_json::from_str(&text)
            .unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        let read = read(&golden);
        for (name, expected) in &golden.reads {
            assert_eq!(&read[name], expected, "{name} of {}", path.display());
        }
        seen += 1;
    }
    assert!(seen >= 8, "only {seen} golden messages found");
}

fn read(golden: &Golden) -> Value {
    let properties = &golden.properties;
    let body = golden.body.as_bytes();
    let kind = properties.kind.as_deref();
    match golden.message {
        Read::Task => task(&TaskMessage::parse(properties, body).unwrap()),
        Read::Reply => {
            let content_type = properties.content_type.as_deref();
            reply(&Reply::parse(kind, content_type, body, 262_144).unwrap())
        }
        Read::Command => {
            let (message_id, command) =
                Command::parse(kind, properties.message_id.as_deref(), body).unwrap();
            let (Command::StartExecution(input)
            | Command::StopExecution(input)
            | Command::RollbackExecution(input)) = &command;
            json!({ "message_id": message_id, "command": command.kind(), "input": input })
        }
    }
}

fn task(message: &TaskMessage) -> Value {
    json!({
        "message_id": message.message_id,
        "token": message.token.as_str(),
        "reply_to": message.reply_to,
        "kind": match message.kind { Kind::Task => "task", Kind::Compensation => "compensation" },
        "timestamp_seconds": message.timestamp_seconds,
        "execution": message.execution,
        "machine": message.machine,
        "state": message.state,
        "attempt": message.attempt,
        "idempotency_key": message.idempotency_key,
        "compensates": message.compensates,
        "deadline": message.deadline,
        "traceparent": message.traceparent,
        "tracestate": message.tracestate,
        "body": serde_json::from_str::<Value>(&message.body).unwrap(),
    })
}

fn reply(reply: &Reply) -> Value {
    match reply {
        Reply::Success(result) => json!({ "success": result }),
        Reply::Failure {
            error,
            cause,
            effect,
        } => {
            json!({ "error": error, "cause": cause, "effect": effect.map(Effect::as_str) })
        }
        Reply::Heartbeat => json!({ "heartbeat": true }),
    }
}
