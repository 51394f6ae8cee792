//! The broker under amqplib, Node's client: what holds for services in Python holds for these, too.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Of 10,000 messages some are put back, some rejected, some lost with their connection; and how refusals are told.
#[test]
fn amqplib_accounts_for_ten_thousand_messages() {
    let client = client();
    let mut node = Command::new("node");
    let said = run(node
        .current_dir(&client)
        .args(["account.js", &crate::broker::url()]));
    assert_eq!(
        said.trim(),
        "9000 acknowledged, 2000 put back, 1000 dead-lettered"
    );
}

/// A directory with the scripts and the client that they need, brought by npm once.
fn client() -> PathBuf {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("bus/amqplib");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("amqplib");
    fs::create_dir_all(&directory).unwrap();
    // The tests of both brokers may run at once.
    let lock = File::create(directory.join("lock")).unwrap();
    lock.lock().unwrap();
    let asked = fs::read(scripts.join("package-lock.json")).unwrap();
    let brought = directory.join("brought.json");
    for file in ["account.js", "package.json", "package-lock.json"] {
        fs::copy(scripts.join(file), directory.join(file)).unwrap();
    }
    if fs::read(&brought).ok().as_ref() != Some(&asked) {
        let mut npm = Command::new("npm");
        run(npm.current_dir(&directory).args([
            "ci",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ]));
        fs::write(brought, asked).unwrap();
    }
    directory
}

fn run(command: &mut Command) -> String {
    let ended = command
        .output()
        .expect("`cargo verify` sees to Node and npm");
    let complaint = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{complaint}");
    String::from_utf8_lossy(&ended.stdout).into_owned()
}
