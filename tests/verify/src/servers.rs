//! The private servers: their settings, their scripts, their addresses.
//!
//! All that handles a running server is in its control script, which the tests use too, to restart
//! it in the middle of things. This module only writes the scripts and calls them.

use std::env;
use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio, id};

use crate::account::Account;
use crate::directory::{quoted, write_script};
use crate::failure::Failure;
use crate::needs::Tools;

/// The servers of this run, which may still be starting.
#[derive(Debug)]
pub struct Servers(Vec<Server>);

#[derive(Debug)]
struct Server {
    name: &'static str,
    control: PathBuf,
    starting: Child,
    /// What tests are told of it.
    environment: [(&'static str, OsString); 2],
}

/// The address of a server that the environment gives, unless it is empty. It is used instead of
/// one of ours.
pub fn given(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.is_empty())
}

impl Servers {
    /// Begins to start each server that is not given, without waiting for it.
    ///
    /// # Errors
    /// The file system refused, or there is no free port.
    pub fn start(tools: &Tools, account: &Account, directory: &Path) -> Result<Self, Failure> {
        let mut ports = free_ports();
        let mut servers = Vec::new();
        if let Some(programs) = &tools.postgres {
            let port = next_port(&mut ports)?;
            servers.push(Server::start(
                "postgres",
                &format!("programs={}\nport={port}\n", quoted(programs.display())),
                include_str!("scripts/postgres.sh"),
                (
                    "DATABASE_URL",
                    format!("postgres://sagamore@127.0.0.1:{port}/postgres"),
                ),
                "SAGAMORE_VERIFY_POSTGRES_RESTART",
                (account, directory),
            )?);
        }
        if let Some(program) = &tools.rabbitmq {
            let port = next_port(&mut ports)?;
            let settings = format!(
                "program={}\nport={port}\ndistribution_port={}\nepmd_port={}\nnode={}\n",
                quoted(program.display()),
                next_port(&mut ports)?,
                next_port(&mut ports)?,
                // The host is localhost so that no resolver is asked.
                format_args!("sagamore-verify-{}@localhost", id()),
            );
            servers.push(Server::start(
                "rabbitmq",
                &settings,
                include_str!("scripts/rabbitmq.sh"),
                (
                    "AMQP_URL",
                    format!("amqp://guest:guest@127.0.0.1:{port}/%2f"),
                ),
                "SAGAMORE_VERIFY_RABBITMQ_RESTART",
                (account, directory),
            )?);
        }
        Ok(Self(servers))
    }

    /// Waits until every server answers, and returns what tests are told of them.
    ///
    /// # Errors
    /// The first server that did not start, with the end of its log.
    pub fn ready(self) -> Result<Vec<(&'static str, OsString)>, Failure> {
        let mut environment = Vec::new();
        for server in self.0 {
            environment.extend(server.ready()?);
        }
        Ok(environment)
    }
}

impl Server {
    fn start(
        name: &'static str,
        settings: &str,
        script: &str,
        (url_variable, url): (&'static str, String),
        restart_variable: &'static str,
        (account, directory): (&Account, &Path),
    ) -> Result<Self, Failure> {
        let home = directory.join(name);
        account.create_home(&home)?;
        let path = env::var_os("PATH").unwrap_or_default();
        let shared = format!(
            "#!/bin/sh\nhome={}\nPATH={}\nas_server_user={}\n",
            quoted(home.display()),
            quoted(path.display()),
            quoted(account.prefix()),
        );
        let control = directory.join(format!("{name}-control"));
        write_script(
            &control,
            &[
                &shared,
                settings,
                include_str!("scripts/control.sh"),
                script,
            ]
            .concat(),
        )?;
        let starting = Command::new(&control)
            .arg("start")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|source| Failure::io(format!("run {}", control.display()), source))?;
        let environment = [
            (url_variable, url.into()),
            (restart_variable, control.clone().into_os_string()),
        ];
        Ok(Self {
            name,
            control,
            starting,
            environment,
        })
    }

    fn ready(self) -> Result<[(&'static str, OsString); 2], Failure> {
        let output = self.starting.wait_with_output().map_err(|source| {
            Failure::io(format!("wait for {}", self.control.display()), source)
        })?;
        if output.status.success() {
            return Ok(self.environment);
        }
        let output = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(Failure::Server {
            name: self.name,
            output,
        })
    }
}

/// Ports of the loopback interface that nobody listens on.
///
/// Below those which the system gives to outgoing connections: while a test has a server stopped,
/// a client's connection could else be given the server's port. Two runs at the same time look in
/// different places, since the process id decides where to begin.
fn free_ports() -> impl Iterator<Item = u16> {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    const APART: u32 = 16;
    let begin = (id() % (u32::from(COUNT) / APART)) * APART;
    let begin = u16::try_from(begin).expect("a remainder is below its divisor");
    (0..COUNT)
        .map(move |offset| FIRST + (begin + offset) % COUNT)
        .filter(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
}

fn next_port(ports: &mut impl Iterator<Item = u16>) -> Result<u16, Failure> {
    ports.next().ok_or_else(|| {
        Failure::io(
            "find a free port",
            std::io::ErrorKind::AddrNotAvailable.into(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ_and_are_not_for_outgoing_connections() {
        let ports: Vec<u16> = free_ports().take(4).collect();
        let mut distinct = ports.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 4);
        assert!(ports.iter().all(|port| (20_000..32_000).contains(port)));
    }

    #[test]
    fn a_port_in_use_is_passed_over() {
        // Somebody else may look at the same port at this moment, which takes it.
        let taken =
            free_ports().find_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok());
        let listener = taken.expect("some port is free");
        let port = listener.local_addr().expect("it is bound").port();
        assert!(free_ports().take(4).all(|free| free != port));
    }
}
