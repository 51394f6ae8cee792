//! What goes wrong: coordinators are killed, servers are restarted, while loans run.

use std::time::Duration;

use anyhow::Result;
use sagamore_tests::Random;
use sagamore_tests::live::{Broker, Client, Coordinator, Server, World, tell, until};

use crate::loans::Loans;

/// The coordinators of a run, and what befell them.
pub struct Chaos<'a> {
    world: &'a World,
    random: Random,
    ports: [u16; 2],
    /// The first is always there, the second for part of the time.
    coordinators: [Option<Coordinator>; 2],
    kills: u32,
    restarts: Vec<&'static str>,
}

impl<'a> Chaos<'a> {
    /// Starts a coordinator.
    pub async fn start(world: &'a World, random: Random) -> Result<Self> {
        let ports = [
            sagamore_tests::live::free_port()?,
            sagamore_tests::live::free_port()?,
        ];
        let mut first = Coordinator::launch(world, &[], ports[0])?;
        first.ready().await?;
        let coordinators = [Some(first), None];
        Ok(Self {
            world,
            random,
            ports,
            coordinators,
            kills: 0,
            restarts: Vec::new(),
        })
    }

    /// A client of the first coordinator.
    pub fn client(&self) -> Client {
        let address = format!("127.0.0.1:{}", self.ports[0]);
        Client { address }
    }

    /// What was done so far.
    pub fn done(&self) -> String {
        format!(
            "{} kills, restarts: {}",
            self.kills,
            self.restarts.join(", ")
        )
    }

    /// Kills a coordinator `kills` times, each time after some turns more or less, and starts it again at once. The loans are
    /// asked for meanwhile. In the middle third there are two.
    pub async fn kill_coordinators(
        &mut self,
        loans: &mut Loans,
        kills: u32,
        count: u32,
    ) -> Result<()> {
        let commands = self.world.names.commands();
        for kill in 0..kills {
            let asked = count * (kill + 1) / kills - count * kill / kills;
            loans.ask(&self.world.broker, &commands, asked).await?;
            let two = (kills / 3..2 * kills / 3).contains(&kill);
            self.have_second(two).await?;
            let turns = self.random.below(TURNS_BETWEEN_KILLS);
            self.until_turns(turns).await?;
            let which = if two {
                self.random.below(2) as usize
            } else {
                0
            };
            self.kill(which).await?;
            self.launch(which)?;
        }
        self.have_second(false).await
    }

    /// Restarts the servers in the middle of loans, gently and not.
    pub async fn restart_servers(&mut self, loans: &mut Loans, count: u32) -> Result<()> {
        let rabbitmq = Server::rabbitmq().map(|server| (server, "RabbitMQ"));
        let postgres = Server::postgres().map(|server| (server, "Postgres"));
        let orders = [
            (&postgres, "restart"),
            (&rabbitmq, "restart"),
            (&postgres, "kill"),
            (&rabbitmq, "kill"),
        ];
        for (server, order) in orders {
            let broker = Broker::connect().await?;
            let asked = count / u32::try_from(orders.len())?;
            loans
                .ask(&broker, &self.world.names.commands(), asked)
                .await?;
            self.until_turns(asked.into()).await?;
            let Some((server, name)) = server else {
                tell(String::from(
                    "one of the servers is not ours, so it is not restarted",
                ));
                continue;
            };
            server.control(order).await?;
            if order == "kill" {
                server.control("start").await?;
            }
            self.restarts.push(name);
        }
        Ok(())
    }

    /// Ends the coordinators, as one does when all is well.
    pub async fn stop(self) -> Result<()> {
        for coordinator in self.coordinators.into_iter().flatten() {
            coordinator.stop().await?;
        }
        Ok(())
    }

    async fn have_second(&mut self, wanted: bool) -> Result<()> {
        match (wanted, self.coordinators[1].is_some()) {
            (true, false) => self.launch(1),
            (false, true) => self.kill(1).await,
            (true, true) | (false, false) => Ok(()),
        }
    }

    fn launch(&mut self, which: usize) -> Result<()> {
        self.coordinators[which] = Some(Coordinator::launch(self.world, &[], self.ports[which])?);
        Ok(())
    }

    async fn kill(&mut self, which: usize) -> Result<()> {
        if let Some(mut coordinator) = self.coordinators[which].take() {
            coordinator.process.is_alive()?;
            coordinator.process.kill().await?;
            self.kills += 1;
        }
        Ok(())
    }

    /// Waits until so many more turns are committed, or until it seems that none will be: a coordinator may be killed before
    /// it has done anything.
    async fn until_turns(&self, turns: u64) -> Result<()> {
        let before = self.turns().await?;
        let waited = until("some turns", TURNS_WAIT_MAX, async || {
            Ok((self.turns().await? >= before + turns.cast_signed()).then_some(()))
        });
        if let Err(error) = waited.await {
            tell(format!("{error:#}"));
        }
        Ok(())
    }

    async fn turns(&self) -> Result<i64> {
        let sum = "SELECT coalesce(sum(version), 0)::bigint FROM executions";
        Ok(sqlx::query_scalar(sum)
            .fetch_one(&self.world.database.pool)
            .await?)
    }
}

/// Up to so many turns come between two kills: fewer than the loans asked for meanwhile take, so that a kill finds work.
const TURNS_BETWEEN_KILLS: u64 = 80;
const TURNS_WAIT_MAX: Duration = Duration::from_secs(8);
