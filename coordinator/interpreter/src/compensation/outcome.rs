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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Sequence;

    #[track_caller]
    fn check(outcomes: &[Option<Outcome>], expected: Outcome) {
        let attempts: Vec<Attempt> = outcomes
            .iter()
            .map(|outcome| Attempt {
                number: 1,
                task: Sequence(1),
                outcome: *outcome,
                result: None,
                error: None,
                child: None,
                left_nothing: false,
            })
            .collect();
        assert_eq!(of_visit(&attempts), expected);
    }

    const COMMITTED: Option<Outcome> = Some(Outcome::Committed);
    const NOT_EXECUTED: Option<Outcome> = Some(Outcome::NotExecuted);
    const UNKNOWN: Option<Outcome> = Some(Outcome::Unknown);

    #[test]
    fn one_committed_attempt_commits_the_visit() {
        check(&[UNKNOWN, COMMITTED, NOT_EXECUTED], Outcome::Committed);
    }

    #[test]
    fn one_unknown_attempt_leaves_the_visit_unknown() {
        check(&[UNKNOWN, NOT_EXECUTED], Outcome::Unknown);
        check(&[NOT_EXECUTED, None], Outcome::Unknown);
    }

    #[test]
    fn a_visit_whose_attempts_all_failed_was_not_executed() {
        check(&[NOT_EXECUTED, NOT_EXECUTED], Outcome::NotExecuted);
        check(&[], Outcome::NotExecuted);
    }

    #[test]
    fn a_failure_says_what_it_left_behind() {
        assert_eq!(of_failure("E", ClaimedEffect::None), Outcome::NotExecuted);
        assert_eq!(
            of_failure("E", ClaimedEffect::Committed),
            Outcome::Committed
        );
        assert_eq!(of_failure("E", ClaimedEffect::Unknown), Outcome::Unknown);
        assert_eq!(
            of_failure(EFFECT_UNKNOWN, ClaimedEffect::None),
            Outcome::Unknown
        );
    }
}
