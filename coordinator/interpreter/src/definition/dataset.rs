//! Where the items of a distributed Map come from and where its results go: `ItemReader`, `ItemBatcher`, `ResultWriter`.
//! Source: States Language, "Map State Input/Output Processing"; Step Functions, "ItemReader", "ItemBatcher", "ResultWriter".

use serde::{Deserialize, Serialize};

use super::fault::{FaultCode, Faults, excerpt};
use super::fields::{Fields, integer, path, string};
use super::handover::Written;
use super::parse::Parser;
use super::spelling::did_you_mean;
use super::vocabulary::{ITEM_BATCHER, ITEM_READER, READER_CONFIG, RESULT_WRITER, WRITER_CONFIG};
use super::{BlockId, Count, Resource};
use crate::query::Template;

/// `ItemReader`: the items are read from a file.
#[derive(Debug)]
pub struct ItemReader {
    /// What is read.
    pub dataset: Dataset,
    /// `Parameters`, or `Arguments` of JSONata: the bucket, and the key or prefix.
    pub arguments: Option<Template>,
    /// `MaxItems` or its path: those that are taken; 0 takes all.
    pub max_items: Count,
    /// The Task that reads.
    pub runs: BlockId,
}

/// What a file of items holds, or that the files themselves are the items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dataset {
    /// The objects of a bucket, each with its key and size.
    Objects,
    /// An array, which this JSON pointer finds in the file.
    Json(String),
    /// A value on each line.
    JsonLines,
    /// A record on each line.
    Csv {
        /// The names of the columns; `None` takes the first line for them.
        headers: Option<Vec<String>>,
        /// What stands between two columns.
        delimiter: char,
    },
}

/// `ItemBatcher`: several items go to one execution.
#[derive(Debug)]
pub struct ItemBatcher {
    /// `MaxItemsPerBatch` or its path.
    pub max_items: Option<Count>,
    /// `MaxInputBytesPerBatch` or its path: of the JSON of a batch.
    pub max_bytes: Option<Count>,
    /// `BatchInput`: what every batch has beside its items.
    pub input: Option<Template>,
}

/// `ResultWriter`: what becomes of the results.
#[derive(Debug)]
pub struct ResultWriter {
    /// Whether they are written to files; else they are the Map's result.
    pub is_export: bool,
    /// `Parameters`, or `Arguments` of JSONata: the bucket and the prefix.
    pub arguments: Option<Template>,
    /// `WriterConfig`.
    pub format: ResultFormat,
    /// The Task that writes.
    pub runs: BlockId,
}

impl ResultWriter {
    /// Whether the results have to be put together from the executions themselves.
    pub(crate) fn is_needed(&self) -> bool {
        self.is_export || self.format.transformation == Transformation::None
    }
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultFormat {
    /// What of an execution.
    pub transformation: Transformation,
    /// Whether there is a value on each line, and not one array.
    pub is_lines: bool,
}

/// What is kept of an execution that processed an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transformation {
    /// All that is known of it.
    None,
    /// Its output.
    Compact,
    /// Its output, or the elements of one that is an array.
    Flatten,
}

/// Those fields of a Map that only a distributed one has.
pub(super) const DISTRIBUTED_ONLY: [&str; 3] = ["ItemReader", "ItemBatcher", "ResultWriter"];

/// Reads `ItemReader` of a Map.
pub(super) fn parse_reader(map: Fields<'_>, parser: &mut Parser) -> Option<ItemReader> {
    let fields = Fields::open(map.get("ItemReader")?, &ITEM_READER, &mut parser.faults)?;
    let faults = &mut parser.faults;
    let action = action(fields, &["s3:getObject", "s3:listObjectsV2"], faults);
    let arguments = fields.arguments(faults);
    let config = fields.get("ReaderConfig");
    let config = config.and_then(|config| Fields::open(config, &READER_CONFIG, faults));
    let max_items = config.and_then(|config| {
        let names = ["MaxItems", "MaxItemsPath"];
        parse_count(config, names, 0..=ITEMS_MAX, faults)
    });
    let dataset = match action {
        Some("s3:listObjectsV2") => Some(Dataset::Objects),
        _ => parse_dataset(config, faults),
    };
    action?;
    Some(ItemReader {
        dataset: dataset?,
        arguments,
        max_items: max_items.unwrap_or(Count::Literal(0)),
        runs: parser.hidden_block(map.node(), "reader", Resource::Files),
    })
}

fn parse_dataset(config: Option<Fields<'_>>, faults: &mut Faults) -> Option<Dataset> {
    let Some(config) = config else {
        return Some(Dataset::Json(String::new()));
    };
    let kinds = ["JSON", "JSONL", "CSV", "MANIFEST", "PARQUET"];
    match word(config, "InputType", &kinds, faults)?.unwrap_or("JSON") {
        "JSONL" => Some(Dataset::JsonLines),
        "CSV" => parse_csv(config, faults),
        "JSON" => {
            let pointer = config.string("ItemsPointer", faults).unwrap_or_default();
            if !pointer.is_empty() && !pointer.starts_with('/') {
                let node = config.get("ItemsPointer").unwrap_or(config.node());
                let remedy = "write the names on the way to the array, each after a '/'";
                faults.schema(node.spot(), "Value is not a valid JSON Pointer", remedy);
            }
            Some(Dataset::Json(pointer.to_owned()))
        }
        other => {
            let node = config.get("InputType").unwrap_or(config.node());
            let problem = format!("This version does not run the InputType '{other}'");
            faults.schema(node.spot(), problem, "read JSON, JSONL or CSV");
            None
        }
    }
}

