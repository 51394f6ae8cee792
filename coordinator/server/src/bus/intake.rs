//! What comes in: one connection that consumes replies, commands and dead-lettered task messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection};
use sagamore_interpreter::Ignored;
use tokio_util::sync::CancellationToken;

use super::counts::Counts;
use super::drain::{self, Settling};
use super::lines::Lines;
use super::park::{Park, Parked};
use super::run::{Calls, Settings};
use super::session::{self, Error, Link};
use super::topology::{self, short};
use crate::advance::{Answer, Error as AdvanceError};
use crate::gate::Gate;

/// The consuming side of the bus.
pub(super) struct Intake {
    pub settings: Settings,
    pub address: AMQPUri,
    pub calls: Calls,
    pub gate: Gate,
    pub counts: Arc<Counts>,
    pub consuming: Arc<AtomicBool>,
    pub lines: Lines,
    pub park: Park,
    pub stop: CancellationToken,
}

/// What is to be done with a delivery once all it brought is committed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The broker may forget it.
    Ack,
    /// It can't be used: it is parked with this reason, then acked.
    Park(String),
    /// It is kept, and redelivered when the connection ends: another coordinator may do better.
    Hold,
}

impl Intake {
    /// Consumes until `stop`, through any number of connections.
    pub(super) async fn run(&self) {
        let mut link = Link::new("consuming");
        while !self.stop.is_cancelled() {
            let ended = self.session(&mut link).await;
            self.consuming.store(false, Ordering::Relaxed);
            self.gate.close();
            match ended {
                Ok(()) => return,
                Err(error) => link.down(&error),
            }
            if !link.pause(&self.stop).await {
                return;
            }
        }
    }

    async fn session(&self, link: &mut Link) -> Result<(), Error> {
        let connecting =
            session::connect(&self.address, "sagamore consuming", &self.settings.names);
        let Some(connection) = self
            .stop
            .run_until_cancelled(connecting)
            .await
            .transpose()?
        else {
            return Ok(());
        };
        tokio::select! {
            consumed = self.consume_all(&connection, link) => consumed?,
            () = session::lost(&connection) => return Err(Error::Closed),
        }
        let closing = connection.close(200, ShortString::default());
        let closed = tokio::time::timeout(CLOSE_MAX, closing).await;
        tracing::debug!(?closed, "closed the consuming connection");
        Ok(())
    }

    async fn consume_all(&self, connection: &Connection, link: &mut Link) -> Result<(), Error> {
        let replies = self.settings.names.replies();
        let channel = open(connection, self.settings.prefetch.max(1)).await?;
        let look = QueueDeclareOptions::default().passive();
        let look = channel.queue_declare(short(replies.clone()), look, FieldTable::default());
        let queued = look.await?.message_count().into();
        let settling = Settling::default();
        self.consuming.store(true, Ordering::Relaxed);
        link.up();
        let consuming = async {
            tokio::try_join!(
                self.consume_replies(&channel, (&replies, false), &settling),
                self.consume_own_replies(connection),
                self.consume_dead(connection),
                self.consume_commands(connection),
            )
        };
        let gate = drain::watch(&self.gate, &channel, &replies, queued, &settling);
        tokio::select! {
            consumed = consuming => consumed.map(drop),
            failed = gate => match failed? {},
        }
    }

    async fn consume_replies(
        &self,
        channel: &Channel,
        (queue, own): (&str, bool),
        settling: &Settling,
    ) -> Result<(), Error> {
        let take = async |delivery: Delivery| {
            let number = settling.received();
            let verdict = self.reply(&delivery, own).await;
            if self.settle(&delivery, queue, verdict).await {
                settling.settled(number);
            }
        };
        consume(
            channel,
            queue,
            self.settings.prefetch.max(1),
            &self.stop,
            take,
        )
        .await
    }

    /// Replies to EXPRESS executions, which no timer of the store waits for.
    async fn consume_own_replies(&self, connection: &Connection) -> Result<(), Error> {
        let queue = &self.settings.own_replies;
        topology::declare_own(connection, queue).await?;
        let channel = open(connection, self.settings.prefetch.max(1)).await?;
        self.consume_replies(&channel, (queue, true), &Settling::default())
            .await
    }

    async fn consume_dead(&self, connection: &Connection) -> Result<(), Error> {
        let queue = self.settings.names.dead();
        let channel = open(connection, PREFETCH_OTHERS).await?;
        let take = async |delivery: Delivery| {
            let verdict = self.dead(&delivery).await;
            self.settle(&delivery, &queue, verdict).await;
        };
        consume(&channel, &queue, PREFETCH_OTHERS, &self.stop, take).await
    }

