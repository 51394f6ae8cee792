//! Sagas survive whatever becomes of the coordinators and of the servers.
//!
//! Loans run while the coordinator is killed again and again, two of them for part of the time, and then while RabbitMQ and
//! Postgres are restarted. In the end every saga ended as its input says, what the services did and undid adds up, and what
//! is stored is what its history tells.
//!
//! `SEED` repeats the choices of a run (`SEED=7 cargo verify --run cargo test -p sagamore-tests --test recovery`), though not
//! the moments at which the kills fall; `SAGAMORE_VERIFY_FULL=1` does ten times as much.

mod books;
mod chaos;
mod loans;

use std::env;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use sagamore_tests::Random;
use sagamore_tests::live::{Services, World, audit, in_world, tell};

use crate::chaos::Chaos;
use crate::loans::Loans;

#[tokio::test]
async fn sagas_end_as_they_must_whatever_is_killed() -> Result<()> {
    let seed = seed()?;
    tell(format!("SEED={seed}"));
    in_world(async |world| run(world, Random::new(seed)).await).await
}

async fn run(world: &World, random: Random) -> Result<()> {
    let begun = Instant::now();
    let factor = if env::var("SAGAMORE_VERIFY_FULL").is_ok_and(|full| full == "1") {
        10
    } else {
        1
    };
    let services = Services::start(world).await?;
    let mut chaos = Chaos::start(world, random).await?;
    let mut loans = Loans::upload(&chaos.client()).await?;

    chaos
        .kill_coordinators(&mut loans, KILLS * factor, LOANS * factor * 4 / 5)
        .await?;
    chaos
        .restart_servers(&mut loans, LOANS * factor / 5)
        .await?;
    tell(format!("{} after {:?}", chaos.done(), begun.elapsed()));

    let how = loans.all_end(world, END_MAX * factor).await?;
    for (ending, count) in &how {
        tell(format!("{count:>5} {ending}"));
    }
    chaos.stop().await?;
    services.stop().await?;
    let effects = books::check(world, &loans).await?;
    let audited = audit(&world.database.url, &world.database.pool).await?;
    assert!(
        audited.executions >= loans.count(),
        "there are children, too"
    );
    books::check_nothing_is_left(world).await?;
    let (sagas, records, time) = (audited.executions, audited.records, begun.elapsed());
    tell(format!(
        "{sagas} sagas, {records} records of history, {effects} effects, in {time:?}"
    ));
    Ok(())
}

fn seed() -> Result<u64> {
    match env::var("SEED") {
        Ok(seed) => seed.parse().context("SEED is no number"),
        Err(_) => Ok(DEFAULT_SEED),
    }
}

const DEFAULT_SEED: u64 = 1;
const KILLS: u32 = 50;
const LOANS: u32 = 500;
/// How long the last saga may take once all is well again.
const END_MAX: Duration = Duration::from_secs(120);
