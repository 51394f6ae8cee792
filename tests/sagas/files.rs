//! Sagas whose Maps are distributed: executions for their items, and files that they read and write.

use std::sync::Arc;

use anyhow::Result;
use sagamore_interpreter::{ClaimedEffect, Dispatch, FileCall, Input, Reply, Sequence};
use sagamore_tests::saga::Choices;
use serde_json::{Value, json};

use crate::run::Run;

impl Run {
    /// A coordinator has read or written a file, or has not.
    pub(super) fn find_file(
        &mut self,
        choices: &mut Choices<'_>,
        reply: Input,
        message: (Sequence, Dispatch),
    ) -> Result<()> {
        match choices.one_of(8) {
            0..=3 => self.take(reply),
            // It is late, and another coordinator takes over.
            4 => {
                self.replies.push(reply);
                self.messages.push(message);
                Ok(())
            }
            5 | 6 => {
                self.replies.push(reply);
                Ok(())
            }
            // Nobody does.
            _ => Ok(()),
        }
    }
}

/// Makes each Map distributed, and lets some read their items, take them in batches or write what came of them.
pub fn distribute(choices: &mut Choices<'_>, block: &mut Value) {
    let states = block["States"].as_object_mut();
    for (name, state) in states.into_iter().flatten() {
        let branches = state.get_mut("Branches").and_then(Value::as_array_mut);
        for branch in branches.into_iter().flatten() {
            distribute(choices, branch);
        }
        if state["Type"] != "Map" {
            continue;
        }
        // What an execution does in it is that one's own saga.
        state["ItemProcessor"] = json!({
            "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
            "StartAt": format!("Each{name}"),
            "States": { (format!("Each{name}")): { "Type": "Succeed" } },
        });
        let file = json!({ "Bucket": "b", "Key": "k" });
        if choices.once_in(2) {
            let resource = "arn:aws:states:::s3:getObject";
            state["ItemReader"] = json!({ "Resource": resource, "Parameters": file });
            state.as_object_mut().map(|state| state.remove("ItemsPath"));
        }
        if choices.once_in(3) {
            state["ItemBatcher"] = json!({ "MaxItemsPerBatch": 1 + choices.one_of(3) });
        }
        if choices.once_in(3) {
            let resource = "arn:aws:states:::s3:putObject";
            state["ResultWriter"] = json!({ "Resource": resource, "Parameters": file });
        }
    }
}

/// What comes of reading or writing a file.
pub fn file(choices: &mut Choices<'_>, task: Sequence, call: &FileCall) -> Input {
    let (error, answer) = match call {
        FileCall::Read(_) => {
            let items = (0..4 - choices.one_of(5) as i64).collect::<Vec<_>>();
            ("States.ItemReaderFailed", json!(items))
        }
        FileCall::Write(_) => ("States.ResultWriterFailed", json!({ "MapRunArn": "m" })),
    };
    let reply = match choices.once_in(4) {
        true => Reply::Failure {
            error: error.to_owned(),
            cause: None,
            effect: ClaimedEffect::None,
        },
        false => Reply::Success(Arc::new(answer)),
    };
    Input::Reply {
        task,
        reply,
        bytes: None,
    }
}
