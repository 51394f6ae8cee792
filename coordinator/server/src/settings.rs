//! The settings: from a TOML file and the environment, which wins.
//!
//! A bad or unknown setting ends the start at once, and the error names it, where it came from and what would be right:
//! a setting that is silently ignored costs somebody a night. Passwords stand in URLs only, and a URL prints without.

mod error;
mod limits;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing_subscriber::filter::Targets;

pub use error::{Error, Origin};
pub use limits::Limits;

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `DATABASE_URL`, `database_url`: the Postgres that keeps everything, or the file of an embedded coordinator. Has to be set.
    pub database_url: Url,
    /// `AMQP_URL`, `amqp_url`: the RabbitMQ that carries everything. Has to be set.
    pub amqp_url: Url,
    /// `SAGAMORE_HTTP`, `http`: the address that the HTTP API listens on. Default 127.0.0.1:8083.
    pub http: SocketAddr,
    /// `SAGAMORE_PUBLIC_URL`, `public_url`: where people reach that API, for the links of reviews. `None`: at `http`.
    pub public_url: Option<String>,
    /// `SAGAMORE_PREFIX`, `prefix`: what the names of the coordinator's own queues begin with. Default `sagamore`.
    pub prefix: String,
    /// `SAGAMORE_REGION`, `region`: the region in ARNs. Default us-east-1.
    pub region: String,
    /// `SAGAMORE_ACCOUNT`, `account`: the account in ARNs, 12 digits. Default 000000000000.
    pub account: String,
    /// `SAGAMORE_UNROUTABLE_GRACE`, `unroutable_grace`: for how long a task message without a queue is sent again, in
    /// seconds. Default 30.
    pub unroutable_grace: Duration,
    /// `SAGAMORE_PREFETCH`, `prefetch`: how many replies are taken and not yet acknowledged, at most. Default 1024.
    pub prefetch: u16,
    /// `SAGAMORE_PAYLOAD_BYTES_MAX` and others: what is limited otherwise than by default. The same for all coordinators on a
    /// database.
    pub limits: Limits,
    /// `SAGAMORE_FILES`, `files`: the directory that distributed Maps read items from, with a directory for each bucket. The same
    /// for all coordinators on a database. `None`: they can't.
    pub files: Option<PathBuf>,
    /// `SAGAMORE_LOG`, `log`, or `RUST_LOG`: what is logged, as `tracing` filters it. Default info.
    pub log: String,
    /// `SAGAMORE_LOG_FORMAT`, `log_format`: how. Default text.
    pub log_format: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: `text`.
    Text,
    /// For machines, an object a line: `json`.
    Json,
}

/// A URL that may hold a password. It prints as `scheme://user:***@host/…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(String);

impl Url {
    /// The whole URL, for who connects: never for a log.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", &self.0));
        // Parameters may hold secrets, too: `?password=`, `?sslkey=`.
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (login, place) = rest
            .rsplit_once('@')
            .map_or((None, rest), |(login, place)| (Some(login), place));
        match login.map(|login| login.split_once(':').map_or(login, |(user, _)| user)) {
            Some(user) => write!(formatter, "{scheme}://{user}:***@{place}"),
            None => write!(formatter, "{scheme}://{place}"),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Settings {
    /// The settings from a file and the variables of an environment.
    ///
    /// # Errors
    /// One of them is missing, bad or unknown.
    pub fn load(
        file: Option<&Path>,
        environment: Vec<(String, String)>,
    ) -> Result<Settings, Error> {
        let file = match file {
            None => None,
            Some(path) => {
                let name = path.display().to_string();
                let text = std::fs::read_to_string(path).map_err(|source| Error::File {
                    path: name.clone(),
                    source,
                })?;
                Some((name, text))
            }
        };
        Settings::read(file, environment)
    }

    /// The same from the name and text of a file.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn read(
        file: Option<(String, String)>,
        environment: Vec<(String, String)>,
    ) -> Result<Settings, Error> {
        let given = Given::read(file, environment)?;
        let database_url = given.url(
            "database_url",
            &["postgres", "postgresql"],
            "postgres://user:password@host/database",
        )?;
        let amqp_url = given.url(
            "amqp_url",
            &["amqp", "amqps"],
            "amqp://user:password@host:5672/%2f",
        )?;
        Settings::of(&given, database_url, amqp_url)
    }

    /// The settings of a coordinator on a SQLite file and a broker of its own, whatever `DATABASE_URL` and `AMQP_URL` say.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn embedded(
        environment: Vec<(String, String)>,
        file: &Path,
        amqp_url: &str,
    ) -> Result<Settings, Error> {
        let given = Given::read(None, environment)?;
        let database_url = Url(format!("sqlite://{}", file.display()));
        Settings::of(&given, database_url, Url(amqp_url.to_owned()))
    }

