//! What a turn has looked at of a saga that is made up as it goes along.

use sagamore_interpreter::{Event, Execution, HistoryRecord, Runner, ScopeId};

use crate::plan::{Plan, Question};

/// The first thing that the turn looked at and that the plan leaves open, with the execution as it was before.
pub fn question(
    plan: &Plan,
    before: Option<&Execution>,
    turn: &[HistoryRecord],
) -> Option<Question> {
    let looks = turn
        .iter()
        .flat_map(|record| looks(plan, before, &record.event));
    let mut open = looks.filter(|question| plan.leaves_open(question));
    open.next()
}

fn looks(plan: &Plan, before: Option<&Execution>, event: &Event) -> Vec<Question> {
    match event {
        Event::StateEntered { name, .. } => match name.as_str().strip_prefix("End") {
            Some(letter) => letter.chars().map(Question::Follow).collect(),
            // A Task is armed when it is entered, a composite once it is over.
            None if plan.is_composite(name.as_str()) => Vec::new(),
            None => vec![Question::Undo(name.to_string())],
        },
        Event::ParallelStateSucceeded { scope } | Event::MapStateSucceeded { scope } => {
            let name = state(before, *scope).map(|(name, _)| name);
            name.map(Question::Undo).into_iter().collect()
        }
        Event::TaskFailed {
            runner: Runner::State(scope),
            ..
        }
        | Event::TaskTimedOut {
            runner: Runner::State(scope),
            ..
        }
        | Event::ParallelStateFailed { scope, .. }
        | Event::MapStateFailed { scope, .. } => errors(plan, before, *scope),
        Event::StateSuspended { scope, .. } => {
            // Past the pivot whatever stands around a state is asked whether it takes the error.
            let letter = state(before, *scope).and_then(|(name, _)| name.chars().next());
            let around = letter.and_then(|letter| plan.around(letter));
            around.map_or(Vec::new(), |name| {
                vec![Question::Retry(name.clone()), Question::Catch(name)]
            })
        }
        _ => Vec::new(),
    }
}

/// A Catcher is only looked for where no Retrier takes the error.
fn errors(plan: &Plan, before: Option<&Execution>, scope: ScopeId) -> Vec<Question> {
    let Some((name, retries)) = state(before, scope) else {
        return Vec::new();
    };
    let is_retried = plan.retries(&name) && retries == 0;
    let mut looks = vec![Question::Retry(name.clone())];
    if !is_retried {
        // Where a Catcher goes on is written down with the error.
        if plan.catches(&name) && plan.is_last(&name) {
            looks.extend(name.chars().next().map(Question::Follow));
        }
        looks.insert(1, Question::Catch(name));
    }
    looks
}

/// The state that the scope was in, and how often it was tried again.
fn state(before: Option<&Execution>, scope: ScopeId) -> Option<(String, u32)> {
    let position = before?.scopes.get(&scope)?.position()?;
    let retries = position.retries.first().copied().unwrap_or(0);
    Some((position.state.to_string(), retries))
}
