//! What happens in a case, a line each:
//!
//! ```text
//! # a comment
//! definition services/loan/loan.asl.json      instead of the folder's own
//! brief                                       the timeline shows only how each execution ends
//! start {"amount": 5}                         a new execution
//! succeed Reserve {"id": 1}                   the newest attempt of the state; without a body {}
//! fail Reserve Funds.Empty "a cause" committed    the cause and the effect may be left out
//! heartbeat Reserve
//! unusable Reserve
//! published Notify
//! child-starts Disburse                       the execution that the state started; it may do so late or twice
//! child-succeeds Disburse {"id": 1}
//! child-keeps Disburse {"id": 1}               the same, with something that can be undone
//! child-undid Disburse incomplete             as the undo of Disburse asked; also abandoned, past_pivot; else all is undone
//! child-fails Disburse FAILED Transfer.Refused "a cause" none      by its status; error and cause may be left out
//! unroutable Reserve                          on its only publish; with `again` it may have been published before
//! dead-letter Reserve rejected
//! after 5s                                    time passes, and what is due is due, in order
//! stop Error "cause"
//! rollback Error "cause"
//! retry Reserve {"id": 2}                     the incident of the state; arguments may be left out
//! retry -                                     the incident of the phase of undoing; so in what follows
//! skip Reserve {"id": 2}                      the same; so may what the state yields
//! resolve Reserve
//! abandon Reserve
//! ```
//!
//! `Reserve@1` is the first attempt ever of the state, for what comes late or twice; the undo of Reserve is
//! `Compensate(Reserve)`.

use anyhow::{Context, Result, bail};
use jiff::SignedDuration;
use sagamore_interpreter::{ClaimedEffect, CompensationEnd, Payload, Settlement, Status};
use serde_json::{Value, json};

/// What happens in a case.
#[derive(Debug, Default)]
pub struct Script {
    /// The definition, when it is not the folder's.
    pub definition: Option<String>,
    /// Whether the timeline shows only the ends.
    pub is_brief: bool,
    /// What happens, each with its line.
    pub acts: Vec<(String, Act)>,
}

/// One thing that happens.
#[derive(Debug)]
pub enum Act {
    Start(Value),
    Succeed(Attempt, Value),
    Fail {
        attempt: Attempt,
        error: String,
        cause: Option<String>,
        effect: ClaimedEffect,
    },
    Heartbeat(Attempt),
    Unusable(Attempt),
    Published(Attempt),
    ChildStarts(Attempt),
    ChildSucceeds(Attempt, Value),
    ChildKeeps(Attempt, Value),
    ChildUndid(Attempt, CompensationEnd),
    ChildFails {
        attempt: Attempt,
        status: Status,
        error: Option<String>,
        cause: Option<String>,
        effect: ClaimedEffect,
    },
    Unroutable {
        attempt: Attempt,
        only_publish: bool,
    },
    DeadLetter(Attempt, String),
    After(SignedDuration),
    Stop(Option<String>, Option<String>, bool),
    Retry(String, Option<Value>),
    Settle(String, Settlement),
}

/// An attempt of a state: the newest, or the one of this number, from 1.
#[derive(Debug)]
pub struct Attempt {
    pub state: String,
    pub number: Option<usize>,
}

/// Reads a script.
pub fn parse(text: &str) -> Result<Script> {
    let mut script = Script::default();
    for line in text.lines().map(str::trim) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "" | "#" => {}
            "definition" => script.definition = Some(rest.to_owned()),
            "brief" => script.is_brief = true,
            _ => {
                let act = act(verb, rest.trim()).with_context(|| line.to_owned())?;
                script.acts.push((line.to_owned(), act));
            }
        }
    }
    Ok(script)
}

