//! Bad input over HTTP: it is refused with what is wrong, and where.

use anyhow::Result;
use sagamore_tests::live::{Coordinator, in_world};
use serde_json::{Value, json};

#[tokio::test]
async fn a_definition_with_ten_faults_is_refused_with_ten() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let definition = json!({
            "StartAt": "Nowhere",
            "States": {
                "A": { "Type": "Task", "Next": "B" },
                "B": { "Type": "Wait", "Seconds": -1, "Next": "Missing" },
                "C": { "Type": "Choice", "Choices": [] },
                "D": { "Type": "Sleep", "End": true },
                "E": { "Type": "Pass" },
                "F": { "Type": "Parallel", "Branches": [{ "StartAt": "G", "States": {} }], "End": true },
                "H": { "Type": "Task", "Resource": "queue:h", "TimeoutSeconds": 0, "End": true },
                "I": { "Type": "Task", "Resource": "queue:i", "Retry": [{ "ErrorEquals": [] }], "End": true }
            }
        });
        let input = json!({
            "name": "faulty",
            "definition": definition.to_string(),
            "roleArn": "arn:aws:iam::123456789012:role/sagamore"
        });
        let answer = coordinator.client.try_call("CreateStateMachine", &input).await?;
        assert_eq!(answer.status, 400, "{}", answer.body);
        let answer = answer.json()?;
        assert_eq!(answer["__type"], "InvalidDefinition");
        let faults: Vec<&Value> = answer["faults"].as_array().into_iter().flatten().collect();
        assert_eq!(faults.len(), 10, "{answer:#}");
        let listed = coordinator.client.call("ListStateMachines", &json!({})).await?;
        assert_eq!(listed["stateMachines"], json!([]));
        coordinator.stop().await
    })
    .await
}

#[tokio::test]
async fn an_unknown_operation_is_refused_by_name() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let client = &coordinator.client;
        let answer = client.try_call("FlyToTheMoon", &json!({})).await?;
        assert_eq!(answer.status, 400, "{}", answer.body);
        let answer = answer.json()?;
        assert_eq!(answer["__type"], "UnknownOperationException");
        assert!(
            answer["message"]
                .as_str()
                .is_some_and(|text| text.contains("FlyToTheMoon")),
            "{answer}"
        );

        let elsewhere = ["X-Amz-Target: DynamoDB_20120810.ListTables"];
        let answer = client.request("POST", "/", &elsewhere, "{}").await?;
        assert_eq!(
            (answer.status, &answer.json()?["__type"]),
            (400, &json!("UnknownOperationException"))
        );
        let answer = client.request("POST", "/", &[], "{}").await?;
        assert_eq!(
            (answer.status, &answer.json()?["__type"]),
            (400, &json!("UnknownOperationException"))
        );
        coordinator.stop().await
    })
    .await
}
