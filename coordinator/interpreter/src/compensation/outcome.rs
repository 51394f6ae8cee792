//! Whether a step had its effect. Source: the saga extension, "The ledger".
//!
//! One attempt: a success is Committed, a failure NotExecuted unless it says otherwise, silence Unknown. One visit:
//! any attempt Committed is Committed; else any Unknown is Unknown, even when the last one failed explicitly.

use crate::execution::Attempt;
use crate::history::Outcome;
use crate::input::ClaimedEffect;

/// The error that says by its name that the effect may be there.
const EFFECT_UNKNOWN: &str = "Sagamore.EffectUnknown";

/// The outcome of an attempt that was answered with a failure.
pub(crate) fn of_failure(error: &str, effect: ClaimedEffect) -> Outcome {
    match effect {
        ClaimedEffect::Committed => Outcome::Committed,
        ClaimedEffect::Unknown => Outcome::Unknown,
        ClaimedEffect::None if error == EFFECT_UNKNOWN => Outcome::Unknown,
        ClaimedEffect::None => Outcome::NotExecuted,
    }
}

/// The outcome of a visit, from all its attempts; one still out counts as Unknown.
pub(crate) fn of_visit(attempts: &[Attempt]) -> Outcome {
    let outcomes = || {
        attempts
            .iter()
            .map(|attempt| attempt.outcome.unwrap_or(Outcome::Unknown))
    };
    if outcomes().any(|outcome| outcome == Outcome::Committed) {
        Outcome::Committed
    } else if outcomes().any(|outcome| outcome == Outcome::Unknown) {
        Outcome::Unknown
    } else {
        Outcome::NotExecuted
    }
}
