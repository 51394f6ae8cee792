//! What is remembered of one key.

use serde_json::Value;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use super::store::Error;

/// What is remembered of one key. The blank record stands for a key that was never seen, and is not kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Record {
    pub state: State,
    /// How many runs began of which it is not known that they had no effect.
    pub uncertain: i32,
    /// What was answered, `None` until then.
    pub answer: Option<Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Not answered: never run, running, or failed.
    #[default]
    Open,
    /// Answered for good.
    Answered,
    /// Its undo came first: there is nothing to undo, and it must not run any more.
    Refused,
    /// It was undone, and must not run any more.
    Undone,
}

impl Record {
    /// Whether its undo has something to do, or may have.
    pub(super) fn may_have_effect(&self) -> bool {
        match self.state {
            State::Open => self.uncertain > 0,
            State::Answered => true,
            State::Refused | State::Undone => false,
        }
    }
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl Record {
    pub(super) fn is_blank(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn from_row(
        key: &str,
        (state, uncertain, answer): (String, i32, Option<String>),
    ) -> Result<Self, Error> {
        let unreadable = |source| Error::Unreadable {
            key: key.to_owned(),
            source,
        };
        let state = State::parse(&state).ok_or_else(|| unreadable(None))?;
        let answer = answer.map(|text| serde_json::from_str(&text)).transpose();
        let answer = answer.map_err(|source| unreadable(Some(source)))?;
        Ok(Self {
            state,
            uncertain,
            answer,
        })
    }

    /// The answer as JSON text. It is not kept as JSONB, which takes no `\u0000`.
    pub(super) fn answer_text(&self) -> Option<String> {
        self.answer.as_ref().map(Value::to_string)
    }
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl State {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Undone => "undone",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "open" => Some(Self::Open),
            "answered" => Some(Self::Answered),
            "refused" => Some(Self::Refused),
            "undone" => Some(Self::Undone),
            _ => None,
        }
    }
}
