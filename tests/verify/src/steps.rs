//! The checks, one after the other, and the report on them.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::needs::Tools;
use crate::servers::Servers;
use crate::supervisor::Supervisor;

/// One check: a call of cargo in the workspace.
#[derive(Debug)]
pub struct Step {
    name: &'static str,
    arguments: Vec<&'static str>,
    environment: Vec<(&'static str, OsString)>,
    output: Output,
}

/// When the output of a step is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    IfFailed,
    Always,
}

/// What has been checked, with what result.
#[derive(Debug, Default)]
pub struct Report(Vec<Line>);

#[derive(Debug)]
struct Line {
    name: &'static str,
    passed: bool,
    time: Duration,
}

/// The checks that need no server. What a person mends fastest comes first. The binaries are built
/// before the tests, because tests run them.
pub fn before_tests() -> Vec<Step> {
    let quiet = |name, line: &'static str| Step {
        name,
        arguments: line.split(' ').collect(),
        environment: Vec::new(),
        output: Output::IfFailed,
    };
    let mut doc = quiet("doc", "doc --workspace --no-deps");
    doc.environment.push(("RUSTDOCFLAGS", "-D warnings".into()));
    vec![
        quiet("format", "fmt --all --check"),
        quiet("clippy", "clippy --workspace --all-targets -- -D warnings"),
        doc,
        quiet("build", "build --workspace --bins"),
        quiet("build tests", "test --workspace --no-run"),
    ]
}

/// The tests, which are told where the servers are. One that fails does not hide the others.
pub fn tests(full: bool, servers: &[(&'static str, OsString)], tools: &Tools) -> Vec<Step> {
    let mut environment = servers.to_vec();
    environment.extend(tools.environment());
    if full {
        environment.push(("SAGAMORE_VERIFY_FULL", "1".into()));
    }
    let loud = |name, line: &'static str| Step {
        name,
        arguments: line.split(' ').collect(),
        environment: environment.clone(),
        output: Output::Always,
    };
    let mut steps = vec![loud("test", "test --workspace --no-fail-fast")];
    if full {
        let mut explore = loud(
            "explore",
            "test --release --package sagamore-tests --test exploration --test sagas every_ -- --nocapture",
        );
        explore.environment.push(("EXPLORE", "4".into()));
        explore.environment.push(("SAGAS", "50000".into()));
        steps.push(explore);
    }
    let manifest = fs::read_to_string(workspace().join("tests/Cargo.toml")).unwrap_or_default();
    if full && manifest.contains("[[bench]]") {
        // One of them measures the binary as it is built for use.
        steps.push(loud("build for use", "build --release --package sagamore"));
        steps.push(loud(
            "bench",
            "bench --package sagamore-interpreter --package sagamore-tests --bench *",
        ));
    }
    steps
}

impl Report {
    /// Runs a step and notes its result.
    pub fn take(&mut self, step: &Step, supervisor: &mut Supervisor) {
        announce(step.name);
        if step.output == Output::Always {
            println!();
        }
        let start = Instant::now();
        let result = step.run(supervisor);
        self.note(step.name, start.elapsed(), result);
    }

    /// Waits for the servers, which have had all the time of the steps before; `None` if one failed.
    pub fn await_servers(&mut self, servers: Servers) -> Option<Vec<(&'static str, OsString)>> {
        announce("servers");
        let start = Instant::now();
        match servers.ready() {
            Ok(environment) => {
                self.note("servers", start.elapsed(), Ok(()));
                Some(environment)
            }
            Err(failure) => {
                self.note("servers", start.elapsed(), Err(failure.to_string()));
                println!("the tests are left out");
                None
            }
        }
    }

    /// Whether every step passed.
    pub fn passed(&self) -> bool {
        self.0.iter().all(|line| line.passed)
    }

    fn note(&mut self, name: &'static str, time: Duration, result: Result<(), String>) {
        let line = Line {
            name,
            passed: result.is_ok(),
            time,
        };
        println!("{line}");
        if let Err(output) = result {
            println!("{output}");
        }
        self.0.push(line);
    }
}

impl Step {
    /// Runs the step; what a quiet step wrote is the error of its failure.
    fn run(&self, supervisor: &mut Supervisor) -> Result<(), String> {
        let log = supervisor.directory().join("step");
        let mut run = || {
            let mut command = self.command();
            if self.output == Output::IfFailed {
                let file = File::create(&log)?;
                command.stdout(file.try_clone()?).stderr(file);
            }
            supervisor.run_within(&mut command, STEP_MAX)
        };
        let status = run().map_err(|error| Failure::io("run cargo", error).to_string())?;
        let Some(status) = status else {
            let minutes = STEP_MAX.as_secs() / 60;
            return Err(format!(
                "cargo {}: killed, since it did not end within {minutes} min; a test that hangs is named above",
                self.arguments.join(" ")
            ));
        };
        match self.output {
            _ if status.success() => Ok(()),
            Output::IfFailed => Err(read(&log).unwrap_or_else(|error| error.to_string())),
            Output::Always => Err(format!("cargo {}: {status}", self.arguments.join(" "))),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(workspace()).stdin(Stdio::null());
        if io::stdout().is_terminal() {
            command.env("CARGO_TERM_COLOR", "always");
        }
        command
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let result = if self.passed { "ok" } else { "FAILED" };
        write!(f, "{:<12} {result:<7} {:>8}", self.name, seconds(self.time))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.0 {
            writeln!(f, "{line}")?;
        }
        let time = self.0.iter().map(|line| line.time).sum();
        write!(
            f,
            "{}",
            Line {
                name: "all",
                passed: self.passed(),
                time
            }
        )
    }
}

/// How long a step may take; the longest take a third of it.
const STEP_MAX: Duration = Duration::from_secs(40 * 60);

/// A duration as a person reads it.
pub fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Shows which step runs now, to whoever sits at a terminal: its line is overwritten by the result.
fn announce(name: &str) {
    if io::stdout().is_terminal() {
        print!("{name} …\r");
        io::stdout()
            .flush()
            .expect("a terminal takes what is written");
    }
}

fn read(log: &Path) -> io::Result<String> {
    fs::read(log).map(|text| String::from_utf8_lossy(&text).into_owned())
}

fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .expect("this package lies in tests/verify of the workspace")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &[(&'static str, bool, u64)], expected: &str) {
        let lines = lines.iter().map(|&(name, passed, time)| Line {
            name,
            passed,
            time: Duration::from_millis(time),
        });
        assert_eq!(Report(lines.collect()).to_string(), expected);
    }

    #[test]
    fn the_report_sums_up() {
        check(
            &[("format", true, 850), ("test", true, 61_200)],
            "\
format       ok         0.8 s
test         ok        61.2 s
all          ok        62.0 s",
        );
    }

    #[test]
    fn one_failure_fails_it_all() {
        check(
            &[("format", false, 100), ("test", true, 100)],
            "\
format       FAILED     0.1 s
test         ok         0.1 s
all          FAILED     0.2 s",
        );
    }

    #[test]
    fn the_tests_hear_of_full() {
        let told = |full| {
            let steps = tests(full, &[], &Tools::default());
            steps[0]
                .environment
                .iter()
                .any(|(name, _)| *name == "SAGAMORE_VERIFY_FULL")
        };
        assert!(told(true));
        assert!(!told(false));
    }
}
