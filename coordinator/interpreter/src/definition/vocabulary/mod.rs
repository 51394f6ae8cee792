//! The field names of the language, and where each stands.

mod map;

pub(super) use map::{
    ITEM_BATCHER, ITEM_READER, MAP, PROCESSOR, PROCESSOR_CONFIG, READER_CONFIG, RESULT_WRITER,
    WRITER_CONFIG,
};

use super::fields::Shape;

/// The top level.
pub(super) const MACHINE: Shape = Shape {
    kind: "a state machine",
    fields: &[
        "Comment",
        "CompensationPolicy",
        "QueryLanguage",
        "StartAt",
        "States",
        "TimeoutSeconds",
        "Version",
    ],
    json_path: &[],
    jsonata: &[],
};

/// `CompensationPolicy` of the top level.
pub(super) const COMPENSATION_POLICY: Shape = Shape {
    kind: "a CompensationPolicy",
    fields: &["Comment", "OnStop", "Retry", "TimeoutSeconds"],
    json_path: &[],
    jsonata: &[],
};

/// One branch of a Parallel.
pub(super) const BRANCH: Shape = Shape {
    kind: "a branch",
    fields: &["Comment", "StartAt", "States"],
    json_path: &[],
    jsonata: &[],
};

/// A `Task` state.
pub(super) const TASK: Shape = Shape {
    kind: "a Task state",
    fields: &[
        "Type",
        "Comment",
        "QueryLanguage",
        "Resource",
        "TimeoutSeconds",
        "HeartbeatSeconds",
        "Retry",
        "Catch",
        "Compensate",
        "Credentials",
        "Pivot",
        "Next",
        "End",
        "Assign",
    ],
    json_path: &[
        "InputPath",
        "Parameters",
        "ResultSelector",
        "ResultPath",
        "OutputPath",
        "TimeoutSecondsPath",
        "HeartbeatSecondsPath",
    ],
    jsonata: &["Output", "Arguments"],
};

/// A `Pass` state.
pub(super) const PASS: Shape = Shape {
    kind: "a Pass state",
    fields: &["Type", "Comment", "QueryLanguage", "Next", "End", "Assign"],
    json_path: &[
        "InputPath",
        "Parameters",
        "Result",
        "ResultPath",
        "OutputPath",
    ],
    jsonata: &["Output"],
};

/// A `Choice` state.
pub(super) const CHOICE: Shape = Shape {
    kind: "a Choice state",
    fields: &[
        "Type",
        "Comment",
        "QueryLanguage",
        "Choices",
        "Default",
        "Assign",
    ],
    json_path: &["InputPath", "OutputPath"],
    jsonata: &["Output"],
};

/// A `Wait` state.
pub(super) const WAIT: Shape = Shape {
    kind: "a Wait state",
    fields: &[
        "Type",
        "Comment",
        "QueryLanguage",
        "Seconds",
        "Timestamp",
        "Next",
        "End",
        "Assign",
    ],
    json_path: &["InputPath", "OutputPath", "SecondsPath", "TimestampPath"],
    jsonata: &["Output"],
};

/// A `Parallel` state.
pub(super) const PARALLEL: Shape = Shape {
    kind: "a Parallel state",
    fields: &[
        "Type",
        "Comment",
        "QueryLanguage",
        "Branches",
        "Retry",
        "Catch",
        "Compensate",
        "Next",
        "End",
        "Assign",
    ],
    json_path: &[
        "InputPath",
        "Parameters",
        "ResultSelector",
        "ResultPath",
        "OutputPath",
    ],
    jsonata: &["Output", "Arguments"],
};

/// A `Succeed` state.
pub(super) const SUCCEED: Shape = Shape {
    kind: "a Succeed state",
    fields: &["Type", "Comment", "QueryLanguage"],
    json_path: &["InputPath", "OutputPath"],
    jsonata: &["Output"],
};

/// A `Fail` state.
pub(super) const FAIL: Shape = Shape {
    kind: "a Fail state",
    fields: &["Type", "Comment", "QueryLanguage", "Error", "Cause"],
    json_path: &["ErrorPath", "CausePath"],
    jsonata: &[],
};

