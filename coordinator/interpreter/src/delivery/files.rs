//! What a distributed Map does with files, from the arguments of `ItemReader` and `ResultWriter`.

use serde_json::Value;

use super::Parameters;
use crate::definition::{Dataset, ResultWriter};
use crate::effect::{FileCall, ItemsCall, ResultsCall};

/// What `ItemReader` reads.
///
/// # Errors
/// What is wrong with the arguments, in Step Functions' words.
pub(crate) fn reading(
    dataset: &Dataset,
    arguments: &Value,
    items_max: u32,
) -> Result<FileCall, String> {
    let parameters = Parameters::of(arguments)?;
    let key = match dataset {
        Dataset::Objects => parameters.text("Prefix")?.unwrap_or_default(),
        _ => parameters.required_text("Key")?,
    };
    Ok(FileCall::Read(ItemsCall {
        dataset: dataset.clone(),
        bucket: parameters.required_text("Bucket")?.to_owned(),
        key: key.to_owned(),
        items_max,
    }))
}

/// What `ResultWriter` writes.
///
/// # Errors
/// As [`reading`].
pub(crate) fn writing(
    writer: &ResultWriter,
    arguments: &Value,
    map_run: String,
) -> Result<FileCall, String> {
    let (bucket, prefix) = match writer.is_export {
        false => (None, String::new()),
        true => {
            let parameters = Parameters::of(arguments)?;
            let bucket = parameters.required_text("Bucket")?.to_owned();
            let prefix = parameters.text("Prefix")?.unwrap_or_default();
            (Some(bucket), prefix.to_owned())
        }
    };
    Ok(FileCall::Write(ResultsCall {
        map_run,
        bucket,
        prefix,
        format: writer.format,
    }))
}
