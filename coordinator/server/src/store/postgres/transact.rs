//! One batch of turns, in one transaction.

use crate::store::{Error, Loaded, Want, Writes};

use super::fault::fault;
use super::{PostgresStore, load, write};

/// See [`Store::transact`](crate::store::Store::transact).
///
/// A connection that is lost during the commit leaves open whether it happened. It counts as not available, like any
/// other loss: the batch is tried again, and finds the newer version when it did.
pub(super) async fn transact<T: Send>(
    store: &PostgresStore,
    want: &Want,
    turns: impl FnOnce(Loaded) -> (Writes, T) + Send,
) -> Result<T, Error> {
    let mut transaction = store.pool.begin().await.map_err(fault)?;
    let loaded = load::load(store, &mut transaction, want).await?;
    let (writes, answer) = turns(loaded);
    write::write(&mut transaction, &writes).await?;
    transaction.commit().await.map_err(fault)?;
    Ok(answer)
}
