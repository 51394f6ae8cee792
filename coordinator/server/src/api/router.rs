//! Which address is answered where, and for how long a client may keep us busy.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::routing::{get, post};
use sagamore_interpreter::limits::{DEFINITION_BYTES_MAX, PAYLOAD_BYTES_MAX};
use sagamore_messages::TokenKey;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{health, incidents, ledger, metrics, operator, replies, reviews, wire};
use crate::commands::Commands;
use crate::store::Store;

/// What the API needs, shared by all requests.
pub struct Parts<S: Store> {
    /// Does what clients ask for.
    pub commands: Commands<S>,
    /// Opens task tokens.
    pub key: TokenKey,
    /// Where people reach this server, for the links of reviews: `https://sagas.example.com`, without a slash at its end.
    pub public_url: String,
    /// Whether the bus is connected.
    pub is_bus_ready: Box<dyn Fn() -> bool + Send + Sync>,
}

/// The API's state. Cheap to clone.
pub struct Api<S: Store>(Arc<Parts<S>>);

impl<S: Store> Api<S> {
    /// An API made of these.
    pub fn new(parts: Parts<S>) -> Api<S> {
        Api(Arc::new(parts))
    }

    /// Where machines and executions are kept.
    pub(super) fn store(&self) -> &S {
        self.commands.store()
    }

    /// The address of a review.
    pub(super) fn review_url(&self, token: &str) -> String {
        format!("{}/reviews/{token}", self.public_url.trim_end_matches('/'))
    }
}

impl<S: Store> Clone for Api<S> {
    fn clone(&self) -> Api<S> {
        Api(Arc::clone(&self.0))
    }
}

impl<S: Store> std::ops::Deref for Api<S> {
    type Target = Parts<S>;

    fn deref(&self) -> &Parts<S> {
        &self.0
    }
}

/// All addresses of the API.
pub fn router<S: Store>(api: Api<S>) -> Router {
    Router::new()
        .route("/", post(wire::answer::<S>).fallback(wire::wrong_method))
        .route("/health", get(health::alive))
        .route("/ready", get(health::ready::<S>))
        .route("/metrics", get(metrics::metrics::<S>))
        .route("/reviews", get(reviews::inbox::<S>))
        .route(
            "/reviews/{token}",
            get(reviews::show::<S>).post(reviews::judge::<S>),
        )
        .route("/sagamore/v1/reviews", get(reviews::list::<S>))
        .route("/sagamore/v1/incidents", get(incidents::list::<S>))
        .route(
            "/sagamore/v1/incidents/{execution}/{incident}/{act}",
            post(operator::act::<S>),
        )
        .route(
            "/sagamore/v1/executions/{execution}/replies",
            get(replies::list::<S>),
        )
        .route(
            "/sagamore/v1/executions/{execution}/ledger",
            get(ledger::show::<S>),
        )
        .fallback(wire::no_such_address)
        .with_state(api)
}

/// Serves the API until `stop` is ready; then answers what is under way, for 10 s at most.
///
/// # Errors
/// The listener failed.
pub async fn serve<S: Store>(
    listener: TcpListener,
    api: Api<S>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (stopping, stopped) = oneshot::channel();
    let server = axum::serve(listener, router(api)).with_graceful_shutdown(async move {
        stop.await;
        let _ = stopping.send(());
    });
    let cut_off = async {
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(SHUTDOWN_MAX).await;
    };
    tokio::select! {
        ended = server => ended,
        () = cut_off => {
            tracing::info!("clients that were still connected are cut off");
            Ok(())
        }
    }
}

/// Why a request's body was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyFault {
    /// The client has to send less.
    #[error("the body is larger than {} bytes, or was cut off", body_bytes_max())]
    TooLarge,
    /// The client has to send faster.
    #[error("the body did not arrive within {} seconds", BODY_WAIT_MAX.as_secs())]
    TooSlow,
}

/// Reads a body, of [`body_bytes_max`] at most and for no longer than [`BODY_WAIT_MAX`].
pub(super) async fn read_body(body: Body) -> Result<Bytes, BodyFault> {
    match timeout(BODY_WAIT_MAX, to_bytes(body, body_bytes_max())).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(BodyFault::TooLarge),
        Err(_) => Err(BodyFault::TooSlow),
    }
}

/// The largest body of a request, in bytes: a payload or a definition as JSON text inside JSON may take twice its size and more.
pub(super) fn body_bytes_max() -> usize {
    4 * PAYLOAD_BYTES_MAX.bytes().max(DEFINITION_BYTES_MAX.bytes())
}

/// For how long a body may trickle in.
const BODY_WAIT_MAX: Duration = Duration::from_secs(30);
/// For how long requests may go on when the server stops.
const SHUTDOWN_MAX: Duration = Duration::from_secs(10);
