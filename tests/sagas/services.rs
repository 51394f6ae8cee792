//! Services that are idempotent per key, as the worker library makes them.

use std::collections::BTreeMap;

use sagamore_interpreter::Dispatch;

/// What the services did, by the key of the step.
#[derive(Debug, Default)]
pub struct Services {
    effects: BTreeMap<String, Effect>,
}

/// What one key stands for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    /// Whether the work is done and not undone.
    pub is_there: bool,
    /// Whether it was undone, so that the work is refused from now on.
    pub is_refused: bool,
}

impl Services {
    /// Does what the message says; whether the service did it rather than refuse.
    pub fn work(&mut self, message: &Dispatch) -> bool {
        let step = message.compensates.as_ref().unwrap_or(&message.key);
        let effect = self.effects.entry(step.clone()).or_default();
        if message.compensates.is_some() {
            // An undo of a key it never saw succeeds, and is remembered.
            *effect = Effect {
                is_there: false,
                is_refused: true,
            };
            return true;
        }
        effect.is_there |= !effect.is_refused;
        !effect.is_refused
    }

    /// What came of the step with this key.
    pub fn of(&self, key: &str) -> Effect {
        self.effects.get(key).copied().unwrap_or_default()
    }
}
