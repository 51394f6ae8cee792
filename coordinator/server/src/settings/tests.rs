//! Settings: text in, settings or the one line that tells what is wrong out.

use super::*;

const URLS: [(&str, &str); 2] = [
    ("DATABASE_URL", "postgres://ada:secret@db/sagas?password=secret"),
    ("AMQP_URL", "amqp://guest:secret@mq:5672/%2f"),
];

fn read(file: &str, environment: &[(&str, &str)]) -> Result<Settings, Error> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let environment = environment.iter().map(own).collect();
    Settings::read(Some(("s.toml".to_owned(), file.to_owned())), environment)
}

/// Checks the line that tells what is wrong, which never holds a secret.
fn check(file: &str, environment: &[(&str, &str)], expected: &str) {
    let environment: Vec<_> = environment.iter().chain(&URLS).copied().collect();
    let problem = read(file, &environment).unwrap_err().to_string();
    assert_eq!(problem, expected);
    assert!(!problem.contains("secret"));
}

#[test]
fn defaults_hold_where_nothing_is_set() {
    let settings = read("", &URLS).unwrap();
    assert_eq!(settings.http.to_string(), "127.0.0.1:8083");
    assert_eq!((settings.public_url, settings.prefetch), (None, 1_024));
    assert_eq!((settings.region.as_str(), settings.account.as_str()), ("us-east-1", "000000000000"));
    assert_eq!(settings.unroutable_grace, Duration::from_secs(30));
    assert_eq!((settings.log.as_str(), settings.log_format), ("info", LogFormat::Text));
}

#[test]
fn the_environment_wins_over_the_file() {
    let file = "prefix = 'file'\nregion = 'eu-west-1'\nunroutable_grace = 5\npublic_url = 'https://sagas.example.com/'\n";
    let mut environment = URLS.to_vec();
    environment.push(("SAGAMORE_PREFIX", "environment"));
    let settings = read(file, &environment).unwrap();
    assert_eq!((settings.prefix.as_str(), settings.region.as_str()), ("environment", "eu-west-1"));
    assert_eq!(settings.unroutable_grace, Duration::from_secs(5));
    assert_eq!(settings.public_url.as_deref(), Some("https://sagas.example.com"));
}

#[test]
fn an_own_log_filter_wins_over_the_general_one() {
    let mut environment = URLS.to_vec();
    environment.extend([("RUST_LOG", "warn"), ("SAGAMORE_LOG", "sagamore=debug,info")]);
    assert_eq!(read("", &environment).unwrap().log, "sagamore=debug,info");
}

#[test]
fn a_setting_that_is_missing_is_told_with_an_example() {
    assert_eq!(
        read("", &[]).unwrap_err().to_string(),
        "database_url is not set; give DATABASE_URL in the environment or database_url in the settings file: \
         postgres://user:password@host/database"
    );
}

#[test]
fn an_unknown_setting_is_told_with_the_one_that_was_meant() {
    check("prefixx = 'x'", &[], "prefixx from the file s.toml is no setting; was prefix meant?");
    check(
        "",
        &[("SAGAMORE_UNROUTABLE_GRACE_SECONDS", "3")],
        "SAGAMORE_UNROUTABLE_GRACE_SECONDS from the environment is no setting; was SAGAMORE_UNROUTABLE_GRACE meant?",
    );
    check(
        "[http]\nport = 3",
        &[],
        "http from the file s.toml is a value of type table; a text or a whole number",
    );
}

#[test]
fn a_bad_setting_is_told_with_what_would_be_right() {
    check(
        "",
        &[("SAGAMORE_HTTP", "8083")],
        "SAGAMORE_HTTP from the environment is '8083'; an address and a port, as in 127.0.0.1:8083",
    );
    check("account = '1'", &[], "account from the file s.toml is '1'; 12 digits, as in 000000000000");
    check("log_format = 'xml'", &[], "log_format from the file s.toml is 'xml'; text or json");
    check(
        "",
        &[("SAGAMORE_UNROUTABLE_GRACE", "-1")],
        "SAGAMORE_UNROUTABLE_GRACE from the environment is '-1'; a whole number of seconds, at most 86400, as in 30",
    );
    check("database_url = 'x", &[], "the settings file s.toml is not TOML: invalid literal string, expected `'` in line 1");
}

#[test]
fn a_bad_url_is_told_without_its_text() {
    let environment = [("DATABASE_URL", "mysql://ada:secret@db/x"), URLS[1]];
    assert_eq!(
        read("", &environment).unwrap_err().to_string(),
        "DATABASE_URL from the environment does not begin with postgres:// or postgresql://; \
         postgres://user:password@host/database"
    );
}

#[test]
fn a_url_prints_without_what_is_secret() {
    let settings = read("", &URLS).unwrap();
    assert_eq!(settings.database_url.to_string(), "postgres://ada:***@db/sagas");
    assert!(!format!("{settings:?}").contains("secret"));
    assert!(settings.amqp_url.as_str().contains("secret"));
}

#[test]
fn what_kubernetes_says_of_a_service_of_our_name_is_no_setting() {
    let mut environment = URLS.to_vec();
    environment.extend([
        ("SAGAMORE_SERVICE_HOST", "10.0.0.1"),
        ("SAGAMORE_PORT", "tcp://10.0.0.1:80"),
        ("SAGAMORE_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("SAGAMORE_DB_SERVICE_PORT_PSQL", "5432"),
    ]);
    assert!(read("", &environment).is_ok());
}
