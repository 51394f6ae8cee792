//! Room on the disk. A server that finds none holds its clients up for ever, and nothing tells why.

use std::path::Path;
use std::process::Command;

use crate::failure::Failure;

/// What the tests and their servers need, in MiB.
pub const SPACE_MIB_MIN: u64 = 1024;

/// Makes sure that there is room in a directory.
///
/// # Errors
/// [`Failure::Full`]. Where nobody can tell how much there is, there is enough.
pub fn ensure(directory: &Path) -> Result<(), Failure> {
    match free_mib(directory) {
        Some(free_mib) if free_mib < SPACE_MIB_MIN => Err(Failure::Full {
            directory: directory.to_owned(),
            free_mib,
        }),
        _ => Ok(()),
    }
}

/// The free MiB of the file system that a directory lies in.
fn free_mib(directory: &Path) -> Option<u64> {
    let output = Command::new("df").arg("-Pk").arg(directory).output().ok()?;
    free_mib_of(&String::from_utf8(output.stdout).ok()?)
}

/// Of what POSIX says `df -P -k` prints, the fourth column of the second line, which counts KiB.
fn free_mib_of(table: &str) -> Option<u64> {
    let row = table.lines().nth(1)?;
    let free: u64 = row.split_whitespace().nth(3)?.parse().ok()?;
    Some(free / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_free_column_is_read() {
        let table = "Filesystem 1024-blocks Used Available Capacity Mounted on\n\
                     /dev/vda 264114240 90112000 4928307 95% /\n";
        assert_eq!(free_mib_of(table), Some(4812));
        assert_eq!(free_mib_of("df: no such thing\n"), None);
    }

    #[test]
    fn there_is_room_where_these_tests_were_built() {
        assert!(free_mib(Path::new(env!("CARGO_MANIFEST_DIR"))).is_some_and(|free| free > 0));
    }
}
