//! What must be installed, where it is, and how to get what is missing.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::account::Account;
use crate::servers::given;

/// Something that `cargo verify` cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Rustfmt,
    Clippy,
    CCompiler,
    Git,
    Setpriv,
    Postgres,
    RabbitMq,
    Pika,
    Node,
}

/// Where the tools are of which a test or a server needs the path.
#[derive(Debug, Default)]
pub struct Tools {
    /// The directory of `initdb` and `postgres`.
    pub postgres: Option<PathBuf>,
    /// The program `rabbitmq-server`.
    pub rabbitmq: Option<PathBuf>,
    /// A Python 3 that can import pika.
    pub python: Option<PathBuf>,
}

/// What is not there. Its text names all of it, and one line to paste.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    pub needs: Vec<Need>,
    pub platform: Platform,
}

/// What decides how things are installed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Debian and what descends from it.
    Debian,
    MacOs,
    Other,
}

/// What all the checks need.
pub fn of_check(account: &Account) -> Vec<Need> {
    let mut needs = vec![Need::Rustfmt, Need::Clippy, Need::CCompiler, Need::Git];
    needs.extend(of_run(account));
    needs
}

/// What the servers and the tests beside them need.
pub fn of_run(account: &Account) -> Vec<Need> {
    let postgres = given("DATABASE_URL").is_none();
    let rabbitmq = given("AMQP_URL").is_none();
    [
        (Need::Setpriv, account.is_root() && (postgres || rabbitmq)),
        (Need::Postgres, postgres),
        (Need::RabbitMq, rabbitmq),
        (Need::Pika, true),
        (Need::Node, true),
    ]
    .into_iter()
    .filter_map(|(need, wanted)| wanted.then_some(need))
    .collect()
}

/// Looks for everything that is needed.
///
/// # Errors
/// All that is missing, not only the first.
pub fn look(needs: &[Need]) -> Result<Tools, Missing> {
    let mut tools = Tools::default();
    let mut missing = Vec::new();
    for &need in needs {
        let found = match need {
            Need::Rustfmt => succeeds("cargo", &["fmt", "--version"]),
            Need::Clippy => succeeds("cargo", &["clippy", "--version"]),
            Need::CCompiler => on_path("cc").is_some(),
            Need::Git => on_path("git").is_some(),
            Need::Setpriv => on_path("setpriv").is_some(),
            Need::Postgres => keep(&mut tools.postgres, newest_postgres()),
            Need::RabbitMq => keep(&mut tools.rabbitmq, rabbitmq()),
            Need::Pika => keep(&mut tools.python, python_with_pika()),
            Need::Node => on_path("node").is_some() && on_path("npm").is_some(),
        };
        if !found {
            missing.push(need);
        }
    }
    if missing.is_empty() {
        Ok(tools)
    } else {
        Err(Missing {
            needs: missing,
            platform: Platform::here(),
        })
    }
}

impl Tools {
    /// What tests are told of the tools.
    pub fn environment(&self) -> Option<(&'static str, OsString)> {
        let python = self.python.as_ref()?;
        Some(("PIKA_PYTHON", python.into()))
    }
}

impl Need {
    fn description(self) -> &'static str {
        match self {
            Self::Rustfmt => "rustfmt (cargo fmt)",
            Self::Clippy => "clippy (cargo clippy)",
            Self::CCompiler => "a C compiler (cc)",
            Self::Git => "git",
            Self::Setpriv => "setpriv, with which root gives its servers to another user",
            Self::Postgres => "PostgreSQL's programs (initdb, postgres)",
            Self::RabbitMq => "RabbitMQ's programs (rabbitmq-server, and epmd of Erlang)",
            Self::Pika => "a Python 3 that can import pika; PIKA_PYTHON may name it",
            Self::Node => "Node and npm (node, npm), which brings amqplib",
        }
    }

    /// The packages of Debian.
    pub fn debian(self) -> &'static [&'static str] {
        match self {
            Self::Rustfmt | Self::Clippy => &[],
            Self::CCompiler => &["gcc", "libc6-dev"],
            Self::Git => &["git"],
            Self::Setpriv => &["util-linux"],
            Self::Postgres => &["postgresql"],
            Self::RabbitMq => &["rabbitmq-server"],
            Self::Pika => &["python3-pika"],
            Self::Node => &["nodejs", "npm"],
        }
    }

    fn mac_os(self) -> Option<&'static str> {
        match self {
            Self::Rustfmt | Self::Clippy | Self::Setpriv => None,
            Self::CCompiler => Some("xcode-select --install"),
            Self::Git => Some("brew install git"),
            Self::Postgres => Some("brew install postgresql@17"),
            Self::RabbitMq => Some("brew install rabbitmq"),
            Self::Pika => Some("python3 -m pip install --user --break-system-packages pika"),
            Self::Node => Some("brew install node"),
        }
    }

    fn rustup(self) -> Option<&'static str> {
        match self {
            Self::Rustfmt => Some("rustup component add rustfmt"),
            Self::Clippy => Some("rustup component add clippy"),
            Self::CCompiler
            | Self::Git
            | Self::Setpriv
            | Self::Postgres
            | Self::RabbitMq
            | Self::Pika
            | Self::Node => None,
        }
    }
}