fn parse_csv(config: Fields<'_>, faults: &mut Faults) -> Option<Dataset> {
    let location = word(config, "CSVHeaderLocation", &["FIRST_ROW", "GIVEN"], faults);
    let names = ["COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB"];
    let delimiter = word(config, "CSVDelimiter", &names, faults);
    let headers = match location? {
        Some("GIVEN") => {
            config.require(&["CSVHeaders"], faults);
            let nodes = config.filled_array("CSVHeaders", faults);
            let names = nodes.into_iter().map(|node| string(node, faults));
            Some(names.collect::<Option<Vec<_>>>()?)
        }
        _ => None,
    };
    let delimiter = match delimiter? {
        Some("PIPE") => '|',
        Some("SEMICOLON") => ';',
        Some("SPACE") => ' ',
        Some("TAB") => '\t',
        _ => ',',
    };
    Some(Dataset::Csv {
        headers: headers.map(|names| names.into_iter().map(str::to_owned).collect()),
        delimiter,
    })
}

/// Reads `ItemBatcher` of a Map.
pub(super) fn parse_batcher(map: Fields<'_>, faults: &mut Faults) -> Option<ItemBatcher> {
    let fields = Fields::open(map.get("ItemBatcher")?, &ITEM_BATCHER, faults)?;
    let items = ["MaxItemsPerBatch", "MaxItemsPerBatchPath"];
    let bytes = ["MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath"];
    if !items
        .iter()
        .chain(&bytes)
        .any(|name| fields.get(name).is_some())
    {
        let names = "MaxItemsPerBatch, MaxItemsPerBatchPath, MaxInputBytesPerBatch, MaxInputBytesPerBatchPath";
        faults.schema(
            fields.node().spot(),
            format!("At least one of these fields is required: [{names}]"),
            "say how much goes into a batch",
        );
    }
    Some(ItemBatcher {
        max_items: parse_count(fields, items, 1..=ITEMS_MAX, faults),
        max_bytes: parse_count(fields, bytes, 1..=BATCH_BYTES_MAX, faults),
        input: fields.template("BatchInput", faults),
    })
}

/// Reads `ResultWriter` of a Map.
pub(super) fn parse_writer(map: Fields<'_>, parser: &mut Parser) -> Option<ResultWriter> {
    let fields = Fields::open(map.get("ResultWriter")?, &RESULT_WRITER, &mut parser.faults)?;
    let faults = &mut parser.faults;
    let is_export = fields.get("Resource").is_some();
    if is_export {
        action(fields, &["s3:putObject"], faults);
    } else if fields.get("WriterConfig").is_none() {
        fields.require(&["Resource"], faults);
    }
    let arguments = fields.arguments(faults);
    let config = fields.get("WriterConfig");
    let config = config.and_then(|config| Fields::open(config, &WRITER_CONFIG, faults));
    let mut format = ResultFormat {
        transformation: match is_export {
            true => Transformation::None,
            false => Transformation::Compact,
        },
        is_lines: false,
    };
    if let Some(config) = config {
        let kinds = ["NONE", "COMPACT", "FLATTEN"];
        let transformation = word(config, "Transformation", &kinds, faults);
        let output_type = word(config, "OutputType", &["JSON", "JSONL"], faults);
        format.is_lines = output_type? == Some("JSONL");
        format.transformation = match transformation? {
            Some("NONE") => Transformation::None,
            Some("COMPACT") => Transformation::Compact,
            Some("FLATTEN") => Transformation::Flatten,
            _ => format.transformation,
        };
    }
    Some(ResultWriter {
        is_export,
        arguments,
        format,
        runs: parser.hidden_block(map.node(), "writer", Resource::Files),
    })
}

/// The action that `Resource` names, which is one of these.
fn action(
    fields: Fields<'_>,
    actions: &[&'static str],
    faults: &mut Faults,
) -> Option<&'static str> {
    fields.require(&["Resource"], faults);
    let node = fields.get("Resource")?;
    let text = string(node, faults)?;
    let named = text
        .split_once(":states:::")
        .filter(|(partition, _)| partition.starts_with("arn:"));
    let found =
        named.and_then(|(_, named)| actions.iter().copied().find(|action| *action == named));
    if found.is_none() {
        let arns: Vec<String> = actions
            .iter()
            .map(|action| format!("arn:aws:states:::{action}"))
            .collect();
        let remedy = did_you_mean(text, arns.iter().map(String::as_str), || {
            format!("write {}", arns.join(" or "))
        });
        let problem = format!("Value is not a valid resource: '{}'", excerpt(text));
        faults.error(node.spot(), FaultCode::InvalidResource, problem, remedy);
    }
    found
}

