//! One batch of turns, in one transaction.

use super::fault::fault;
use super::{SqliteStore, load, write};
use crate::store::{Error, Loaded, Want, Writes};

/// See [`Store::transact`](crate::store::Store::transact).
pub(super) async fn transact<T: Send>(
    store: &SqliteStore,
    want: &Want,
    turns: impl FnOnce(Loaded) -> (Writes, T) + Send,
) -> Result<T, Error> {
    let mut transaction = store.begin().await?;
    let now = store.clock.now();
    let loaded = load::load(store, &mut transaction, now, want).await?;
    let (writes, answer) = turns(loaded);
    write::write(&mut transaction, now, &writes).await?;
    transaction.commit().await.map_err(fault)?;
    Ok(answer)
}