impl Platform {
    /// The platform of this machine.
    pub fn here() -> Self {
        if cfg!(target_os = "macos") {
            return Self::MacOs;
        }
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        if is_debian(&release) {
            Self::Debian
        } else {
            Self::Other
        }
    }
}

/// Whether an os-release file is Debian's or that of a descendant, such as Ubuntu.
fn is_debian(os_release: &str) -> bool {
    os_release
        .lines()
        .filter_map(|line| {
            line.strip_prefix("ID=")
                .or_else(|| line.strip_prefix("ID_LIKE="))
        })
        .any(|ids| ids.trim_matches('"').split(' ').any(|id| id == "debian"))
}

impl Missing {
    /// The packages of Debian that would bring it all.
    pub fn debian_packages(&self) -> Vec<&'static str> {
        self.needs
            .iter()
            .flat_map(|need| need.debian())
            .copied()
            .collect()
    }

    /// One line for Debian's shell, or `None` where rustup alone helps.
    fn debian_line(&self) -> Option<String> {
        let packages = self.debian_packages();
        let install = (!packages.is_empty()).then(|| {
            format!(
                "sudo apt-get update && sudo apt-get install -y --no-install-recommends {}",
                packages.join(" ")
            )
        });
        self.joined(install)
    }

    fn mac_os_line(&self) -> Option<String> {
        let commands: Vec<_> = self.needs.iter().filter_map(|need| need.mac_os()).collect();
        self.joined((!commands.is_empty()).then(|| commands.join(" && ")))
    }

    fn joined(&self, install: Option<String>) -> Option<String> {
        let commands: Vec<_> = install
            .into_iter()
            .chain(
                self.needs
                    .iter()
                    .filter_map(|need| need.rustup())
                    .map(String::from),
            )
            .collect();
        (!commands.is_empty()).then(|| commands.join(" && "))
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "not installed here, but needed:")?;
        for need in &self.needs {
            writeln!(f, "  - {}", need.description())?;
        }
        writeln!(f, "one line to paste:")?;
        if self.platform != Platform::MacOs
            && let Some(line) = self.debian_line()
        {
            writeln!(f, "  Debian, Ubuntu:  {line}")?;
        }
        if self.platform != Platform::Debian
            && let Some(line) = self.mac_os_line()
        {
            writeln!(f, "  macOS:           {line}")?;
        }
        Ok(())
    }
}

/// Notes where a tool was found, and says whether it was.
fn keep(place: &mut Option<PathBuf>, found: Option<PathBuf>) -> bool {
    *place = found;
    place.is_some()
}

/// The newest PostgreSQL whose programs run. Debian keeps each version in a directory of its own
/// that is not on the path, and may have left a version's client programs without its server.
fn newest_postgres() -> Option<PathBuf> {
    [
        "/usr/lib/postgresql",
        "/usr",
        "/usr/local/opt",
        "/opt/homebrew/opt",
    ]
    .into_iter()
    .flat_map(|parent| children(Path::new(parent)).map(|version| version.join("bin")))
    .chain(search_path())
    .filter(|programs| programs.join("initdb").is_file())
    .filter_map(|programs| {
        let said = output(&programs.join("postgres"), &["--version"])?;
        Some((postgres_version(&said)?, programs))
    })
    .max()
    .map(|(_, programs)| programs)
}

