//! Dead letters: task messages that their queue rejected, let expire or gave up on.

use lapin::message::Delivery;
use sagamore_interpreter::Input;

use super::convert::death_reason;
use super::intake::{Intake, Verdict};
use super::replies::addressee;

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
        self.verdict((self.calls.submit)(execution, input).await)
    }
}
