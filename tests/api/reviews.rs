//! A person decides: over the page, over JSON, too late, and with links that lead nowhere.

use anyhow::Result;
use serde_json::json;

use crate::world::World;

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test(flavor = "multi_thread")]
async fn the_first_decision_counts_and_later_ones_are_told_it() -> Result<()> {
    let world = World::start().await?;
    let machine = world.create_machine().await?;
    let input = json!({ "applicant": { "name": "<script>Ada</script>" } }).to_string();
    let request = json!({ "stateMachineArn": machine, "name": "ada", "input": input });
    let execution = world.must("StartExecution", &request).await?["executionArn"].clone();
    let path = world.review().await?;

    // Looking, however often, decides nothing.
    for _ in 0..2 {
        let page = world.get(&path, "text/html").await?;
        assert_eq!(page.status, 200);
        assert!(
            page.body.contains("&lt;script&gt;Ada&lt;/script&gt;")
                && !page.body.contains("<script")
        );
        assert!(
            page.head.contains("referrer-policy: no-referrer")
                && page.head.contains("cache-control: no-store")
        );
    }
    assert_eq!(world.post(&path, FORM, "comment=hm").await?.status, 400);

    let decided = world
        .post(
            &path,
            FORM,
            "decision=decline&comment=Too+much%0D%0Aby+half&reviewer=Grace",
        )
        .await?;
    assert_eq!(decided.status, 200);
    let late = world
        .post(&path, "application/json", "{\"approved\": true}")
        .await?;
    assert_eq!(late.status, 410);
    let told = late.json()?;
    assert_eq!(told["error"], "ReviewClosed");
    assert_eq!(told["decision"]["approved"], false);
    let page = world.get(&path, "text/html").await?;
    assert_eq!(page.status, 410);
    assert!(page.body.contains("declined by Grace"), "{}", page.body);

    let described = world
        .must("DescribeExecution", &json!({ "executionArn": execution }))
        .await?;
    assert_eq!(described["status"], "SUCCEEDED");
    assert_eq!(
        described["output"],
        r#"{"approved":false,"comment":"Too much\nby half","reviewer":"Grace"}"#
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_leads_nowhere_says_so() -> Result<()> {
    let world = World::start().await?;
    let page = world.get("/reviews/forged", "text/html").await?;
    assert_eq!(page.status, 404);
    assert!(
        page.body.contains("This link is not valid"),
        "{}",
        page.body
    );
    let told = world
        .post(
            "/reviews/forged",
            "application/json",
            "{\"approved\": true}",
        )
        .await?;
    assert_eq!(
        (told.status, told.json()?["error"].as_str()),
        (404, Some("UnknownReview"))
    );

    let machine = world.create_machine().await?;
    let request = json!({ "stateMachineArn": machine, "name": "ada" });
    let execution = world.must("StartExecution", &request).await?["executionArn"].clone();
    let path = world.review().await?;
    world
        .must("StopExecution", &json!({ "executionArn": execution }))
        .await?;
    let page = world.get(&path, "text/html").await?;
    assert_eq!(page.status, 410);
    assert!(page.body.contains("No longer needed"), "{}", page.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_that_is_none_cannot_be_retried() -> Result<()> {
    let world = World::start().await?;
    assert_eq!(
        world.get("/sagamore/v1/incidents", "*/*").await?.json()?,
        json!({ "incidents": [] })
    );
    for incident in [
        "00000000-0000-0000-0000-000000000000/0",
        "00000000-0000-0000-0000-000000000000/7",
        "x/y",
    ] {
        let path = format!("/sagamore/v1/incidents/{incident}/retry");
        let told = world.post(&path, "application/json", "{}").await?;
        assert_eq!(
            (told.status, told.json()?["error"].as_str()),
            (404, Some("UnknownIncident")),
            "{incident}"
        );
    }
    let path = "/sagamore/v1/incidents/00000000-0000-0000-0000-000000000000/0/retry";
    let told = world
        .send("POST", path, "Sec-Fetch-Site: cross-site\r\n", "")
        .await?;
    assert_eq!(told.status, 403);
    Ok(())
}
