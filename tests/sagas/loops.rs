//! A saga that goes round and round: what is kept of a round that is undone does not add up.

use anyhow::{Context as _, Result, ensure};
use sagamore_interpreter::{Input, Payload, Reply, ScopeId};
use sagamore_tests::saga::Saga;
use serde_json::json;

#[test]
fn a_loop_that_undoes_its_rounds_keeps_its_size() -> Result<()> {
    let undone = json!({
        "StartAt": "Do",
        "States": {
            "Do": {
                "Type": "Task",
                "Resource": "queue:do",
                "Compensate": { "Resource": "queue:undo" },
                "Catch": [{ "ErrorEquals": ["Enough"], "Next": "Over" }],
                "Next": "Undo",
            },
            "Undo": { "Type": "Compensate", "Through": "Do", "Next": "Do" },
            "Over": { "Type": "Succeed" },
        },
    });
    let (mut saga, _) = Saga::start(&undone.to_string(), json!({}))?;
    let mut sizes = Vec::new();
    for _ in 0..20 {
        succeed(&mut saga)?;
        succeed(&mut saga)?;
        let top = saga.execution.scopes.get(&ScopeId::TOP);
        let top = top.context("the top level")?;
        sizes.push(serde_json::to_string(top)?.len());
    }
    // Sequences have more digits in later rounds.
    let (first, last) = (sizes[1], sizes[19]);
    ensure!(last < first + 20, "{sizes:?}");
    Ok(())
}

/// The newest message is answered.
fn succeed(saga: &mut Saga) -> Result<()> {
    let (task, _) = saga.dispatched.last().context("a message")?;
    let reply = Input::Reply {
        task: *task,
        reply: Reply::Success(Payload::new(json!({}))),
        bytes: None,
    };
    let taken = saga.take(&reply)?;
    ensure!(taken.is_ok(), "{taken:?}");
    Ok(())
}
