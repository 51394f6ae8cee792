//! The field names of a Map and of what stands in one.

use crate::definition::fields::Shape;

/// A `Map` state.
pub(in crate::definition) const MAP: Shape = Shape {
    kind: "a Map state",
    fields: &[
        "Label",
        "Type",
        "Comment",
        "QueryLanguage",
        "ItemProcessor",
        "Iterator",
        "ItemSelector",
        "ItemReader",
        "ItemBatcher",
        "ResultWriter",
        "MaxConcurrency",
        "ToleratedFailureCount",
        "ToleratedFailurePercentage",
        "Retry",
        "Catch",
        "Compensate",
        "Next",
        "End",
        "Assign",
    ],
    json_path: &[
        "ItemsPath",
        "Parameters",
        "MaxConcurrencyPath",
        "ToleratedFailureCountPath",
        "ToleratedFailurePercentagePath",
        "InputPath",
        "ResultSelector",
        "ResultPath",
        "OutputPath",
    ],
    jsonata: &["Output", "Items"],
};

/// What a Map does with each item.
pub(in crate::definition) const PROCESSOR: Shape = Shape {
    kind: "an ItemProcessor",
    fields: &["Comment", "ProcessorConfig", "StartAt", "States"],
    json_path: &[],
    jsonata: &[],
};

/// How a Map runs its processor.
pub(in crate::definition) const PROCESSOR_CONFIG: Shape = Shape {
    kind: "a ProcessorConfig",
    fields: &["Mode", "ExecutionType"],
    json_path: &[],
    jsonata: &[],
};

/// Where a Map's items are.
pub(in crate::definition) const ITEM_READER: Shape = Shape {
    kind: "an ItemReader",
    fields: &["Resource", "ReaderConfig"],
    json_path: &["Parameters"],
    jsonata: &["Arguments"],
};

/// How a Map's items are read.
pub(in crate::definition) const READER_CONFIG: Shape = Shape {
    kind: "a ReaderConfig",
    fields: &[
        "InputType",
        "CSVHeaderLocation",
        "CSVHeaders",
        "CSVDelimiter",
        "ItemsPointer",
        "ManifestType",
        "Transformation",
        "MaxItems",
    ],
    json_path: &["MaxItemsPath"],
    jsonata: &[],
};

/// How a Map's items are put together.
pub(in crate::definition) const ITEM_BATCHER: Shape = Shape {
    kind: "an ItemBatcher",
    fields: &["BatchInput", "MaxItemsPerBatch", "MaxInputBytesPerBatch"],
    json_path: &["MaxItemsPerBatchPath", "MaxInputBytesPerBatchPath"],
    jsonata: &[],
};

/// Where a Map's results go.
pub(in crate::definition) const RESULT_WRITER: Shape = Shape {
    kind: "a ResultWriter",
    fields: &["Resource", "WriterConfig"],
    json_path: &["Parameters"],
    jsonata: &["Arguments"],
};

/// How a Map's results are written.
pub(in crate::definition) const WRITER_CONFIG: Shape = Shape {
    kind: "a WriterConfig",
    fields: &["OutputType", "Transformation"],
    json_path: &[],
    jsonata: &[],
};
