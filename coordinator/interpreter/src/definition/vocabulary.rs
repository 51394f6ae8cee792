//! The field names of the language: where each stands, and what a later version will run.

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
    later: &[],
};

/// `CompensationPolicy` of the top level.
pub(super) const COMPENSATION_POLICY: Shape = Shape {
    kind: "a CompensationPolicy",
    fields: &["Comment", "OnStop", "Retry", "TimeoutSeconds"],
    later: &[],
};

/// One branch of a Parallel.
pub(super) const BRANCH: Shape = Shape {
    kind: "a branch",
    fields: &["Comment", "StartAt", "States"],
    later: &[],
};

/// A `Task` state.
pub(super) const TASK: Shape = Shape {
    kind: "a Task state",
    fields: &[
        "Type",
        "Comment",
        "QueryLanguage",
        "Resource",
        "InputPath",
        "Parameters",
        "ResultSelector",
        "ResultPath",
        "OutputPath",
        "TimeoutSeconds",
        "TimeoutSecondsPath",
        "HeartbeatSeconds",
        "HeartbeatSecondsPath",
        "Retry",
        "Catch",
        "Compensate",
        "Pivot",
        "Next",
        "End",
    ],
    later: &["Arguments", "Assign", "Credentials", "Output"],
};

/// A `Pass` state.
pub(super) const PASS: Shape = Shape {
    kind: "a Pass state",
    fields: &[
        "Type",
        "Comment",
        "QueryLanguage",
        "InputPath",
        "Parameters",
        "Result",
        "ResultPath",
        "OutputPath",
        "Next",
        "End",
    ],
    later: &["Assign", "Output"],
};

/// A `Choice` state.
pub(super) const CHOICE: Shape = Shape {
    kind: "a Choice state",
    fields: &[
        "Type",
        "Comment",
        "QueryLanguage",
        "InputPath",
        "OutputPath",
        "Choices",
        "Default",
    ],
    later: &["Assign", "Output"],
};

/// A `Wait` state.
pub(super) const WAIT: Shape = Shape {
    kind: "a Wait state",
    fields: &[
        "Type",
        "Comment",
        "QueryLanguage",
        "InputPath",
        "OutputPath",
        "Seconds",
        "SecondsPath",
        "Timestamp",
        "TimestampPath",
        "Next",
        "End",
    ],
    later: &["Assign", "Output"],
};

/// A `Parallel` state.
pub(super) const PARALLEL: Shape = Shape {
    kind: "a Parallel state",
    fields: &[
        "Type",
        "Comment",
        "QueryLanguage",
        "Branches",
        "InputPath",
        "Parameters",
        "ResultSelector",
        "ResultPath",
        "OutputPath",
        "Retry",
        "Catch",
        "Compensate",
        "Next",
        "End",
    ],
    later: &["Arguments", "Assign", "Output"],
};

/// A `Map` state.
pub(super) const MAP: Shape = Shape {
    kind: "a Map state",
    fields: &[
        "Type",
        "Comment",
        "QueryLanguage",
        "ItemProcessor",
        "Iterator",
        "ItemsPath",
        "ItemSelector",
        "Parameters",
        "MaxConcurrency",
        "MaxConcurrencyPath",
        "ToleratedFailureCount",
        "ToleratedFailureCountPath",
        "ToleratedFailurePercentage",
        "ToleratedFailurePercentagePath",
        "InputPath",
        "ResultSelector",
        "ResultPath",
        "OutputPath",
        "Retry",
        "Catch",
        "Compensate",
        "Next",
        "End",
    ],
    later: &[
        "Assign",
        "ItemBatcher",
        "ItemReader",
        "Items",
        "Label",
        "Output",
        "ResultWriter",
    ],
};

/// What a Map does with each item.
pub(super) const PROCESSOR: Shape = Shape {
    kind: "an ItemProcessor",
    fields: &["Comment", "ProcessorConfig", "StartAt", "States"],
    later: &[],
};

/// How a Map runs its processor.
pub(super) const PROCESSOR_CONFIG: Shape = Shape {
    kind: "a ProcessorConfig",
    fields: &["Mode", "ExecutionType"],
    later: &[],
};

/// A `Succeed` state.
pub(super) const SUCCEED: Shape = Shape {
    kind: "a Succeed state",
    fields: &[
        "Type",
        "Comment",
        "QueryLanguage",
        "InputPath",
        "OutputPath",
    ],
    later: &["Output"],
};

/// A `Fail` state.
pub(super) const FAIL: Shape = Shape {
    kind: "a Fail state",
    fields: &[
        "Type",
        "Comment",
        "QueryLanguage",
        "Error",
        "ErrorPath",
        "Cause",
        "CausePath",
    ],
    later: &[],
};

/// A `Compensate` state.
pub(super) const COMPENSATE_STATE: Shape = Shape {
    kind: "a Compensate state",
    fields: &[
        "Type",
        "Comment",
        "QueryLanguage",
        "InputPath",
        "OutputPath",
        "Through",
        "Next",
        "End",
    ],
    later: &["Assign", "Output"],
};

/// `Compensate` of a Task.
pub(super) const COMPENSATION: Shape = Shape {
    kind: "a Compensate",
    fields: &[
        "Comment",
        "Resource",
        "Parameters",
        "TimeoutSeconds",
        "HeartbeatSeconds",
        "Retry",
    ],
    later: &["Arguments"],
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
    later: &[],
};

/// One entry of `Catch`.
pub(super) const CATCHER: Shape = Shape {
    kind: "a Catcher",
    fields: &["Comment", "ErrorEquals", "ResultPath", "Compensate", "Next"],
    later: &["Assign", "Output"],
};

/// One rule of `Choices`.
pub(super) const RULE: Shape = Shape {
    kind: "a rule of Choices",
    fields: &[
        "Comment",
        "Next",
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
    later: &["Assign", "Condition", "Output"],
};

/// One rule inside another: it can't lead anywhere.
pub(super) const NESTED_RULE: Shape = Shape {
    kind: "a rule inside And, Or or Not",
    fields: &[
        "Comment",
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
    later: &["Condition"],
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

/// What to do without a field that a later version runs.
pub(super) fn later(name: &str) -> &'static str {
    match name {
        "Arguments" => "write 'Parameters', with JSONPath in fields that end in '.$'",
        "Output" => "write 'ResultSelector', 'ResultPath' and 'OutputPath'",
        "Condition" => "write 'Variable' with a comparison such as 'StringEquals'",
        "Assign" => "keep the value in the state's output, with 'ResultPath'",
        "Items" => "write 'ItemsPath'",
        "ItemReader" | "ItemBatcher" | "ResultWriter" | "Label" => {
            "leave it out: this version runs Map states inline"
        }
        "Credentials" => "leave it out: who may publish is set where the coordinator connects",
        "Compensate" => "put 'Compensate' on the Tasks inside",
        "Through" => "leave it out: the whole scope is undone",
        "Pivot" | "CompensationPolicy" => "leave it out",
        _ => "leave it out",
    }
}

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
        "Arguments" | "Assign" | "Output" | "Condition" => {
            "the JSONata form, which this version does not run"
        }
        "ItemProcessor"
        | "Iterator"
        | "ItemsPath"
        | "Items"
        | "ItemSelector"
        | "MaxConcurrency"
        | "MaxConcurrencyPath"
        | "ToleratedFailureCount"
        | "ToleratedFailureCountPath"
        | "ToleratedFailurePercentage"
        | "ToleratedFailurePercentagePath" => "a Map",
        "ProcessorConfig" => "the ItemProcessor of a Map",
        _ => return None,
    })
}
