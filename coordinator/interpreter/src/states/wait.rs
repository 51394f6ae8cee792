//! Wait: a pause. Source: States Language, "Wait State".

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::data::{Flow, integer_of};
use crate::decide::{Failure, Turn};
use crate::definition::{Seconds, State, StateKind, Wait, WaitFor};
use crate::effect::{self, WaitKind};
use crate::execution::Broken;
use crate::history::{Event, Payload};
use crate::ids::ScopeId;

pub(crate) fn wait(
    turn: &mut Turn<'_>,
    scope: ScopeId,
    state: &State,
    wait: &Wait,
) -> Result<(), Broken> {
    let flow = Flow::new(turn, scope, state, None)?;
    match flow
        .input()
        .and_then(|input| until(&flow, &wait.until, &input, turn.now))
    {
        Err(failure) => turn.fail(scope, failure),
        Ok(until) => {
            let wait = turn.record(Event::WaitScheduled { scope, until })?;
            turn.open(effect::Wait {
                wait,
                due: Some(until),
                kind: WaitKind::Timer,
            });
            Ok(())
        }
    }
}

fn until(
    flow: &Flow<'_>,
    until: &WaitFor,
    input: &Payload,
    now: Timestamp,
) -> Result<Timestamp, Failure> {
    let after = |seconds: u32| {
        now.checked_add(SignedDuration::from_secs(i64::from(seconds)))
            .map_err(|_| flow.runtime("Wait state delay is too long."))
    };
    match until {
        WaitFor::Seconds(seconds) => after(*seconds),
        WaitFor::Timestamp(timestamp) => Ok(*timestamp),
        WaitFor::SecondsExpression(expression) => {
            let seconds = integer_of(expression, &flow.data(input), 0..=Seconds::MAX);
            after(seconds.map_err(|error| flow.failure(&error))?)
        }
        WaitFor::TimestampExpression(expression) => {
            let value = expression.get(&flow.data(input));
            let value = value.map_err(|error| flow.failure(&error))?;
            let Some(text) = value.as_str() else {
                return Err(flow.failure(&expression.unexpected("string", &value)));
            };
            super::condition::timestamp(text).ok_or_else(|| {
                let text = format!(
                    "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: {text}"
                );
                flow.unfit(Some(expression.field()), true, text)
            })
        }
        WaitFor::SecondsPath(path) => {
            let found = path
                .get(&flow.data(input))
                .map_err(|error| flow.failure(&error))?;
            let seconds = found
                .as_u64()
                .and_then(|seconds| u32::try_from(seconds).ok());
            match seconds.filter(|seconds| *seconds <= Seconds::MAX) {
                Some(seconds) => after(seconds),
                None if !found.is_i64() && !found.is_u64() => {
                    let path = path.text();
                    Err(flow.runtime(format!(
                        "The SecondsPath parameter cannot be parsed as a long value: {path} == {found}"
                    )))
                }
                None => {
                    let text = format!(
                        "The SecondsPath parameter does not reference an integer value between 0 and {}: {} == {found}",
                        Seconds::MAX,
                        path.text()
                    );
                    Err(flow.runtime(text))
                }
            }
        }
        WaitFor::TimestampPath(path) => {
            let found = path
                .get(&flow.data(input))
                .map_err(|error| flow.failure(&error))?;
            timestamp(&found).ok_or_else(|| {
                let text = format!(
                    "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: {} == {}",
                    path.text(),
                    found.as_str().map_or_else(|| found.to_string(), str::to_owned)
                );
                flow.runtime(text)
            })
        }
    }
}

fn timestamp(value: &Value) -> Option<Timestamp> {
    super::condition::timestamp(value.as_str()?)
}

/// The pause is over.
pub(crate) fn wait_over(turn: &mut Turn<'_>, scope: ScopeId, state: &State) -> Result<(), Broken> {
    let StateKind::Wait(wait) = &state.kind else {
        return Err(Broken::new(format!("{} is no Wait", state.name)));
    };
    let flow = Flow::new(turn, scope, state, None)?;
    match flow.input().and_then(|input| flow.pass_on(&input)) {
        Ok(exit) => turn.exit(scope, exit, &wait.transition),
        Err(failure) => turn.fail(scope, failure),
    }
}