/// A `Compensate` state.
pub(super) const COMPENSATE_STATE: Shape = Shape {
    kind: "a Compensate state",
    fields: &[
        "Type",
        "Comment",
        "QueryLanguage",
        "Through",
        "Next",
        "End",
        "Assign",
    ],
    json_path: &["InputPath", "OutputPath"],
    jsonata: &["Output"],
};

/// `Compensate` of a Task.
pub(super) const COMPENSATION: Shape = Shape {
    kind: "a Compensate",
    fields: &[
        "Comment",
        "Resource",
        "TimeoutSeconds",
        "HeartbeatSeconds",
        "Retry",
    ],
    json_path: &["Parameters"],
    jsonata: &["Arguments"],
};

/// One entry of `Retry`.
pub(super) const RETRIER: Shape = Shape {
    kind: "a Retrier",
    fields: &[
        "Comment",
        "ErrorEquals",
        "IntervalSeconds",
        "MaxAttempts",
        "BackoffRate",
        "MaxDelaySeconds",
        "JitterStrategy",
    ],
    json_path: &[],
    jsonata: &[],
};

/// One entry of `Catch`.
pub(super) const CATCHER: Shape = Shape {
    kind: "a Catcher",
    fields: &["Comment", "ErrorEquals", "Compensate", "Next", "Assign"],
    json_path: &["ResultPath"],
    jsonata: &["Output"],
};

/// One rule of `Choices`.
pub(super) const RULE: Shape = Shape {
    kind: "a rule of Choices",
    fields: &["Comment", "Next", "Assign"],
    json_path: &[
        "Variable",
        "StringEquals",
        "StringEqualsPath",
        "StringLessThan",
        "StringLessThanPath",
        "StringGreaterThan",
        "StringGreaterThanPath",
        "StringLessThanEquals",
        "StringLessThanEqualsPath",
        "StringGreaterThanEquals",
        "StringGreaterThanEqualsPath",
        "NumericEquals",
        "NumericEqualsPath",
        "NumericLessThan",
        "NumericLessThanPath",
        "NumericGreaterThan",
        "NumericGreaterThanPath",
        "NumericLessThanEquals",
        "NumericLessThanEqualsPath",
        "NumericGreaterThanEquals",
        "NumericGreaterThanEqualsPath",
        "TimestampEquals",
        "TimestampEqualsPath",
        "TimestampLessThan",
        "TimestampLessThanPath",
        "TimestampGreaterThan",
        "TimestampGreaterThanPath",
        "TimestampLessThanEquals",
        "TimestampLessThanEqualsPath",
        "TimestampGreaterThanEquals",
        "TimestampGreaterThanEqualsPath",
        "StringMatches",
        "BooleanEquals",
        "BooleanEqualsPath",
        "IsNull",
        "IsPresent",
        "IsNumeric",
        "IsString",
        "IsBoolean",
        "IsTimestamp",
        "And",
        "Or",
        "Not",
    ],
    jsonata: &["Condition", "Output"],
};

/// One rule inside another: it can't lead anywhere.
pub(super) const NESTED_RULE: Shape = Shape {
    kind: "a rule inside And, Or or Not",
    fields: &["Comment"],
    json_path: &[
        "Variable",
        "StringEquals",
        "StringEqualsPath",
        "StringLessThan",
        "StringLessThanPath",
        "StringGreaterThan",
        "StringGreaterThanPath",
        "StringLessThanEquals",
        "StringLessThanEqualsPath",
        "StringGreaterThanEquals",
        "StringGreaterThanEqualsPath",
        "NumericEquals",
        "NumericEqualsPath",
        "NumericLessThan",
        "NumericLessThanPath",
        "NumericGreaterThan",
        "NumericGreaterThanPath",
        "NumericLessThanEquals",
        "NumericLessThanEqualsPath",
        "NumericGreaterThanEquals",
        "NumericGreaterThanEqualsPath",
        "TimestampEquals",
        "TimestampEqualsPath",
        "TimestampLessThan",
        "TimestampLessThanPath",
        "TimestampGreaterThan",
        "TimestampGreaterThanPath",
        "TimestampLessThanEquals",
        "TimestampLessThanEqualsPath",
        "TimestampGreaterThanEquals",
        "TimestampGreaterThanEqualsPath",
        "StringMatches",
        "BooleanEquals",
        "BooleanEqualsPath",
        "IsNull",
        "IsPresent",
        "IsNumeric",
        "IsString",
        "IsBoolean",
        "IsTimestamp",
        "And",
        "Or",
        "Not",
    ],
    jsonata: &[],
};

