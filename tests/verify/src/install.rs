//! Installs what is missing, where that is nobody's surprise: as root on Debian, which is a
//! container or a build machine.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::account::Account;
use crate::failure::Failure;
use crate::needs::{self, Missing, Need, Platform, Tools};
use crate::steps::seconds;

/// Finds everything that is needed; as root on Debian, installs what is missing.
///
/// # Errors
/// What is missing and may not or could not be installed.
pub fn ensure(needs: &[Need], account: &Account) -> Result<Tools, Failure> {
    let missing = match needs::look(needs) {
        Ok(tools) => return Ok(tools),
        Err(missing) => missing,
    };
    if !installable(&missing, account.is_root()) {
        return Err(Failure::Missing(missing));
    }
    install(&missing.debian_packages())?;
    needs::look(needs).map_err(Failure::Missing)
}

/// Whether packages alone would help and root may install them. A missing component of Rust is left
/// to rustup, whose toolchain may be shared with others.
fn installable(missing: &Missing, root: bool) -> bool {
    root && missing.platform == Platform::Debian
        && missing.needs.iter().all(|need| !need.debian().is_empty())
}

fn install(packages: &[&str]) -> Result<(), Failure> {
    let packages_text = packages.join(" ");
    println!("installing {packages_text} (their services are not started)");
    let start = Instant::now();
    let output = Command::new("sh")
        .arg("-c")
        .arg(include_str!("scripts/install.sh"))
        .arg("install")
        .args(packages)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Failure::io("run sh", source))?;
    if !output.status.success() {
        let output = [output.stdout, output.stderr].concat();
        let output = String::from_utf8_lossy(&output).into_owned();
        return Err(Failure::Install {
            packages: packages_text,
            output,
        });
    }
    println!("installed in {}", seconds(start.elapsed()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(needs: &[Need], platform: Platform, root: bool, expected: bool) {
        let missing = Missing {
            needs: needs.to_vec(),
            platform,
        };
        assert_eq!(installable(&missing, root), expected);
    }

    #[test]
    fn root_on_debian_installs() {
        check(&[Need::Postgres, Need::Pika], Platform::Debian, true, true);
    }

    #[test]
    fn nobody_else_does() {
        check(&[Need::Postgres], Platform::Debian, false, false);
        check(&[Need::Postgres], Platform::MacOs, true, false);
    }

    #[test]
    fn components_of_rust_are_not_a_matter_of_packages() {
        check(&[Need::Clippy, Need::Pika], Platform::Debian, true, false);
    }
}