fn act(verb: &str, rest: &str) -> Result<Act> {
    let (first, more) = rest.split_once(' ').unwrap_or((rest, ""));
    let body = |text: &str| match text {
        "" => Ok(json!({})),
        text => value(text),
    };
    Ok(match verb {
        "start" => Act::Start(body(rest)?),
        "succeed" => Act::Succeed(attempt(first)?, body(more)?),
        "fail" => fail(attempt(first)?, more)?,
        "heartbeat" => Act::Heartbeat(attempt(first)?),
        "unusable" => Act::Unusable(attempt(first)?),
        "published" => Act::Published(attempt(first)?),
        "child-starts" => Act::ChildStarts(attempt(first)?),
        "child-succeeds" => Act::ChildSucceeds(attempt(first)?, body(more)?),
        "child-keeps" => Act::ChildKeeps(attempt(first)?, body(more)?),
        "child-undid" => {
            let end = if more.is_empty() { "undone" } else { more };
            Act::ChildUndid(attempt(first)?, serde_json::from_value(json!(end))?)
        }
        "child-fails" => child_fails(attempt(first)?, more)?,
        "unroutable" => Act::Unroutable {
            attempt: attempt(first)?,
            only_publish: more != "again",
        },
        "dead-letter" => Act::DeadLetter(attempt(first)?, more.to_owned()),
        "after" => Act::After(rest.parse()?),
        "stop" | "rollback" => Act::Stop(
            Some(first.to_owned()).filter(|error| !error.is_empty()),
            quoted(more)?.0,
            verb == "rollback",
        ),
        "retry" => Act::Retry(first.to_owned(), given(more)?),
        "skip" => {
            let output = given(more)?.map(Payload::new);
            Act::Settle(first.to_owned(), Settlement::Skip { output })
        }
        "resolve" => Act::Settle(first.to_owned(), Settlement::Resolve),
        "abandon" => Act::Settle(first.to_owned(), Settlement::Abandon),
        _ => bail!("nothing is called {verb}"),
    })
}

fn fail(attempt: Attempt, rest: &str) -> Result<Act> {
    let (error, more) = rest.split_once(' ').unwrap_or((rest, ""));
    let (cause, effect) = quoted(more)?;
    Ok(Act::Fail {
        attempt,
        error: error.to_owned(),
        cause,
        effect: self::effect(effect)?,
    })
}

fn child_fails(attempt: Attempt, rest: &str) -> Result<Act> {
    let (status, more) = rest.split_once(' ').unwrap_or((rest, ""));
    let (error, more) = more.split_once(' ').unwrap_or((more, ""));
    let (cause, effect) = quoted(more)?;
    Ok(Act::ChildFails {
        attempt,
        status: serde_json::from_value(json!(status))?,
        error: Some(error.to_owned()).filter(|error| !error.is_empty()),
        cause,
        effect: self::effect(effect)?,
    })
}

fn effect(text: &str) -> Result<ClaimedEffect> {
    Ok(match text {
        "" | "none" => ClaimedEffect::None,
        "committed" => ClaimedEffect::Committed,
        "unknown" => ClaimedEffect::Unknown,
        other => bail!("no effect is {other}"),
    })
}

/// A text in quotes, when there is one, and what follows.
fn quoted(text: &str) -> Result<(Option<String>, &str)> {
    let Some(rest) = text.strip_prefix('"') else {
        return Ok((None, text));
    };
    let (quoted, rest) = rest.split_once('"').context("a quote is not closed")?;
    Ok((Some(quoted.to_owned()), rest.trim()))
}

/// JSON that may be left out.
fn given(text: &str) -> Result<Option<Value>> {
    match text {
        "" => Ok(None),
        text => value(text).map(Some),
    }
}

/// JSON, or `x*1000` for a string of a thousand x.
fn value(text: &str) -> Result<Value> {
    if let Some((unit, times)) = text.split_once('*')
        && let Ok(times) = times.parse()
    {
        return Ok(Value::from(unit.repeat(times)));
    }
    Ok(serde_json::from_str(text)?)
}

fn attempt(text: &str) -> Result<Attempt> {
    let (state, number) = match text.split_once('@') {
        None => (text, None),
        Some((state, number)) => (state, Some(number.parse()?)),
    };
    Ok(Attempt {
        state: state.to_owned(),
        number,
    })
}
