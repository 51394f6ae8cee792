//! The post beside a store: letters that do not fit into memory wait there.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::future::try_join_all;
use sagamore::advance::{Advance, Ends, Express, Identity, LETTERS_MAX, Outbox};
use sagamore::alarm::Alarm;
use sagamore::commands::Commands;
use sagamore::files::Files;
use sagamore::lease::LEASE;
use sagamore::post::Post;
use sagamore::store::{
    CoordinatorId, ExecutionFilter, ExecutionsOf, NewMachine, SqliteStore, Store as _,
};
use sagamore_interpreter::Status;
use sagamore_messages::{Names, TokenKey};
use sagamore_tests::live::until;
use sagamore_tests::with_file;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

/// More than are kept in memory.
const PARENTS: u32 = LETTERS_MAX as u32 + 100;

#[tokio::test]
async fn letters_that_do_not_fit_into_memory_arrive() -> Result<()> {
    let run = with_file(|path| async move {
        let store = SqliteStore::open(&path).await?;
        let coordinator = CoordinatorId(Uuid::now_v7());
        store.renew(coordinator, LEASE, 0).await?;
        let (
            outbox,
            Ends {
                mut publications,
                letters,
            },
        ) = Outbox::new();
        let identity = Arc::new(Identity {
            coordinator,
            replies: Names::new("letters").replies(),
            token_key: TokenKey::new(b"secret"),
            public_url: String::new(),
            alarm: Alarm::default(),
        });
        let (tasks, lane) = (TaskTracker::new(), NonZeroUsize::MIN);
        let express = Express::new(Arc::clone(&identity), outbox.clone());
        let advance = Advance::start(&store, &identity, &outbox, express, lane, &tasks);
        let commands = Commands::new(store.clone(), advance, "us-east-1", "000000000000");
        // A broker that takes everything.
        let done = outbox.clone();
        tokio::spawn(async move {
            while let Some(publication) = publications.recv().await {
                done.done(publication.number);
            }
        });

        create(&store, "child", json!({ "Type": "Succeed" })).await?;
        let child = "arn:aws:states:us-east-1:000000000000:stateMachine:child";
        let start = json!({
            "Type": "Task", "End": true,
            "Resource": "arn:aws:states:::states:startExecution",
            "Parameters": { "StateMachineArn": child },
        });
        let parent = create(&store, "parent", start).await?;
        let request = json!({ "stateMachineArn": parent });
        let starts = (0..PARENTS).map(|_| commands.start_execution(&request));
        try_join_all(starts).await?;
        assert_eq!(count(&store, &parent, Status::Running).await?, PARENTS);

        let stop = CancellationToken::new();
        let post = Post {
            files: Files::new(None),
            commands,
            coordinator,
            outbox: outbox.clone(),
            letters,
        };
        let posting = tokio::spawn(post.run(stop.clone()));
        until("all letters to arrive", ARRIVE_MAX, async || {
            Ok(outbox.is_empty().then_some(()))
        })
        .await?;
        assert_eq!(count(&store, &parent, Status::Succeeded).await?, PARENTS);
        assert_eq!(count(&store, child, Status::Succeeded).await?, PARENTS);
        stop.cancel();
        posting.await.context("the post ends")?;
        Ok(())
    });
    run.await
}

/// Makes a machine of one state; its ARN.
async fn create(store: &SqliteStore, name: &str, state: Value) -> Result<String> {
    let machine = NewMachine {
        name: name.to_owned(),
        arn: format!("arn:aws:states:us-east-1:000000000000:stateMachine:{name}"),
        kind: "STANDARD".to_owned(),
        definition: json!({ "StartAt": "A", "States": { "A": state } }).to_string(),
        role_arn: "arn:aws:iam::000000000000:role/any".to_owned(),
    };
    Ok(store.create_machine(machine).await?.0.arn)
}

async fn count(store: &SqliteStore, machine_arn: &str, status: Status) -> Result<u32> {
    let filter = ExecutionFilter {
        of: ExecutionsOf::Machine(machine_arn.to_owned()),
        status: Some(status),
        after: None,
        limit: PARENTS + 1,
    };
    Ok(u32::try_from(store.executions(&filter).await?.len())?)
}

const ARRIVE_MAX: Duration = Duration::from_secs(60);
