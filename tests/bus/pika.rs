//! The broker under pika, Python's client: the assumptions of the bus hold for services in another language.

use std::env;
use std::process::Command;

/// Confirms, returns, prefetch, dead letters with their history, large bodies, the codes of refusals.
#[test]
fn pika_holds_a_session() {
    assert_eq!(run("session.py"), "");
}

/// Of 10,000 messages some are put back, some rejected, some lost with their connection.
#[test]
fn of_ten_thousand_messages_none_is_lost_or_invented() {
    let said = run("account.py");
    assert_eq!(
        said.trim(),
        "9000 acknowledged, 2000 put back, 1000 dead-lettered"
    );
}

fn run(script: &str) -> String {
    let python = env::var("PIKA_PYTHON").expect("`cargo verify` sets PIKA_PYTHON");
    let script = format!("{}/bus/{script}", env!("CARGO_MANIFEST_DIR"));
    let ended = Command::new(python)
        .args([script, crate::broker::url()])
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{complaint}");
    String::from_utf8_lossy(&ended.stdout).into_owned()
}
