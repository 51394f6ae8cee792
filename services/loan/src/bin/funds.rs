//! The funds service: see the module of that name.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    Ok(sagamore_loan::funds::run().await?)
}
