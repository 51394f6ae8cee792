//! Where a bucket and a key are. Neither leads out of the directory, be it by `..` or by a link.

use std::io;
use std::path::{Component, Path, PathBuf};

/// The file of a key in a bucket; the error is for the person who wrote the machine.
pub(super) fn file(root: &Path, bucket: &str, key: &str) -> Result<PathBuf, String> {
    let directory = self::bucket(root, bucket)?;
    if key.is_empty() || !is_inside(key) {
        return Err(format!(
            "The key '{key}' is not valid: it is a path in its bucket, without '.', '..' or an empty name"
        ));
    }
    match directory.join(key).canonicalize() {
        Ok(file) if !file.starts_with(&directory) => Err(format!(
            "The key '{key}' leads out of the bucket '{bucket}'"
        )),
        Ok(file) if !file.is_file() => Err(no_such_key(bucket, key)),
        Ok(file) => Ok(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(no_such_key(bucket, key)),
        Err(error) => Err(format!("'{bucket}/{key}' can't be read: {error}")),
    }
}

/// The directory of a prefix in a bucket, made where it is missing.
pub(super) fn directory(root: &Path, bucket: &str, prefix: &str) -> Result<PathBuf, String> {
    let directory = self::bucket(root, bucket)?;
    if !is_inside(prefix) {
        return Err(format!(
            "The prefix '{prefix}' is not valid: it is a path in its bucket, without '.', '..' or an empty name"
        ));
    }
    let unwritable = |error: io::Error| format!("'{bucket}/{prefix}' can't be made: {error}");
    // Step by step, for a link on the way must not lead the rest elsewhere.
    let mut made = directory.clone();
    for name in prefix.split('/') {
        made.push(name);
        match std::fs::create_dir(&made) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(unwritable(error));
            }
            _ => {}
        }
        made = made.canonicalize().map_err(unwritable)?;
        if !made.starts_with(&directory) {
            return Err(format!(
                "The prefix '{prefix}' leads out of the bucket '{bucket}'"
            ));
        }
    }
    Ok(made)
}

/// The directory of a bucket.
pub(super) fn bucket(root: &Path, bucket: &str) -> Result<PathBuf, String> {
    if bucket.is_empty() || bucket.contains('/') || !is_inside(bucket) {
        return Err(format!(
            "The bucket '{bucket}' is not valid: it is the name of a directory among the coordinator's files"
        ));
    }
    let unreadable = |error: io::Error| format!("The bucket '{bucket}' can't be read: {error}");
    let root = root.canonicalize().map_err(unreadable)?;
    match root.join(bucket).canonicalize() {
        Ok(found) if found.is_dir() && found.starts_with(&root) => Ok(found),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unreadable(error)),
        _ => Err(format!("The specified bucket does not exist: '{bucket}'")),
    }
}

fn no_such_key(bucket: &str, key: &str) -> String {
    format!("The specified key does not exist: '{key}' in the bucket '{bucket}'")
}

/// Whether a text is a path that goes down only, as it is written.
fn is_inside(path: &str) -> bool {
    let is_name = |component| matches!(component, Component::Normal(_));
    !path.contains('\0')
        && !path.contains("//")
        && !path.split('/').any(|name| name == ".")
        && Path::new(path).components().all(is_name)
}
