//! The services of the loan, without a coordinator.

use anyhow::Result;
use sagamore_loan::{
    Books, DEFINITION, DISBURSEMENT_DEFINITION, applications, credit, funds, notifications, risk,
};
use sagamore_worker::{Memory, Worker};
use serde_json::Value;

use crate::bench::{amqp_url, database_url};

/// What a service is made of.
type Equip = fn(Worker, &Books) -> Worker;

#[tokio::test]
async fn every_queue_of_the_saga_is_consumed() -> Result<()> {
    let memory = Memory::postgres(&database_url()?, 5).await?;
    let services: [(&'static str, Equip); 5] = [
        (applications::NAME, applications::equip),
        (credit::NAME, credit::equip),
        (risk::NAME, risk::equip),
        (funds::NAME, funds::equip),
        (notifications::NAME, notifications::equip),
    ];
    let mut queues = Vec::new();
    for (name, equip) in services {
        let books = Books::open(name, &memory).await?;
        let worker = equip(Worker::new(name, &amqp_url()?, memory.clone()), &books);
        queues.extend(worker.queues().map(str::to_owned));
    }
    queues.sort();
    let mut asked = Vec::new();
    collect(&serde_json::from_str(DEFINITION)?, &mut asked);
    collect(&serde_json::from_str(DISBURSEMENT_DEFINITION)?, &mut asked);
    asked.sort();
    assert_eq!(queues, asked);
    Ok(())
}

fn collect(value: &Value, queues: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let resource = members.get("Resource").and_then(Value::as_str);
            queues.extend(
                resource
                    .and_then(|name| name.strip_prefix("queue:"))
                    .map(str::to_owned),
            );
            members.values().for_each(|member| collect(member, queues));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, queues)),
        _ => {}
    }
}
