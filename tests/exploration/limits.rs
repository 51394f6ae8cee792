//! How large the sagas are, and how much happens to them.

use crate::plan::Plan;

/// The Tasks of a saga, unless `EXPLORE` says otherwise: these take less than a minute in a debug build.
const STEPS: usize = 3;
/// What may go wrong in one saga.
const FAULTS: u8 = 2;

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most Tasks of a saga.
    pub steps: usize,
    /// Whether sagas with more than one state at the top level are searches of their own.
    pub has_parts: bool,
}

impl Limits {
    pub fn from_environment() -> Limits {
        let steps = std::env::var("EXPLORE").ok();
        Limits {
            steps: steps.and_then(|steps| steps.parse().ok()).unwrap_or(STEPS),
            has_parts: true,
        }
    }

    /// How many faults may happen to a saga like this; `None` for one that is not explored.
    ///
    /// Any two may happen to a chain. What is at work side by side has too many states for that. So a saga with a
    /// Parallel or a Map is measured by the visits of its Tasks, of which there are two each in a Map: below the steps of
    /// the longest chain it may have two faults, from there on one. It may make one visit more than the longest chain,
    /// but not when it has both a Parallel and a Map.
    pub fn faults(&self, plan: &Plan) -> Option<u8> {
        let (steps, visits, composites) = (plan.steps(), plan.visits(), plan.composites());
        let visits_max = if composites == 2 {
            self.steps
        } else {
            self.steps + 1
        };
        if steps > self.steps || visits > visits_max {
            None
        } else if composites > 0 && visits >= self.steps {
            Some(1)
        } else {
            Some(FAULTS)
        }
    }

    /// Whether a saga that goes on after this one is a search of its own.
    pub fn is_part(&self, plan: &Plan) -> bool {
        self.has_parts && plan.length() == 1
    }
}
