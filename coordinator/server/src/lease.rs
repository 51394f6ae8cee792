//! The lease: this coordinator says that it lives, and takes over from those that no longer do.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::advance::{Outbox, Publication};
use crate::gate::Gate;
use crate::store::{CoordinatorId, Error, Store};

/// How long a coordinator counts as living after it last said so.
pub const LEASE: Duration = Duration::from_secs(5);

/// How often it says so, and how often the watermark of its outbox is written.
const RENEWAL: Duration = Duration::from_millis(500);

/// How often executions are looked for that wait for nothing.
const AUDIT: Duration = Duration::from_secs(60);

/// Messages that are taken over together.
const UNSENT_MAX: u32 = 500;

/// Executions that one audit reports.
const AUDITED_MAX: u32 = 100;

/// What keeping the lease needs.
pub struct Lease<S: Store> {
    store: S,
    coordinator: CoordinatorId,
    outbox: Outbox,
    gate: Gate,
    /// Places of messages that may or may not have been taken over.
    doubtful: Vec<u64>,
}

impl<S: Store> Lease<S> {
    /// A lease that is yet to be taken.
    pub fn new(store: S, coordinator: CoordinatorId, outbox: Outbox, gate: Gate) -> Lease<S> {
        Lease {
            store,
            coordinator,
            outbox,
            gate,
            doubtful: Vec::new(),
        }
    }

    /// Keeps the lease until told to stop, when all is sent; then gives it up.
    pub async fn run(mut self, stop: CancellationToken) {
        let store = self.store.clone();
        let keep = async {
            loop {
                if let Err(error) = self.renew().await {
                    tracing::debug!(%error, "the lease waits for the store");
                }
                tokio::time::sleep(RENEWAL).await;
            }
        };
        let audit = async {
            loop {
                tokio::time::sleep(AUDIT).await;
                audit(&store).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = keep => {}
            () = audit => {}
        }
        if let Err(error) = self.give_up().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the lease lapses by itself"
            );
        }
    }

    /// Notes first what was sent up to the end, or whoever takes over would send some of it again.
    async fn give_up(&self) -> Result<(), Error> {
        let sent_through = self.outbox.sent_through();
        self.store
            .renew(self.coordinator, LEASE, sent_through)
            .await?;
        self.store.release(self.coordinator).await
    }

    /// Takes the lease for the first time.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn register(&self) -> Result<(), Error> {
        self.store.renew(self.coordinator, LEASE, 0).await
    }

    /// Renews the lease once, and takes over what nobody holds any more.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn renew(&mut self) -> Result<(), Error> {
        self.store
            .renew(self.coordinator, LEASE, self.outbox.sent_through())
            .await?;
        self.send_doubtful().await?;
        while self.take_over().await? > 0 {}
        Ok(())
    }

    /// Takes over some messages of coordinators that are gone, and sends them; how many.
    async fn take_over(&mut self) -> Result<usize, Error> {
        let given = Mutex::new(Vec::new());
        let number = || {
            let number = self.outbox.number();
            given
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(number);
            number
        };
        let unsent = self
            .store
            .take_over(self.coordinator, UNSENT_MAX, &number)
            .await;
        let unsent = match unsent {
            Ok(unsent) => unsent,
            Err(error) => {
                // They may be ours all the same.
                self.doubtful
                    .extend(given.into_inner().unwrap_or_else(PoisonError::into_inner));
                return Err(error);
            }
        };
        if !unsent.is_empty() {
            tracing::info!(
                messages = unsent.len(),
                "took over from a coordinator that is gone"
            );
            self.gate.close();
        }
        let taken = unsent.len();
        for message in unsent {
            self.outbox.send(Publication::from(message)).await;
        }
        Ok(taken)
    }

    /// Sends what was taken over though the store did not say so.
    async fn send_doubtful(&mut self) -> Result<(), Error> {
        if self.doubtful.is_empty() {
            return Ok(());
        }
        let unsent = self.store.unsent(self.coordinator, &self.doubtful).await?;
        let publications: Vec<Publication> = unsent.into_iter().map(Publication::from).collect();
        for number in std::mem::take(&mut self.doubtful) {
            if !publications
                .iter()
                .any(|publication| publication.number == number)
            {
                self.outbox.done(number);
            }
        }
        for publication in publications {
            self.outbox.send(publication).await;
        }
        Ok(())
    }
}

/// Invariant 11: reports running executions that wait for nothing.
async fn audit<S: Store>(store: &S) {
    match store.without_cause(AUDITED_MAX).await {
        Ok(executions) => {
            for execution in executions {
                tracing::error!(%execution, "a running execution waits for nothing");
            }
        }
        Err(error) => tracing::debug!(%error, "the audit waits for the store"),
    }
}
