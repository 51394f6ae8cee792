//! The rules of the memory: see [`Memory`].
//!
//! A step locks its own key; an undo locks its own key and then the step's. No rule locks two keys in another order, so none waits
//! for itself.

use serde_json::{Value, json};

use super::record::{Record, State};
use super::store::{Effects, Error, Memory};
use super::transaction::{Transaction, Work};

/// What the memory says to a message.
pub(crate) enum Opened {
    /// This was answered before, or there is nothing to undo.
    Answered(Value),
    /// The step was undone before it came: it must not run.
    Refused,
    /// The handler runs; the key is locked until [`Visit::close`].
    Run(Visit),
}

/// How a visit ends.
pub(crate) enum Closing {
    /// With an answer that is remembered.
    Answered(Value),
    /// Without one, but the handler's work stays: it answers later, or failed with its effect committed.
    Kept,
    /// Without one, the handler's work is taken back, and who knows what it did elsewhere.
    Uncertain,
    /// As if it had never been.
    Forgotten,
}

/// A key that is locked while its handler runs. Dropped, it ends as a crash would.
pub(crate) struct Visit {
    pub(crate) work: Work,
    key: String,
    record: Record,
    effects: Effects,
    undoes: Option<Undone>,
}

struct Undone {
    key: String,
    record: Record,
}

impl Memory {
    /// Locks `key` and looks it up; with `compensates`, the key of the step that it undoes, too.
    pub(crate) async fn open(
        &self,
        service: &str,
        key: &str,
        compensates: Option<&str>,
        effects: Effects,
    ) -> Result<Opened, Error> {
        match compensates {
            None => self.open_step(service, key, effects).await,
            Some(step) => self.open_undo(service, key, step, effects).await,
        }
    }

    async fn open_step(&self, service: &str, key: &str, effects: Effects) -> Result<Opened, Error> {
        match effects {
            Effects::InTransaction => {}
            Effects::Anywhere => self.count_run(service, key).await?,
        }
        let mut transaction = self.begin(service).await?;
        let record = transaction.lock(key).await?;
        match record.state {
            State::Open => run(transaction, key, record, effects, None).await,
            State::Answered => Ok(Opened::Answered(record.answer.unwrap_or_default())),
            State::Refused | State::Undone => Ok(Opened::Refused),
        }
    }

    /// Writes down that a run begins, in a transaction of its own: this is what survives a crash of the handler.
    async fn count_run(&self, service: &str, key: &str) -> Result<(), Error> {
        let mut transaction = self.begin(service).await?;
        let mut record = transaction.lock(key).await?;
        if record.state != State::Open {
            return Ok(());
        }
        record.uncertain += 1;
        transaction.put(key, &record).await?;
        transaction.commit().await
    }

    async fn open_undo(
        &self,
        service: &str,
        key: &str,
        step: &str,
        effects: Effects,
    ) -> Result<Opened, Error> {
        let mut transaction = self.begin(service).await?;
        let mut record = transaction.lock(key).await?;
        if record.state == State::Answered {
            return Ok(Opened::Answered(record.answer.unwrap_or_default()));
        }
        let mut step_record = transaction.lock(step).await?;
        if step_record.may_have_effect() {
            let undoes = Undone {
                key: step.to_owned(),
                record: step_record,
            };
            return run(transaction, key, record, effects, Some(undoes)).await;
        }
        let answer = json!({ "nothing_to_undo": true });
        if step_record.state == State::Open {
            step_record.state = State::Refused;
            transaction.put(step, &step_record).await?;
        }
        record.state = State::Answered;
        record.answer = Some(answer.clone());
        transaction.put(key, &record).await?;
        transaction.commit().await?;
        Ok(Opened::Answered(answer))
    }
}

async fn run(
    mut transaction: Transaction,
    key: &str,
    record: Record,
    effects: Effects,
    undoes: Option<Undone>,
) -> Result<Opened, Error> {
    transaction.begin_work().await?;
    Ok(Opened::Run(Visit {
        work: Work::new(transaction),
        key: key.to_owned(),
        record,
        effects,
        undoes,
    }))
}

impl Visit {
    /// What the step was answered with that this undoes.
    pub(crate) fn step_answer(&self) -> Option<&Value> {
        self.undoes.as_ref()?.record.answer.as_ref()
    }

    /// Ends the visit, in one transaction with the handler's work.
    pub(crate) async fn close(self, closing: Closing) -> Result<(), Error> {
        let taken = self.work.take().await;
        let transaction =
            taken.expect("a visit is closed once, and only closing takes its transaction");
        match self.undoes {
            None => close_step(transaction, &self.key, self.record, self.effects, closing).await,
            Some(undone) => close_undo(transaction, &self.key, self.record, undone, closing).await,
        }
    }
}

async fn close_step(
    mut transaction: Transaction,
    key: &str,
    mut record: Record,
    effects: Effects,
    closing: Closing,
) -> Result<(), Error> {
    // With effects anywhere, this run was counted before it began.
    let counted = effects == Effects::Anywhere;
    match closing {
        Closing::Answered(answer) => {
            record.state = State::Answered;
            record.answer = Some(answer);
        }
        Closing::Kept => record.uncertain += i32::from(!counted),
        Closing::Uncertain => {
            transaction.undo_work().await?;
            record.uncertain += i32::from(!counted);
        }
        Closing::Forgotten => {
            transaction.undo_work().await?;
            record.uncertain -= i32::from(counted);
        }
    }
    transaction.put(key, &record).await?;
    transaction.commit().await
}

async fn close_undo(
    mut transaction: Transaction,
    key: &str,
    mut record: Record,
    mut undone: Undone,
    closing: Closing,
) -> Result<(), Error> {
    match closing {
        Closing::Answered(answer) => {
            record.state = State::Answered;
            record.answer = Some(answer);
            transaction.put(key, &record).await?;
            undone.record.state = State::Undone;
            transaction.put(&undone.key, &undone.record).await?;
            transaction.commit().await
        }
        // The next attempt of the undo runs again; there is no undo of an undo that would have to know of this one.
        Closing::Kept => {
            transaction.put(key, &record).await?;
            transaction.commit().await
        }
        Closing::Uncertain | Closing::Forgotten => Ok(()),
    }
}