/// The operators, as fields of a rule.
pub(super) const OPERATORS: &[&str] = &[
    "StringEquals",
    "StringEqualsPath",
    "StringLessThan",
    "StringLessThanPath",
    "StringGreaterThan",
    "StringGreaterThanPath",
    "StringLessThanEquals",
    "StringLessThanEqualsPath",
    "StringGreaterThanEquals",
    "StringGreaterThanEqualsPath",
    "NumericEquals",
    "NumericEqualsPath",
    "NumericLessThan",
    "NumericLessThanPath",
    "NumericGreaterThan",
    "NumericGreaterThanPath",
    "NumericLessThanEquals",
    "NumericLessThanEqualsPath",
    "NumericGreaterThanEquals",
    "NumericGreaterThanEqualsPath",
    "TimestampEquals",
    "TimestampEqualsPath",
    "TimestampLessThan",
    "TimestampLessThanPath",
    "TimestampGreaterThan",
    "TimestampGreaterThanPath",
    "TimestampLessThanEquals",
    "TimestampLessThanEqualsPath",
    "TimestampGreaterThanEquals",
    "TimestampGreaterThanEqualsPath",
    "StringMatches",
    "BooleanEquals",
    "BooleanEqualsPath",
    "IsNull",
    "IsPresent",
    "IsNumeric",
    "IsString",
    "IsBoolean",
    "IsTimestamp",
    "And",
    "Or",
    "Not",
];

/// Where else a field belongs.
pub(super) fn elsewhere(name: &str) -> Option<&'static str> {
    Some(match name {
        "Retry" | "Catch" | "ResultSelector" => "a Task, a Parallel or a Map",
        "Resource" | "TimeoutSecondsPath" | "HeartbeatSeconds" | "HeartbeatSecondsPath" => "a Task",
        "TimeoutSeconds" => "a Task or the top level of the definition",
        "Parameters" | "ResultPath" => "a Task, a Pass, a Parallel or a Map",
        "Result" => "a Pass",
        "InputPath" | "OutputPath" => "every state but Fail",
        "Choices" | "Default" => "a Choice",
        "Seconds" | "SecondsPath" | "Timestamp" | "TimestampPath" => "a Wait",
        "Branches" => "a Parallel",
        "Error" | "ErrorPath" | "Cause" | "CausePath" => "a Fail",
        "Next" => "every state but Choice, Succeed and Fail, in a rule of Choices and in a Catcher",
        "End" => "every state but Choice, Succeed and Fail",
        "Compensate" => "a Task or a Catcher, and never inside another 'Compensate'",
        "Version" | "StartAt" | "States" => "the top level of the definition",
        "ErrorEquals" => "an entry of Retry or Catch",
        "IntervalSeconds" | "MaxAttempts" | "BackoffRate" | "MaxDelaySeconds"
        | "JitterStrategy" => "an entry of Retry",
        "Arguments" | "Output" | "Condition" | "Items" => "a state whose QueryLanguage is JSONata",
        "Assign" => "every state but Fail, in a rule of Choices and in a Catcher",
        "ItemProcessor"
        | "Iterator"
        | "ItemsPath"
        | "ItemSelector"
        | "ItemReader"
        | "ItemBatcher"
        | "ResultWriter"
        | "MaxConcurrency"
        | "MaxConcurrencyPath"
        | "ToleratedFailureCount"
        | "ToleratedFailureCountPath"
        | "ToleratedFailurePercentage"
        | "ToleratedFailurePercentagePath" => "a Map",
        "ReaderConfig" => "the ItemReader of a Map",
        "WriterConfig" => "the ResultWriter of a Map",
        "ProcessorConfig" => "the ItemProcessor of a Map",
        _ => return None,
    })
}
