//! A coordinator with a database and queues of its own, and a client that needs nothing but a socket.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sagamore::settings::Settings;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A running coordinator. It ends with its test.
pub struct World {
    address: SocketAddr,
    /// Where its broker is.
    pub amqp_url: String,
    /// What the names of its queues begin with.
    pub prefix: String,
    stop: CancellationToken,
}

/// What was answered.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Status line and headers, in lower case.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Response {
    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("no JSON: {self:?}"))
    }
}

impl World {
    /// Starts a coordinator and waits until it is ready.
    pub async fn start() -> Result<World> {
        let amqp_url = variable("AMQP_URL")?;
        let prefix = format!("api-{}", Uuid::new_v4().simple());
        let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
        let environment = [
            ("DATABASE_URL", create_database(&prefix).await?),
            ("AMQP_URL", amqp_url.clone()),
            ("SAGAMORE_HTTP", address.to_string()),
            ("SAGAMORE_PREFIX", prefix.clone()),
        ];
        let environment = environment
            .map(|(name, value)| (name.to_owned(), value))
            .into();
        let settings = Settings::read(None, environment)?;
        let stop = CancellationToken::new();
        // As in production, on a runtime of its own.
        let runtime = Runtime::new()?;
        let until = stop.clone();
        std::thread::spawn(move || runtime.block_on(sagamore::serve(settings, until)));
        let world = World {
            address,
            amqp_url,
            prefix,
            stop,
        };
        tokio::time::timeout(READY_MAX, world.wait_until_ready())
            .await
            .context("it never got ready")?;
        Ok(world)
    }

    async fn wait_until_ready(&self) {
        let mut again = tokio::time::interval(Duration::from_millis(50));
        loop {
            again.tick().await;
            let ready = self.get("/ready", "application/json").await;
            if ready.is_ok_and(|response| response.status == 200) {
                return;
            }
        }
    }

    /// Calls an operation of Step Functions.
    pub async fn call(&self, operation: &str, request: &Value) -> Result<Response> {
        let target = format!("X-Amz-Target: AWSStepFunctions.{operation}\r\n");
        self.send("POST", "/", &target, &request.to_string()).await
    }

    /// Calls an operation that has to be answered well.
    pub async fn must(&self, operation: &str, request: &Value) -> Result<Value> {
        let response = self.call(operation, request).await?;
        ensure!(response.status == 200, "{operation}: {response:?}");
        response.json()
    }

    /// Makes a machine that asks a person and ends; returns its ARN.
    pub async fn create_machine(&self) -> Result<String> {
        let definition = json!({ "StartAt": "Judge", "States": {
            "Judge": { "Type": "Task", "Resource": "review:loans", "End": true },
        }});
        let request = json!({
            "name": "loan",
            "definition": definition.to_string(),
            "roleArn": "arn:aws:iam::000000000000:role/loan",
        });
        let created = self.must("CreateStateMachine", &request).await?;
        Ok(created["stateMachineArn"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    /// The address, from its first slash on, of the one review that waits.
    pub async fn review(&self) -> Result<String> {
        let listed = self.get("/sagamore/v1/reviews", "*/*").await?.json()?;
        let url = listed["reviews"][0]["url"]
            .as_str()
            .context("no review waits")?;
        let origin = format!("http://{}", self.address);
        Ok(url
            .strip_prefix(&origin)
            .context("another origin")?
            .to_owned())
    }

    pub async fn get(&self, path: &str, accept: &str) -> Result<Response> {
        self.send("GET", path, &format!("Accept: {accept}\r\n"), "")
            .await
    }

    pub async fn post(&self, path: &str, kind: &str, body: &str) -> Result<Response> {
        self.send("POST", path, &format!("Content-Type: {kind}\r\n"), body)
            .await
    }

    /// Sends a request, whose headers end with a line break each.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> Result<Response> {
        let mut stream = TcpStream::connect(self.address).await?;
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}",
            self.address
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        tokio::time::timeout(ANSWER_MAX, stream.read_to_end(&mut answer))
            .await
            .with_context(|| format!("{method} {path} is not answered"))??;
        let answer = String::from_utf8(answer)?;
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .context("an answer without an end of its head")?;
        let status = head
            .split(' ')
            .nth(1)
            .context("an answer without a status")?
            .parse()?;
        Ok(Response {
            status,
            head: head.to_lowercase(),
            body: body.to_owned(),
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A new database on the server of `DATABASE_URL`; returns its address.
async fn create_database(name: &str) -> Result<String> {
    let server = variable("DATABASE_URL")?;
    let mut connection = PgConnection::connect(&server).await?;
    let statement = format!("create database \"{name}\"");
    connection.execute(sqlx::AssertSqlSafe(statement)).await?;
    let (origin, _) = server
        .rsplit_once('/')
        .context("DATABASE_URL names no database")?;
    Ok(format!("{origin}/{name}"))
}

fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set; `cargo verify` sets it"))
}

/// How long a coordinator may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// How long a coordinator may take to start.
const READY_MAX: Duration = Duration::from_secs(60);