    fn of(given: &Given, database_url: Url, amqp_url: Url) -> Result<Settings, Error> {
        let http = given.parse(
            "http",
            "an address and a port, as in 127.0.0.1:8083",
            |text| text.parse().ok(),
        )?;
        let prefix = given.word(
            "prefix",
            "1 to 100 letters, digits, '-', '_' and '.'",
            PREFIX_BYTES_MAX,
        )?;
        let region = given.word(
            "region",
            "1 to 30 letters, digits and '-', as in us-east-1",
            REGION_BYTES_MAX,
        )?;
        Ok(Settings {
            database_url,
            amqp_url,
            http: http.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8083))),
            public_url: given.parse(
                "public_url",
                "an address that people can open, as in https://sagas.example.com",
                public_url,
            )?,
            prefix: prefix.unwrap_or_else(|| "sagamore".to_owned()),
            region: region.unwrap_or_else(|| "us-east-1".to_owned()),
            account: given.account()?,
            unroutable_grace: given.unroutable_grace()?,
            prefetch: given.prefetch()?,
            limits: Limits::read(given)?,
            files: given.files()?,
            log: given.log()?,
            log_format: given.log_format()?,
        })
    }
}

/// The variables of this process.
pub fn environment() -> Vec<(String, String)> {
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        Some((
            name.into_string().ok()?,
            value.to_string_lossy().into_owned(),
        ))
    });
    variables.collect()
}

/// A setting's name in the file, and its name in the environment.
const KNOWN: [(&str, &str); 16] = [
    ("database_url", "DATABASE_URL"),
    ("amqp_url", "AMQP_URL"),
    ("http", "SAGAMORE_HTTP"),
    ("public_url", "SAGAMORE_PUBLIC_URL"),
    ("prefix", "SAGAMORE_PREFIX"),
    ("region", "SAGAMORE_REGION"),
    ("account", "SAGAMORE_ACCOUNT"),
    ("unroutable_grace", "SAGAMORE_UNROUTABLE_GRACE"),
    ("prefetch", "SAGAMORE_PREFETCH"),
    ("payload_bytes_max", "SAGAMORE_PAYLOAD_BYTES_MAX"),
    ("definition_bytes_max", "SAGAMORE_DEFINITION_BYTES_MAX"),
    ("variables_bytes_max", "SAGAMORE_VARIABLES_BYTES_MAX"),
    ("items_bytes_max", "SAGAMORE_ITEMS_BYTES_MAX"),
    ("files", FILES_VARIABLE),
    ("log", "SAGAMORE_LOG"),
    ("log_format", "SAGAMORE_LOG_FORMAT"),
];

