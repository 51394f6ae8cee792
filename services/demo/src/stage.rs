//! Everything that runs behind the table.

use anyhow::Context as _;
use sagamore::bus::LOG_DIRECTIVE;
use sagamore::{Embedded, serve_embedded};
use sagamore_worker::Running;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::Arguments;

/// The coordinator with its broker, and the services.
pub struct Stage {
    /// Where the API is.
    pub url: String,
    /// Where the broker is.
    pub amqp_url: String,
    services: Vec<Running>,
    coordinator: JoinHandle<anyhow::Result<()>>,
    stop: CancellationToken,
    told: CancellationToken,
}

impl Stage {
    /// Starts all of it; returns once every service consumes.
    pub async fn start(arguments: &Arguments) -> anyhow::Result<Stage> {
        // The table is what there is to see: only trouble is told beside it.
        let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "error".to_owned());
        let filter = EnvFilter::try_new(format!("{LOG_DIRECTIVE},{filter}"));
        let log = tracing_subscriber::fmt().with_writer(std::io::stderr);
        log.with_env_filter(filter.context("RUST_LOG is no filter")?)
            .init();
        let (data, http, amqp) = (&arguments.data, arguments.http, arguments.amqp);
        let embedded = Embedded::open(data, http, amqp, Vec::new()).await?;
        let (address, amqp_url) = (embedded.http()?, embedded.amqp_url());
        let (stop, told) = (CancellationToken::new(), CancellationToken::new());
        let coordinator = tokio::spawn(serve_embedded(embedded, stop.clone()));
        let mut services = Vec::new();
        for worker in sagamore_loan::in_one_process(&amqp_url).await? {
            let started = worker.start().await;
            services.push(started.context("a service did not start")?);
        }
        tokio::spawn(tell_when_interrupted(told.clone()));
        Ok(Stage {
            url: format!("http://{address}"),
            amqp_url,
            services,
            coordinator,
            stop,
            told,
        })
    }

    /// Whether whoever watches wants it to end.
    pub fn is_told_to_end(&self) -> bool {
        self.told.is_cancelled()
    }

    /// Stops the services, then the coordinator, then its broker.
    pub async fn stop(self) -> anyhow::Result<()> {
        for service in self.services {
            service.stop().await;
        }
        self.stop.cancel();
        self.coordinator.await?
    }
}

async fn tell_when_interrupted(told: CancellationToken) {
    if tokio::signal::ctrl_c().await.is_ok() {
        told.cancel();
    }
}
