//! A client of the coordinator: Step Functions' own protocol, and the few calls that go beyond it.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

/// A coordinator at some address.
#[derive(Clone, Debug)]
pub struct Coordinator {
    url: String,
    agent: Agent,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    /// It can't be reached.
    #[error("failed to reach the coordinator at {url}")]
    Unreachable {
        /// The address.
        url: String,
        /// What the connection said.
        source: Box<ureq::Error>,
    },
    /// It said no.
    #[error("{call} was answered with {status}: {body}")]
    Refused {
        /// The call.
        call: String,
        /// The HTTP status.
        status: u16,
        /// Its type, such as `StateMachineAlreadyExists`; empty when it has none.
        kind: String,
        /// The whole answer.
        body: String,
    },
    /// It said something else than JSON.
    #[error("{call} was not answered with JSON")]
    NotJson {
        /// The call.
        call: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl CoordinatorError {
    /// Whether the same call may succeed later: the coordinator, or what it needs, is away.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => *status >= 500,
            Self::NotJson { .. } => false,
        }
    }
}

impl Coordinator {
    /// The coordinator at `url`, such as `http://127.0.0.1:8083`.
    pub fn new(url: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(CALL_MAX))
            .build();
        Self {
            url: url.trim_end_matches('/').to_owned(),
            agent: config.into(),
        }
    }

    /// Calls Step Functions' `action`, such as `StartExecution`.
    ///
    /// # Errors
    /// It can't be reached, or says no.
    pub fn call(&self, action: &str, input: &Value) -> Result<Value, CoordinatorError> {
        let request = self
            .agent
            .post(&self.url)
            .header("X-Amz-Target", format!("AWSStepFunctions.{action}"))
            .header("Content-Type", "application/x-amz-json-1.0");
        self.read(action, request.send(input.to_string()))
    }

    /// Gets `path`.
    ///
    /// # Errors
    /// It can't be reached, or says no.
    pub fn get(&self, path: &str) -> Result<Value, CoordinatorError> {
        let request = self.agent.get(format!("{}{path}", self.url));
        self.read(path, request.call())
    }

    /// Posts `input` to `path`.
    ///
    /// # Errors
    /// It can't be reached, or says no.
    pub fn post(&self, path: &str, input: &Value) -> Result<Value, CoordinatorError> {
        let request = self.agent.post(format!("{}{path}", self.url));
        let request = request.header("Content-Type", "application/json");
        self.read(path, request.send(input.to_string()))
    }

    fn read(
        &self,
        call: &str,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Value, CoordinatorError> {
        let unreachable = |source| CoordinatorError::Unreachable {
            url: self.url.clone(),
            source: Box::new(source),
        };
        let mut response = response.map_err(unreachable)?;
        let body = response.body_mut().read_to_string().map_err(unreachable)?;
        let status = response.status();
        let call = without_secret(call);
        if !status.is_success() {
            let kind = kind_of(&body);
            return Err(CoordinatorError::Refused {
                call,
                status: status.as_u16(),
                kind,
                body,
            });
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&body).map_err(|source| CoordinatorError::NotJson { call, source })
    }
}

/// The path of a review ends in its token.
fn without_secret(call: &str) -> String {
    match call.strip_prefix("/reviews/") {
        Some(_) => "/reviews/…".to_owned(),
        None => call.to_owned(),
    }
}

/// The error's type without its namespace, as the SDKs read it.
fn kind_of(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let kind = body["__type"].as_str().unwrap_or_default();
    kind.rsplit('#').next().unwrap_or_default().to_owned()
}

const CALL_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use serde_json::json;

    use super::*;

    /// Answers one request with `status` and `body`; what the call made of it, and the head of the request in lower case.
    fn check(status: &str, body: &str, expected: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let coordinator = Coordinator::new(&format!("http://{}/", listener.local_addr().unwrap()));
        let length = body.len();
        let response = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"{}") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            stream.write_all(response.as_bytes()).unwrap();
            String::from_utf8(request).unwrap().to_lowercase()
        });
        let said = match coordinator.call("StartExecution", &json!({})) {
            Ok(answer) => answer.to_string(),
            Err(CoordinatorError::Refused { kind, status, .. }) => format!("{status} {kind}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expected);
        server.join().unwrap()
    }

    #[test]
    fn a_call_is_what_an_sdk_would_send() {
        let request = check(
            "200 OK",
            r#"{"executionArn":"a"}"#,
            r#"{"executionArn":"a"}"#,
        );
        assert!(request.starts_with("post / http/1.1\r\n"), "{request}");
        assert!(
            request.contains("\r\nx-amz-target: awsstepfunctions.startexecution\r\n"),
            "{request}"
        );
        assert!(
            request.contains("\r\ncontent-type: application/x-amz-json-1.0\r\n"),
            "{request}"
        );
    }

    #[test]
    fn a_refusal_is_told_by_its_type() {
        let body = r#"{"__type":"com.amazonaws.states#ExecutionAlreadyExists","message":"m"}"#;
        check("400 Bad Request", body, "400 ExecutionAlreadyExists");
        check("502 Bad Gateway", "oops", "502 ");
    }

    #[test]
    fn an_answer_that_is_no_json_is_an_error() {
        check(
            "200 OK",
            "<html>",
            "StartExecution was not answered with JSON",
        );
        check("200 OK", "", "null");
    }

    #[test]
    fn the_token_of_a_review_is_not_told() {
        assert_eq!(without_secret("/reviews/secret"), "/reviews/…");
    }
}
