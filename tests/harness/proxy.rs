//! A TCP proxy that fails on command: between the coordinator and its broker or its database.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A proxy on a port of its own; ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    control: Arc<watch::Sender<Control>>,
    listening: JoinHandle<()>,
}

/// What the proxy does with what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everything passes.
    Flow,
    /// Connections stand, and nothing passes.
    Stall,
    /// What the client says passes, what the server says does not.
    Mute,
    /// New connections are closed at once.
    Refuse,
}

#[derive(Debug, Clone, Copy)]
struct Control {
    mode: Mode,
    cuts: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

impl Proxy {
    /// A proxy in front of `target`, `host:port`.
    ///
    /// # Errors
    /// There is no port to listen on.
    pub async fn start(target: String) -> io::Result<Proxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let first = Control {
            mode: Mode::Flow,
            cuts: 0,
        };
        let control = Arc::new(watch::Sender::new(first));
        let listening = tokio::spawn(listen(listener, target, Arc::clone(&control)));
        Ok(Proxy {
            address,
            control,
            listening,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what it does, for connections that stand as well.
    pub fn set(&self, mode: Mode) {
        self.control.send_modify(|control| control.mode = mode);
    }

    /// Ends all connections that stand.
    pub fn cut(&self) {
        self.control.send_modify(|control| control.cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut();
    }
}

async fn listen(listener: TcpListener, target: String, control: Arc<watch::Sender<Control>>) {
    while let Ok((client, _)) = listener.accept().await {
        let changes = control.subscribe();
        if changes.borrow().mode != Mode::Refuse {
            tokio::spawn(carry(client, target.clone(), changes));
        }
    }
}

/// Carries one connection until either side ends it, or it is cut.
async fn carry(client: TcpStream, target: String, mut changes: watch::Receiver<Control>) {
    let cuts = changes.borrow().cuts;
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (upward, downward) = (changes.clone(), changes.clone());
    // The cut comes first: what was held back until then must not slip through when the mode changes just after.
    tokio::select! {
        biased;
        _ = changes.wait_for(|control| control.cuts != cuts) => {}
        _ = pump(from_client, to_server, Side::Client, upward) => {}
        _ = pump(from_server, to_client, Side::Server, downward) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    side: Side,
    mut changes: watch::Receiver<Control>,
) -> io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        passing(side, &mut changes).await?;
        let count = from.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        // It may have been told to stop while it was reading.
        passing(side, &mut changes).await?;
        to.write_all(&bytes[..count]).await?;
    }
}

async fn passing(side: Side, changes: &mut watch::Receiver<Control>) -> io::Result<()> {
    let passes = |control: &Control| match control.mode {
        Mode::Flow | Mode::Refuse => true,
        Mode::Stall => false,
        Mode::Mute => side == Side::Client,
    };
    match changes.wait_for(passes).await {
        Ok(_) => Ok(()),
        Err(_) => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}
