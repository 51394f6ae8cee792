//! `sagamore health`: whether a coordinator can do its work, for a supervisor that can only run a command.
//!
//! An image that holds nothing but the binaries has no `curl`, so the binary asks itself. One request needs no HTTP client: it is
//! HTTP/1.0, and of its answer only the first line counts.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Why a coordinator is not taken for ready.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Only plain HTTP is spoken here: whoever ends TLS in front of the coordinator has checks of its own.
    #[error("{0} is not an address like http://127.0.0.1:8083")]
    NotAnAddress(String),
    /// The name has no address, or nobody listens there.
    #[error("failed to reach {authority}")]
    Unreachable {
        /// Host and port.
        authority: String,
        /// What the system said.
        source: io::Error,
    },
    /// It listens, but does not answer in time.
    #[error("{authority} does not answer")]
    Silent {
        /// Host and port.
        authority: String,
        /// What the system said.
        source: io::Error,
    },
    /// It answers, but not with 200: its store or its broker is away, or it is no coordinator.
    #[error("{authority} is not ready: {answer}")]
    NotReady {
        /// Host and port.
        authority: String,
        /// The first line of its answer.
        answer: String,
    },
}

/// Asks the coordinator at `url`, such as `http://127.0.0.1:8083`, whether its store answers and its bus is connected.
///
/// # Errors
/// It does not say so within a few seconds.
pub fn health(url: &str) -> Result<(), Error> {
    let authority = authority(url).ok_or_else(|| Error::NotAnAddress(url.to_owned()))?;
    let stream = connect(&authority).map_err(|source| Error::Unreachable {
        authority: authority.clone(),
        source,
    })?;
    let answer = ask(stream, &authority).map_err(|source| Error::Silent {
        authority: authority.clone(),
        source,
    })?;
    if answer.split(' ').nth(1) == Some("200") {
        return Ok(());
    }
    Err(Error::NotReady { authority, answer })
}

/// Host and port of `url`, or `None` when it is no plain HTTP or has a path.
fn authority(url: &str) -> Option<String> {
    let authority = url.strip_prefix("http://")?.trim_end_matches('/');
    if authority.is_empty() || authority.contains(['/', '?', '#', '@', ' ']) {
        return None;
    }
    // The colons within brackets belong to an IPv6 address.
    let after_host = authority.rsplit(']').next().unwrap_or_default();
    Some(match after_host.contains(':') {
        true => authority.to_owned(),
        false => format!("{authority}:80"),
    })
}

/// Connects to the first address that listens: `localhost` has two, and the coordinator may be at one of them.
fn connect(authority: &str) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in authority.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, WAIT_MAX) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The first line of the answer to `GET /ready`.
fn ask(mut stream: TcpStream, authority: &str) -> io::Result<String> {
    stream.set_read_timeout(Some(WAIT_MAX))?;
    stream.set_write_timeout(Some(WAIT_MAX))?;
    let request = format!("GET /ready HTTP/1.0\r\nHost: {authority}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream.take(LINE_BYTES_MAX)).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

/// How long each of connecting, asking and listening may take.
const WAIT_MAX: Duration = Duration::from_secs(3);
/// Our own first line is far shorter; who sends more is no coordinator.
const LINE_BYTES_MAX: u64 = 1024;

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Asks a server that answers with `answer`; what came of it, without the port that differs each time.
    #[track_caller]
    fn check(answer: &'static str, expected: &str) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 512];
            let length = stream.read(&mut asked).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&asked[..length]).into_owned()
        });
        let outcome = match health(&format!("http://{address}/")) {
            Ok(()) => "ready".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(outcome.replace(&address.to_string(), "it"), expected);
        let asked = server.join().unwrap();
        let asked = asked.replace(&address.to_string(), "it");
        assert_eq!(asked, "GET /ready HTTP/1.0\r\nHost: it\r\n\r\n");
    }

    #[test]
    fn two_hundred_is_ready() {
        check("HTTP/1.0 200 OK\r\n\r\n{\"status\":\"ready\"}", "ready");
    }

    #[test]
    fn another_status_is_told() {
        check(
            "HTTP/1.1 503 Service Unavailable\r\n\r\n{}",
            "it is not ready: HTTP/1.1 503 Service Unavailable",
        );
    }

    #[test]
    fn no_answer_is_not_ready() {
        check("", "it is not ready: ");
    }

    #[test]
    fn nobody_there_is_unreachable() {
        // Nobody can listen on port 0, unlike on one that was free a moment ago.
        let error = health("http://127.0.0.1:0").unwrap_err();
        assert_eq!(error.to_string(), "failed to reach 127.0.0.1:0");
    }

    #[test]
    fn an_address_is_http_host_and_port() {
        let cases = [
            ("http://127.0.0.1:8083", Some("127.0.0.1:8083")),
            ("http://localhost:8083/", Some("localhost:8083")),
            ("http://sagas", Some("sagas:80")),
            ("http://[::1]:8083", Some("[::1]:8083")),
            ("http://[::1]", Some("[::1]:80")),
            ("https://127.0.0.1:8083", None),
            ("127.0.0.1:8083", None),
            ("http://127.0.0.1:8083/ready", None),
            ("http://", None),
        ];
        for (url, expected) in cases {
            assert_eq!(authority(url).as_deref(), expected, "{url}");
        }
    }
}
