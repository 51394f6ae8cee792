//! The notifications service: see the module of that name.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    Ok(sagamore_loan::notifications::run().await?)
}