/// What was set, as text, by the setting's name in the file.
struct Given(Vec<(&'static str, String, String, Origin)>);

impl Given {
    fn read(
        file: Option<(String, String)>,
        environment: Vec<(String, String)>,
    ) -> Result<Given, Error> {
        let mut given = Vec::new();
        let mut rust_log = None;
        for (variable, value) in environment {
            if let Some((name, _)) = KNOWN.iter().find(|(_, known)| *known == variable) {
                given.push((*name, variable, value, Origin::Environment));
            } else if variable == "RUST_LOG" {
                rust_log = Some(("log", variable, value, Origin::Environment));
            } else if variable.starts_with(PREFIX) && !is_of_others(&variable) {
                let variables = KNOWN.map(|(_, variable)| variable);
                let remedy = meant(&variable, &variables);
                return Err(Error::Unknown {
                    name: variable,
                    origin: Origin::Environment,
                    remedy,
                });
            }
        }
        given.extend(rust_log);
        if let Some((path, text)) = file {
            read_file(&path, &text, &mut given)?;
        }
        Ok(Given(given))
    }

    /// A setting, when it is given; `read` is `None` for what is not `right`.
    fn parse<T>(
        &self,
        name: &str,
        right: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        // The first wins: the environment stands before the file, SAGAMORE_LOG before RUST_LOG.
        let Some((_, called, text, origin)) = self.0.iter().find(|(known, ..)| *known == name)
        else {
            return Ok(None);
        };
        read(text).map(Some).ok_or_else(|| Error::Bad {
            name: called.clone(),
            origin: origin.clone(),
            problem: format!("is '{text}'"),
            right,
        })
    }

    fn word(
        &self,
        name: &str,
        right: &'static str,
        bytes_max: usize,
    ) -> Result<Option<String>, Error> {
        let is_word =
            |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
        self.parse(name, right, |text| {
            let is_right = (1..=bytes_max).contains(&text.len()) && text.chars().all(is_word);
            is_right.then(|| text.to_owned())
        })
    }

    fn account(&self) -> Result<String, Error> {
        let account = self.parse("account", "12 digits, as in 000000000000", |text| {
            let is_right = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
            is_right.then(|| text.to_owned())
        })?;
        Ok(account.unwrap_or_else(|| "000000000000".to_owned()))
    }

    fn unroutable_grace(&self) -> Result<Duration, Error> {
        let right = "a whole number of seconds, at most 86400, as in 30";
        let seconds = self.parse("unroutable_grace", right, |text| {
            text.parse()
                .ok()
                .filter(|seconds| *seconds <= GRACE_SECONDS_MAX)
        })?;
        Ok(Duration::from_secs(
            seconds.unwrap_or(GRACE_SECONDS_DEFAULT),
        ))
    }

    fn prefetch(&self) -> Result<u16, Error> {
        let right = "a whole number from 1 to 65535, as in 1024";
        let prefetch = self.parse("prefetch", right, |text| {
            text.parse().ok().filter(|count| *count > 0)
        })?;
        Ok(prefetch.unwrap_or(PREFETCH_DEFAULT))
    }

    fn files(&self) -> Result<Option<PathBuf>, Error> {
        self.parse("files", "a directory that exists", |text| {
            let directory = PathBuf::from(text);
            directory.is_dir().then_some(directory)
        })
    }

    fn log(&self) -> Result<String, Error> {
        let right = "a level or a filter, as in info or sagamore=debug,info";
        let log = self.parse("log", right, |text| {
            text.parse::<Targets>().ok().map(|_| text.to_owned())
        })?;
        Ok(log.unwrap_or_else(|| "info".to_owned()))
    }

    fn log_format(&self) -> Result<LogFormat, Error> {
        let format = self.parse("log_format", "text or json", |text| match text {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        })?;
        Ok(format.unwrap_or(LogFormat::Text))
    }

    /// A URL that has to be given; its text never stands in an error.
    fn url(&self, name: &'static str, schemes: &[&str], right: &'static str) -> Result<Url, Error> {
        let Some((_, called, text, origin)) = self.0.iter().find(|(known, ..)| *known == name)
        else {
            let variable = KNOWN
                .iter()
                .find(|(known, _)| *known == name)
                .map_or("", |(_, variable)| variable);
            return Err(Error::Missing {
                name,
                variable,
                right,
            });
        };
        let is_url = text
            .split_once("://")
            .is_some_and(|(scheme, rest)| schemes.contains(&scheme) && !rest.is_empty());
        if !is_url {
            let problem = format!("does not begin with {}://", schemes.join(":// or "));
            return Err(Error::Bad {
                name: called.clone(),
                origin: origin.clone(),
                problem,
                right,
            });
        }
        Ok(Url(text.clone()))
    }
}

fn public_url(text: &str) -> Option<String> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))?;
    let is_right = !rest.is_empty() && !rest.contains(['?', '#', ' ', '"']);
    is_right.then(|| text.trim_end_matches('/').to_owned())
}