/// One of some words; `Some(None)` where the field is not there, `None` where it holds another.
pub(super) fn word<'d>(
    fields: Fields<'d>,
    name: &str,
    words: &[&'static str],
    faults: &mut Faults,
) -> Option<Option<&'d str>> {
    let Some(node) = fields.get(name) else {
        return Some(None);
    };
    let found = string(node, faults)?;
    if words.contains(&found) {
        return Some(Some(found));
    }
    let problem = format!("There is no {name} '{}'", excerpt(found));
    let remedy = did_you_mean(found, words.iter().copied(), || {
        format!("write one of {}", words.join(", "))
    });
    faults.schema(node.spot(), problem, remedy);
    None
}

/// Reads a whole number as written, or its path.
pub(super) fn parse_count(
    fields: Fields<'_>,
    names: [&'static str; 2],
    range: std::ops::RangeInclusive<u32>,
    faults: &mut Faults,
) -> Option<Count> {
    match fields.written(&names, faults)? {
        Written::Literal(node) => integer(node, range, faults).map(Count::Literal),
        Written::Path(node) => path(node, faults).map(Count::Path),
        Written::Jsonata(expression) => Some(Count::Jsonata(expression)),
    }
}

/// The most items of a Map Run. Source: Step Functions, "MaxItems".
const ITEMS_MAX: u32 = 100_000_000;

/// The most bytes of a batch, as Step Functions has it.
const BATCH_BYTES_MAX: u32 = 262_144;

#[cfg(test)]
mod tests {
    use crate::definition::fault::tests::state_faults;

    /// The faults of a distributed Map with these fields.
    fn check(fields: &str, expected: &[&str]) {
        let map = format!(
            r#"{{"Type":"Map",{fields},"ItemProcessor":{{"ProcessorConfig":{{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"}},
                "StartAt":"P","States":{{"P":{{"Type":"Pass","End":true}}}}}},"End":true}}"#
        );
        assert_eq!(state_faults(&map), expected, "{fields}");
    }

    #[test]
    fn every_fault_of_a_reader_is_told_at_once() {
        check(
            r#""ItemReader":{"Resource":"arn:aws:states:::s3:getObjekt","ReaderConfig":{"InputType":"CSV","MaxItems":-1,
                "CSVHeaderLocation":"FIRST","CSVDelimiter":","}}"#,
            &[
                "/ItemReader/Resource Value is not a valid resource: 'arn:aws:states:::s3:getObjekt'",
                "/ItemReader/ReaderConfig/MaxItems Minimum value is 0",
                "/ItemReader/ReaderConfig/CSVHeaderLocation There is no CSVHeaderLocation 'FIRST'",
                "/ItemReader/ReaderConfig/CSVDelimiter There is no CSVDelimiter ','",
            ],
        );
    }

    #[test]
    fn what_is_read_has_to_be_said() {
        check(
            r#""ItemReader":{"ReaderConfig":{"InputType":"CSV","CSVHeaderLocation":"GIVEN"}}"#,
            &[
                "/ItemReader These fields are required: [Resource]",
                "/ItemReader/ReaderConfig These fields are required: [CSVHeaders]",
            ],
        );
        check(
            r#""ItemReader":{"Resource":"arn:aws:states:::s3:getObject","ReaderConfig":{"InputType":"JSON","ItemsPointer":"a/b"}}"#,
            &["/ItemReader/ReaderConfig/ItemsPointer Value is not a valid JSON Pointer"],
        );
        check(
            r#""ItemReader":{"Resource":"arn:aws:states:::s3:getObject","ReaderConfig":{"InputType":"PARQUET"}}"#,
            &[
                "/ItemReader/ReaderConfig/InputType This version does not run the InputType 'PARQUET'",
            ],
        );
    }

    #[test]
    fn a_batch_has_a_size() {
        check(
            r#""ItemBatcher":{"MaxItemsPerBatch":0}"#,
            &["/ItemBatcher/MaxItemsPerBatch Minimum value is 1"],
        );
        check(
            r#""ItemBatcher":{"BatchInput":{"a":1}}"#,
            &[
                "/ItemBatcher At least one of these fields is required: [MaxItemsPerBatch, MaxItemsPerBatchPath, MaxInputBytesPerBatch, MaxInputBytesPerBatchPath]",
            ],
        );
    }

    #[test]
    fn every_fault_of_a_writer_is_told_at_once() {
        check(
            r#""ResultWriter":{"Resource":"arn:aws:states:::s3:getObject","WriterConfig":{"Transformation":"ALL","OutputType":"CSV"}}"#,
            &[
                "/ResultWriter/Resource Value is not a valid resource: 'arn:aws:states:::s3:getObject'",
                "/ResultWriter/WriterConfig/Transformation There is no Transformation 'ALL'",
                "/ResultWriter/WriterConfig/OutputType There is no OutputType 'CSV'",
            ],
        );
        check(
            r#""ResultWriter":{}"#,
            &["/ResultWriter These fields are required: [Resource]"],
        );
    }
}
