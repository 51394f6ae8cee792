//! A person decides, over HTTP: only who holds the link, only once, and never by a GET.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sagamore_messages::TokenKey;
use sagamore_tests::live::{Answer, Client, Coordinator, in_world, until};
use serde_json::{Value, json};
use uuid::Uuid;

#[tokio::test]
async fn a_get_never_decides() -> Result<()> {
    with_review(json!({}), async |client, execution, link| {
        for method in ["GET", "GET", "HEAD"] {
            let page = client
                .request(method, link, &["Accept: text/html"], "")
                .await?;
            assert_eq!(page.status, 200);
        }
        let page = client
            .request(
                "GET",
                &format!("{link}?decision=approve"),
                &["Accept: text/html"],
                "",
            )
            .await?;
        assert_eq!(page.status, 200);
        ensure!(page.body.contains("<form"), "{}", page.body);
        ensure!(
            page.body.contains("4711"),
            "the facts are shown: {}",
            page.body
        );
        assert_eq!(client.describe(execution).await?["status"], "RUNNING");
        assert_eq!(
            client.get("/sagamore/v1/reviews").await?.json()?["reviews"]
                .as_array()
                .map(Vec::len),
            Some(1)
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_form_decides() -> Result<()> {
    with_review(json!({}), async |client, execution, link| {
        let nothing = form(client, link, "comment=hm").await?;
        assert_eq!(nothing.status, 400, "{}", nothing.body);
        let decided = form(
            client,
            link,
            "decision=approve&comment=we+know+them&reviewer=Rita",
        )
        .await?;
        assert_eq!(decided.status, 200, "{}", decided.body);
        let result = json!({ "approved": true, "comment": "we know them", "reviewer": "Rita" });
        assert_eq!(result_of(client, execution).await?, result);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_program_decides_and_a_decline_is_a_success() -> Result<()> {
    with_review(json!({}), async |client, execution, link| {
        let nothing = client.post(link, &json!({ "approved": "yes" })).await?;
        assert_eq!(nothing.status, 400, "{}", nothing.body);
        let decided = client
            .post(link, &json!({ "approved": false, "comment": "too much" }))
            .await?;
        assert_eq!(decided.status, 200, "{}", decided.body);
        let result = json!({ "approved": false, "comment": "too much", "reviewer": null });
        assert_eq!(result_of(client, execution).await?, result);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_used_link_tells_what_was_decided() -> Result<()> {
    with_review(json!({}), async |client, execution, link| {
        let first = client
            .post(link, &json!({ "approved": true, "reviewer": "Rita" }))
            .await?;
        assert_eq!(first.status, 200, "{}", first.body);
        let second = client
            .post(link, &json!({ "approved": false, "reviewer": "Sam" }))
            .await?;
        assert_eq!(second.status, 410, "{}", second.body);
        assert_eq!(second.json()?["decision"]["reviewer"], "Rita");
        let page = client
            .request("GET", link, &["Accept: text/html"], "")
            .await?;
        assert_eq!(page.status, 410);
        ensure!(
            page.body.contains("Rita") && !page.body.contains("<form"),
            "{}",
            page.body
        );
        assert_eq!(result_of(client, execution).await?["approved"], true);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_expired_link_decides_nothing() -> Result<()> {
    with_review(
        json!({ "TimeoutSeconds": 1 }),
        async |client, execution, link| {
            let ended = client.ended(execution, END_MAX).await?;
            assert_eq!(
                (&ended["status"], &ended["error"]),
                (&json!("FAILED"), &json!("States.Timeout"))
            );
            let late = client.post(link, &json!({ "approved": true })).await?;
            assert_eq!(late.status, 410, "{}", late.body);
            let late = form(client, link, "decision=approve").await?;
            assert_eq!(late.status, 410, "{}", late.body);
            assert_eq!(client.describe(execution).await?["status"], "FAILED");
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn a_forged_link_leads_nowhere() -> Result<()> {
    with_review(json!({}), async |client, execution, _| {
        let forged = TokenKey::new(b"another key").seal(Uuid::now_v7(), 3);
        for token in [forged.as_str(), "nonsense", "%00"] {
            let link = format!("/reviews/{token}");
            assert_eq!(client.get(&link).await?.status, 404);
            let decided = client.post(&link, &json!({ "approved": true })).await?;
            assert_eq!(decided.status, 404, "{}", decided.body);
            let decided = form(client, &link, "decision=approve").await?;
            assert_eq!(decided.status, 404, "{}", decided.body);
        }
        assert_eq!(client.describe(execution).await?["status"], "RUNNING");
        Ok(())
    })
    .await
}

/// Runs a test with an execution that waits for a person, and the path of the link to the review.
async fn with_review(
    members: Value,
    test: impl AsyncFnOnce(&Client, &str, &str) -> Result<()>,
) -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let client = &coordinator.client;
        let mut state = json!({ "Type": "Task", "Resource": "review:loans", "End": true });
        for (name, value) in members.as_object().into_iter().flatten() {
            state[name] = value.clone();
        }
        let machine = json!({ "StartAt": "Review", "States": { "Review": state } });
        let machine = client.create("reviewed", &machine).await?;
        let execution = client.start(&machine, &json!({ "case": 4711 })).await?;
        let review = until("a review to be listed", END_MAX, async || {
            let listed = client.get("/sagamore/v1/reviews").await?.json()?;
            Ok(listed["reviews"].get(0).cloned())
        })
        .await?;
        let url = review["url"].as_str().context("a review has a url")?;
        let base = format!("http://{}", client.address);
        let link = url
            .strip_prefix(&base)
            .with_context(|| format!("{url} is not at {base}"))?;
        test(client, &execution, link).await?;
        coordinator.stop().await
    })
    .await
}

async fn form(client: &Client, link: &str, body: &str) -> Result<Answer> {
    let headers = [
        "Content-Type: application/x-www-form-urlencoded",
        "Accept: text/html",
    ];
    client.request("POST", link, &headers, body).await
}

/// What the review's Task succeeded with.
async fn result_of(client: &Client, execution: &str) -> Result<Value> {
    let ended = client.ended(execution, END_MAX).await?;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
    Ok(serde_json::from_str(
        ended["output"].as_str().unwrap_or_default(),
    )?)
}

const END_MAX: Duration = Duration::from_secs(30);
