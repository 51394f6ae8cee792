//! The command line.

use std::ffi::OsString;

/// What the person asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Show how to use it.
    Help,
    /// Run every check; `full` adds those that take long.
    Check { full: bool },
    /// Run one command beside the servers. Never empty.
    Run(Vec<OsString>),
}

/// How to use it.
pub const USAGE: &str = "\
Checks everything there is to check.

Usage: cargo verify [--full]
       cargo verify --run COMMAND [ARGUMENT...]
       cargo verify --help

  --full     also what takes long: SAGAMORE_VERIFY_FULL=1 for the tests, every saga of up to four
             steps, many random ones, and the benchmarks
  --run      start the servers, run just this command with their addresses, stop them:
             cargo verify --run cargo test -p sagamore-tests --test store

A private Postgres and a private RabbitMQ are started on free ports and stopped at the end. Where
DATABASE_URL or AMQP_URL is set, that server is used instead and none is started for it.

Tests find in their environment:
  DATABASE_URL, AMQP_URL              the servers; tests may create databases of their own
  PIKA_PYTHON                         a Python 3 that can import pika
  SAGAMORE_VERIFY_POSTGRES_RESTART    a script that takes start, stop, kill or restart and returns
  SAGAMORE_VERIFY_RABBITMQ_RESTART      when it is done; only for a server that was started here
  SAGAMORE_VERIFY_FULL                1 with --full";

/// Reads the arguments after the program's name.
///
/// # Errors
/// A sentence that names the argument which is not understood.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Action, String> {
    let mut arguments = arguments.into_iter();
    let mut full = false;
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--help" | "-h") => return Ok(Action::Help),
            Some("--full") => full = true,
            Some("--run") if full => return Err("--full does not go with --run".into()),
            Some("--run") => {
                let command: Vec<OsString> = arguments.collect();
                if command.is_empty() {
                    return Err("--run needs a command".into());
                }
                return Ok(Action::Run(command));
            }
            _ => return Err(format!("unknown argument `{}`", argument.display())),
        }
    }
    Ok(Action::Check { full })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Result<Action, &str>) {
        let actual = parse(line.split_whitespace().map(OsString::from));
        assert_eq!(actual, expected.map_err(String::from));
    }

    #[test]
    fn nothing_checks_everything() {
        check("", Ok(Action::Check { full: false }));
    }

    #[test]
    fn full_adds_what_takes_long() {
        check("--full", Ok(Action::Check { full: true }));
    }

    #[test]
    fn help_wins() {
        check("--full --help", Ok(Action::Help));
    }

    #[test]
    fn a_command_keeps_its_own_flags() {
        let command = ["cargo", "test", "--help"].map(OsString::from).to_vec();
        check("--run cargo test --help", Ok(Action::Run(command)));
    }

    #[test]
    fn a_command_must_be_given() {
        check("--run", Err("--run needs a command"));
    }

    #[test]
    fn full_belongs_to_the_checks() {
        check("--full --run true", Err("--full does not go with --run"));
    }

    #[test]
    fn an_unknown_argument_is_refused() {
        check("--fast", Err("unknown argument `--fast`"));
    }
}
