//! A bad setting ends the start at once, and is named.

use std::time::Duration;

use anyhow::{Result, ensure};
use sagamore_tests::live::{Coordinator, in_world};

#[tokio::test]
async fn a_bad_setting_is_named_at_once() -> Result<()> {
    in_world(async |world| {
        let bad = [
            ("SAGAMORE_HTTP", "nowhere"),
            ("SAGAMORE_UNROUTABLE_GRACE", "soon"),
            ("SAGAMORE_PREFETCH", "-1"),
            ("SAGAMORE_PAYLOAD_BYTES_MAX", "1"),
            ("SAGAMORE_ITEMS_BYTES_MAX", "a lot"),
            ("SAGAMORE_FILES", "/nowhere"),
            ("DATABASE_URL", "mysql://there"),
            ("AMQP_URL", "http://there"),
            ("SAGAMORE_PREFIX", ""),
        ];
        for (port, (name, value)) in (1..).zip(bad) {
            let mut coordinator = Coordinator::launch(world, &[(name, value)], port)?;
            let status = coordinator.process.ended(END_MAX).await?;
            let said = coordinator.process.said()?;
            ensure!(!status.success(), "{name}={value} was taken: {said}");
            ensure!(said.contains(name), "{name}={value} was not named: {said}");
        }
        Ok(())
    })
    .await
}

const END_MAX: Duration = Duration::from_secs(5);
