//! What a distributed Map does with files, from the arguments of `ItemReader` and `ResultWriter`.

use serde_json::Value;

use super::Parameters;
use crate::definition::Dataset;
use crate::effect::FileCall;

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
    Ok(FileCall::Read {
        dataset: dataset.clone(),
        bucket: parameters.required_text("Bucket")?.to_owned(),
        key: key.to_owned(),
        items_max,
    })
}