    async fn consume_commands(&self, connection: &Connection) -> Result<(), Error> {
        let queue = self.settings.names.commands();
        let channel = open(connection, PREFETCH_OTHERS).await?;
        let take = async |delivery: Delivery| {
            let verdict = self.command(&delivery).await;
            self.settle(&delivery, &queue, verdict).await;
        };
        consume(&channel, &queue, PREFETCH_OTHERS, &self.stop, take).await
    }

    /// Does with a delivery what the verdict says. False when it stays unacked.
    async fn settle(&self, delivery: &Delivery, queue: &str, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Ack => {}
            Verdict::Park(reason) => match self.park.park(delivery, queue, &reason).await {
                Parked::Yes => {}
                Parked::No => return false,
            },
            Verdict::Hold => return false,
        }
        // An ack that fails is one of a channel that is gone: its consumer ends too, and the delivery comes again.
        if let Err(error) = delivery.ack(BasicAckOptions::default()).await {
            tracing::debug!(queue, %error, "failed to ack a delivery; it will come again");
        }
        true
    }

    /// It came when it no longer mattered.
    pub(super) fn late(&self) -> Verdict {
        self.counts.ignored.one_more();
        Verdict::Ack
    }

    /// What an input's fate means for the delivery that brought it.
    pub(super) fn verdict(&self, taken: Result<Answer, AdvanceError>) -> Verdict {
        match taken.map(|answer| answer.taken) {
            Ok(Ok(())) => Verdict::Ack,
            Ok(Err(ignored)) => match ignored {
                Ignored::UnknownTask => Verdict::Park("its token names no task".to_owned()),
                Ignored::AlreadyStarted { .. }
                | Ignored::TaskClosed
                | Ignored::NotDue
                | Ignored::ExecutionClosed
                | Ignored::AlreadyCompensating
                | Ignored::UnknownIncident
                | Ignored::ActNotOffered
                | Ignored::NotItsChild => {
                    self.counts.ignored.one_more();
                    tracing::debug!(?ignored, "a delivery changed nothing");
                    Verdict::Ack
                }
            },
            Err(AdvanceError::UnknownExecution) => {
                Verdict::Park("its token names no execution".to_owned())
            }
            Err(AdvanceError::SetAside(problem)) => {
                Verdict::Park(format!("its execution was set aside: {problem}"))
            }
            Err(AdvanceError::Stopping) => Verdict::Hold,
        }
    }
}

async fn open(connection: &Connection, prefetch: u16) -> Result<Channel, Error> {
    let channel = connection.create_channel().await?;
    channel
        .basic_qos(prefetch, BasicQosOptions::default())
        .await?;
    Ok(channel)
}

/// Takes deliveries until `stop`, then lets those under way end.
///
/// Up to `prefetch` are under way at once. Their futures are polled first in the order of the deliveries, by this one
/// task: the order in which replies reach their execution.
async fn consume<F: Future<Output = ()>>(
    channel: &Channel,
    queue: &str,
    prefetch: u16,
    stop: &CancellationToken,
    take: impl Fn(Delivery) -> F,
) -> Result<(), Error> {
    let mut deliveries = channel
        .basic_consume(
            short(queue.to_owned()),
            ShortString::default(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            delivery = deliveries.next(), if under_way.len() < usize::from(prefetch) => {
                let delivery = delivery.ok_or_else(|| Error::Cancelled(queue.to_owned()))?;
                under_way.push(take(delivery?));
            }
            Some(()) = under_way.next() => {}
        }
    }
    // What the library has already received beyond these is redelivered when the channel closes.
    let tag = deliveries.tag();
    let last = async {
        if let Err(error) = channel
            .basic_cancel(tag, BasicCancelOptions::default())
            .await
        {
            tracing::debug!(queue, %error, "failed to end a consumer");
        }
        while under_way.next().await.is_some() {}
        // Left to its own drop it would still be closing when the connection does.
        if let Err(error) = channel.close(200, ShortString::default()).await {
            tracing::debug!(queue, %error, "failed to close a channel");
        }
    };
    if tokio::time::timeout(LAST_MAX, last).await.is_err() {
        tracing::warn!(
            queue,
            "deliveries are still under way at the stop; they will come again"
        );
    }
    Ok(())
}

/// Commands and dead-lettered messages that are taken and not yet acked.
const PREFETCH_OTHERS: u16 = 64;
/// How long deliveries under way may take at the stop.
const LAST_MAX: Duration = Duration::from_secs(10);
/// How long closing may take.
const CLOSE_MAX: Duration = Duration::from_secs(2);
