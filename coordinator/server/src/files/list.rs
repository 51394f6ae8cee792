//! The objects of a bucket, as S3 lists them. Source: Step Functions, "ItemReader", S3 object list; S3, ListObjectsV2.

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde_json::json;
use uuid::Uuid;

use super::read::Taken;

/// Takes the objects whose keys begin with the prefix, in the order of their keys.
pub(super) fn objects(bucket: &Path, prefix: &str, taken: &mut Taken) -> Result<(), String> {
    let mut keys = Vec::new();
    let mut directories = vec![String::new()];
    while let Some(directory) = directories.pop() {
        let unreadable = |error: std::io::Error| format!("'{directory}' can't be listed: {error}");
        for entry in fs::read_dir(bucket.join(&directory)).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            // What is not Unicode can't be named.
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let key = format!("{directory}{name}");
            // A link may lead out of the bucket, or in a circle.
            let kind = entry.file_type().map_err(unreadable)?;
            if kind.is_dir() {
                let inside = format!("{key}/");
                if inside.starts_with(prefix) || prefix.starts_with(&inside) {
                    directories.push(inside);
                }
            } else if kind.is_file() && key.starts_with(prefix) {
                keys.push(key);
                if keys.len() > OBJECTS_MAX {
                    return Err(format!(
                        "there are more than {OBJECTS_MAX} objects; a Prefix takes fewer"
                    ));
                }
            }
        }
    }
    keys.sort_unstable();
    for key in keys {
        if taken.is_full() {
            break;
        }
        // One that was removed meanwhile is not there.
        let Ok(metadata) = fs::metadata(bucket.join(&key)) else {
            continue;
        };
        let modified = metadata.modified().ok();
        let modified = modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let modified = modified.unwrap_or_default();
        let mark = format!("{key} {} {}", metadata.len(), modified.as_nanos());
        // A mark that changes with the object; nobody reads it for what is in it.
        let mark = Uuid::new_v5(&Uuid::NAMESPACE_OID, mark.as_bytes()).simple();
        taken.take(json!({
            "Etag": format!("\"{mark}\""),
            "Key": key,
            "LastModified": modified.as_secs(),
            "Size": metadata.len(),
            "StorageClass": "STANDARD",
        }))?;
    }
    Ok(())
}

/// The most objects that one listing looks at.
const OBJECTS_MAX: usize = 1_000_000;
