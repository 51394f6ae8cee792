//! A way to the broker that can be cut.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::bench::amqp_url;

/// Forwards connections to the broker until they are cut.
pub struct Proxy {
    pub url: String,
    cuts: watch::Sender<u64>,
}

impl Proxy {
    pub async fn new() -> Result<Self> {
        let direct = amqp_url()?;
        let broker = authority(&direct)?.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let local: SocketAddr = listener.local_addr()?;
        let (cuts, _) = watch::channel(0);
        let subscribe = cuts.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let Ok(mut server) = TcpStream::connect(&broker).await else {
                    continue;
                };
                let mut cut = subscribe.subscribe();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        let url = direct.replacen(authority(&direct)?, &local.to_string(), 1);
        Ok(Self { url, cuts })
    }

    /// Cuts every connection that is open; new ones are let through.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

/// `host:port` of an AMQP URL.
fn authority(url: &str) -> Result<&str> {
    let rest = url.split_once("://").context("AMQP_URL has no scheme")?.1;
    let rest = rest.split('/').next().unwrap_or(rest);
    Ok(rest.rsplit('@').next().unwrap_or(rest))
}
