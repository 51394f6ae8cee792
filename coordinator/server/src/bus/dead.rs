//! Dead letters: task messages that their queue rejected, let expire or gave up on.

use lapin::message::Delivery;
use sagamore_interpreter::Input;

use super::convert::{death_reason, is_of_express};
use super::intake::{Intake, Verdict};
use super::replies::addressee;
use crate::advance::Error as AdvanceError;

impl Intake {
    /// Takes a dead-lettered task message: its task fails at once, instead of by its timeout.
    pub(super) async fn dead(&self, delivery: &Delivery) -> Verdict {
        let (execution, task) = match addressee(&self.calls.key, &delivery.properties) {
            Ok(addressee) => addressee,
            Err(reason) => return Verdict::Park(reason.to_owned()),
        };
        let Some(reason) = death_reason(&delivery.properties) else {
            return Verdict::Park("it has no x-death, so no queue gave it up".to_owned());
        };
        let input = Input::DeadLettered { task, reason };
        match (self.calls.submit)(execution, input).await {
            // It was another coordinator's, or is over.
            Err(AdvanceError::UnknownExecution) if is_of_express(&delivery.properties) => {
                self.late()
            }
            taken => self.verdict(taken),
        }
    }
}
