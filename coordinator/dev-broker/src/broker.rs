//! The listener.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use amq_protocol::uri::AMQPUri;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::actor;
use crate::connection::{self, Link};
use crate::core::{ConnectionId, Core};
use crate::limits::{CONNECTIONS_MAX, MEMORY_BYTES_MAX, REQUESTS_MAX, STOP_MAX};
use crate::memory::Memory;

/// How a broker is set up.
#[derive(Clone)]
pub struct Settings {
    /// Who may log in.
    pub user: String,
    /// With which password.
    pub password: String,
    /// What all messages together may take, in bytes. Past it, messages are refused.
    pub memory_bytes_max: usize,
    /// Whether it may listen where other machines can reach it. The connections are not encrypted.
    pub beyond_loopback: bool,
}

impl Default for Settings {
    /// RabbitMQ's `guest`, 1 GiB, loopback only.
    fn default() -> Self {
        Self {
            user: "guest".to_owned(),
            password: "guest".to_owned(),
            memory_bytes_max: MEMORY_BYTES_MAX,
            beyond_loopback: false,
        }
    }
}

/// A broker that listens; it answers once it runs.
pub struct Broker {
    listener: TcpListener,
    address: SocketAddr,
    settings: Settings,
}

impl Broker {
    /// Listens at an address; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// When it can't be had, or is beyond loopback and the settings don't allow that.
    pub async fn bind(address: SocketAddr, settings: Settings) -> io::Result<Self> {
        if !address.ip().is_loopback() && !settings.beyond_loopback {
            let text = format!("{address} is no loopback address");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self {
            listener,
            address,
            settings,
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What a client connects to, user and password included.
    pub fn url(&self) -> String {
        let mut uri = AMQPUri::default();
        uri.authority.userinfo.username = self.settings.user.clone();
        uri.authority.userinfo.password = self.settings.password.clone();
        uri.authority.host = self.address.ip().to_string();
        uri.authority.port = self.address.port();
        uri.to_string()
    }

    /// Serves until `stop`, then tells every client and returns. Dropped, it ends at once.
    pub async fn run(self, stop: CancellationToken) {
        let (used, max) = (Arc::default(), self.settings.memory_bytes_max);
        let memory = Memory { used, max };
        let (requests, inbox) = mpsc::channel(REQUESTS_MAX);
        let mut tasks = JoinSet::new();
        let core = Core::new(self.settings.user, self.settings.password, memory.clone());
        tasks.spawn(actor::run(core, inbox, stop.clone()));
        tracing::info!(address = %self.address, "the development broker listens");
        for id in (1..).map(ConnectionId) {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = tasks.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                // One of the tasks is the core's.
                Ok((stream, _)) if tasks.len() <= CONNECTIONS_MAX => {
                    let (core, backlog) = (requests.clone(), Arc::default());
                    let link = Link { id, core, backlog };
                    tasks.spawn(connection::serve(stream, link, memory.clone()));
                }
                refused => {
                    tracing::warn!(
                        ?refused,
                        tasks = tasks.len(),
                        "a connection was not accepted"
                    );
                    // File descriptors, most likely: those of connections that end come free.
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
        drop((self.listener, requests));
        let ended = async { while tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(STOP_MAX, ended).await;
    }
}

const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