/// The version in `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn postgres_version(said: &str) -> Option<(u32, u32)> {
    let version = said.strip_prefix("postgres (PostgreSQL) ")?;
    let mut numbers = version.split(|c: char| !c.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    Some((
        major,
        numbers
            .next()
            .and_then(|minor| minor.parse().ok())
            .unwrap_or(0),
    ))
}

/// The server's own script rather than Debian's wrapper in /usr/sbin, which insists on the system's
/// user and directories.
fn rabbitmq() -> Option<PathBuf> {
    on_path("epmd")?;
    let own = Path::new("/usr/lib/rabbitmq/bin/rabbitmq-server");
    own.is_file()
        .then(|| own.to_path_buf())
        .or_else(|| on_path("rabbitmq-server"))
}

/// A Python that can import pika: the first on the path is often one that lacks Debian's packages.
fn python_with_pika() -> Option<PathBuf> {
    given("PIKA_PYTHON")
        .map(PathBuf::from)
        .into_iter()
        .chain([PathBuf::from("/usr/bin/python3")])
        .chain(search_path().map(|directory| directory.join("python3")))
        .filter(|python| python.is_file())
        .find(|python| output(python, &["-c", "import pika"]).is_some())
}

fn on_path(program: &str) -> Option<PathBuf> {
    search_path()
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
}

/// The path, and the places of system programs that an ordinary user's path may lack.
fn search_path() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = [
        "/usr/sbin",
        "/usr/local/sbin",
        "/opt/homebrew/bin",
        "/opt/homebrew/sbin",
    ];
    let directories: Vec<_> = env::split_paths(&path)
        .chain(system.map(PathBuf::from))
        .collect();
    directories.into_iter()
}

fn children(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    output(Path::new(program), arguments).is_some()
}

/// What a program prints, or `None` if it cannot be run or fails.
fn output(program: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let output = output.ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(needs: &[Need], platform: Platform, expected: &str) {
        let missing = Missing {
            needs: needs.to_vec(),
            platform,
        };
        assert_eq!(missing.to_string(), expected);
    }

    #[test]
    fn all_that_is_missing_is_named_with_one_line() {
        check(
            &[Need::Clippy, Need::Postgres, Need::Pika],
            Platform::Debian,
            "not installed here, but needed:
  - clippy (cargo clippy)
  - PostgreSQL's programs (initdb, postgres)
  - a Python 3 that can import pika; PIKA_PYTHON may name it
one line to paste:
  Debian, Ubuntu:  sudo apt-get update && sudo apt-get install -y --no-install-recommends \
postgresql python3-pika && rustup component add clippy
",
        );
    }

    #[test]
    fn an_unknown_platform_is_shown_both_lines() {
        check(
            &[Need::RabbitMq],
            Platform::Other,
            "not installed here, but needed:
  - RabbitMQ's programs (rabbitmq-server, and epmd of Erlang)
one line to paste:
  Debian, Ubuntu:  sudo apt-get update && sudo apt-get install -y --no-install-recommends \
rabbitmq-server
  macOS:           brew install rabbitmq
",
        );
    }

    #[test]
    fn rustup_alone_needs_no_package() {
        check(
            &[Need::Rustfmt],
            Platform::MacOs,
            "not installed here, but needed:
  - rustfmt (cargo fmt)
one line to paste:
  macOS:           rustup component add rustfmt
",
        );
    }

    #[test]
    fn debian_and_its_descendants_are_recognised() {
        assert!(is_debian("NAME=\"Debian GNU/Linux\"\nID=debian\n"));
        assert!(is_debian("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!is_debian(
            "ID=fedora\nHOME_URL=\"https://debian.example\"\n"
        ));
        assert!(!is_debian(""));
    }

    #[test]
    fn versions_compare_as_numbers() {
        let version = |text: &str| postgres_version(&format!("postgres (PostgreSQL) {text}\n"));
        assert_eq!(version("15.18 (Debian 15.18-0+deb12u1)"), Some((15, 18)));
        assert!(version("15.9") < version("15.18"));
        assert_eq!(version("18beta1"), Some((18, 0)));
        assert_eq!(postgres_version("postgres: not found"), None);
    }
}
