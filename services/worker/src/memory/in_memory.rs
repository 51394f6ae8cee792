//! The memory in the process: a lock per key, and nothing written until the commit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use super::record::Record;
use super::store::Error;

#[derive(Clone, Default)]
pub(super) struct InMemory {
    keys: Arc<Mutex<HashMap<Key, Slot>>>,
}

type Key = (String, String);
type Slot = Arc<tokio::sync::Mutex<Record>>;

pub(crate) struct Transaction {
    memory: InMemory,
    service: String,
    locked: HashMap<String, Locked>,
}

struct Locked {
    slot: OwnedMutexGuard<Record>,
    /// What the slot will hold once this commits.
    record: Record,
}

impl InMemory {
    pub(super) fn begin(&self, service: &str) -> Transaction {
        Transaction {
            memory: self.clone(),
            service: service.to_owned(),
            locked: HashMap::new(),
        }
    }

    fn slot(&self, key: Key) -> Slot {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.entry(key).or_default().clone()
    }
}

impl Transaction {
    pub(super) async fn lock(&mut self, key: &str) -> Result<Record, Error> {
        let slot = self.memory.slot((self.service.clone(), key.to_owned()));
        let slot = slot.lock_owned().await;
        let record = slot.clone();
        let locked = Locked {
            slot,
            record: record.clone(),
        };
        self.locked.insert(key.to_owned(), locked);
        Ok(record)
    }

    pub(super) async fn put(&mut self, key: &str, record: &Record) -> Result<(), Error> {
        let locked = self.locked.get_mut(key).expect("only a locked key is put");
        locked.record = record.clone();
        Ok(())
    }

    pub(super) async fn begin_work(&mut self) -> Result<(), Error> {
        Ok(())
    }

    pub(super) async fn undo_work(&mut self) -> Result<(), Error> {
        Ok(())
    }

    pub(super) async fn commit(self) -> Result<(), Error> {
        for mut locked in self.locked.into_values() {
            *locked.slot = locked.record;
        }
        Ok(())
    }
}