fn read_file(
    path: &str,
    text: &str,
    given: &mut Vec<(&'static str, String, String, Origin)>,
) -> Result<(), Error> {
    let origin = Origin::File(path.to_owned());
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        // Its own rendering shows the line, which may hold a password.
        let line = error.span().map_or(1, |span| {
            text[..span.start.min(text.len())].matches('\n').count() + 1
        });
        let problem = format!("{} in line {line}", error.message());
        Error::Toml {
            path: path.to_owned(),
            problem,
        }
    })?;
    for (key, value) in table {
        let Some((name, _)) = KNOWN.iter().find(|(known, _)| *known == key) else {
            let remedy = meant(&key, &KNOWN.map(|(name, _)| name));
            return Err(Error::Unknown {
                name: key,
                origin,
                remedy,
            });
        };
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Datetime(_)
            | toml::Value::Array(_)
            | toml::Value::Table(_) => {
                let problem = format!("is a value of type {}", value.type_str());
                return Err(Error::Bad {
                    name: key,
                    origin,
                    problem,
                    right: "a text or a whole number",
                });
            }
        };
        given.push((*name, key, text, origin.clone()));
    }
    Ok(())
}

/// The known name most like an unknown one, or all of them.
fn meant(name: &str, known: &[&str]) -> String {
    let common = |other: &str| {
        other
            .bytes()
            .zip(name.bytes())
            .take_while(|(one, two)| one == two)
            .count()
    };
    let shared = if name.starts_with(PREFIX) {
        PREFIX.len()
    } else {
        0
    };
    match known.iter().max_by_key(|other| common(other)) {
        Some(nearest) if common(nearest) > shared + 1 => format!("was {nearest} meant?"),
        _ => format!("known are {}", known.join(", ")),
    }
}

/// Variables that begin like ours, but are read by somebody else: by the command line, by clients that may run beside
/// us, by the checks. Kubernetes tells every pod of the services beside it, and a service may well be called `sagamore`.
fn is_of_others(variable: &str) -> bool {
    [CONFIG_VARIABLE, "SAGAMORE_URL"].contains(&variable)
        || variable.starts_with("SAGAMORE_VERIFY_")
        || variable.ends_with("_PORT")
        || ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT_"]
            .iter()
            .any(|part| variable.contains(part))
}

/// The variable that names the settings file.
pub const CONFIG_VARIABLE: &str = "SAGAMORE_CONFIG";
/// The variable that names the directory of files.
pub const FILES_VARIABLE: &str = "SAGAMORE_FILES";
/// Variables that begin so are ours, and have to be known.
const PREFIX: &str = "SAGAMORE_";
const PREFIX_BYTES_MAX: usize = 100;
const REGION_BYTES_MAX: usize = 30;
const GRACE_SECONDS_DEFAULT: u64 = 30;
const GRACE_SECONDS_MAX: u64 = 24 * 60 * 60;
/// One batch of every lane, so that a lane never waits for the broker while there is work.
const PREFETCH_DEFAULT: u16 = 1_024;

#[cfg(test)]
mod tests;
