//! What a Task sends and what it has for it, by its resource. Source: the message contract, "Where a Task goes".

mod child;
mod events;
mod files;
mod sdk;
mod services;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::definition::{Action, Integration, Pattern, Resource};
use crate::effect::{Body, CustomEvent, FileCall, Route};
use crate::execution::Head;
use crate::history::Payload;
use crate::ids::Sequence;

pub(crate) use child::{is_nested_too_deep, started};
pub(crate) use files::{reading, writing};
pub(crate) use sdk::Call;
pub(crate) use services::confirmed;

/// What becomes of a Task's arguments.
pub(crate) enum Delivery {
    /// They are sent, and somebody answers.
    Sent {
        /// Where to.
        route: Route,
        /// Whether the task is told once the broker has its message.
        is_told: bool,
        /// What is sent.
        body: Body,
        /// What is known of the message beside its id, for the answer once the broker has it.
        receipt: Option<Payload>,
    },
    /// They are written down with the turn, for others to listen to: the Task is over at once, or waits for its token.
    Told {
        /// The events.
        events: Vec<CustomEvent>,
        /// The result, or the error and cause.
        answer: Result<Payload, (String, String)>,
        /// Whether the Task then waits for whoever has its token, unless there was an error.
        waits: bool,
    },
}

/// Who sends.
pub(crate) struct Sender<'a> {
    pub(crate) head: &'a Head,
    /// The attempt.
    pub(crate) task: Sequence,
    /// The ARN of the Map Run that it is in, for an item of one.
    pub(crate) map_run: Option<String>,
}

/// What a Task with these arguments sends.
///
/// # Errors
/// What is wrong with the arguments, in Step Functions' words.
pub(crate) fn deliver(
    resource: &Resource,
    arguments: &Payload,
    sender: &Sender<'_>,
) -> Result<Delivery, String> {
    let sent = |route, is_told, body: &Payload| {
        Ok(Delivery::Sent {
            route,
            is_told,
            body: Body::Json(body.clone()),
            receipt: None,
        })
    };
    match resource {
        Resource::Queue(name) | Resource::Function { name, .. } => {
            sent(Route::Queue(name.clone()), false, arguments)
        }
        Resource::Exchange {
            exchange,
            routing_key,
        } => {
            let (exchange, routing_key) = (exchange.clone(), routing_key.clone());
            let route = Route::Exchange {
                exchange,
                routing_key,
            };
            sent(route, true, arguments)
        }
        Resource::Review(name) => sent(Route::Review(name.clone()), false, arguments),
        Resource::Saga(machine) => {
            let child = child::of_saga(machine, sender);
            sent(Route::Execution(child), false, arguments)
        }
        Resource::Item { label, processor } => {
            let child = child::of_item(label, *processor, sender);
            sent(Route::Execution(child), false, arguments)
        }
        Resource::Files => {
            let call = FileCall::deserialize(&**arguments).map_err(|error| error.to_string())?;
            sent(Route::Files(call), false, &Payload::default())
        }
        Resource::Integration(Integration {
            action, pattern, ..
        }) => {
            // What does not wait for the service's own answer is shown as submitted once the broker has it.
            let is_told = *pattern != Pattern::Response;
            if let Action::Adapter(name) = action {
                return sent(Route::Queue(name.clone()), is_told, arguments);
            }
            let parameters = Parameters::of(arguments)?;
            match action {
                Action::Invoke => services::invoke(&parameters, is_told),
                Action::SendMessage => services::send_message(&parameters),
                Action::Publish => services::publish(&parameters),
                Action::PutEvents => events::put_events(&parameters, sender, is_told),
                Action::StartExecution | Action::Adapter(_) => {
                    child::start_execution(&parameters, *pattern, sender)
                }
            }
        }
    }
}

/// What a Task that got this answer has for a result.
pub(crate) fn result(resource: &Resource, answer: &Payload, call: &Call) -> Payload {
    match resource {
        Resource::Integration(integration) if integration.is_invocation() => {
            services::invoked(answer, call)
        }
        _ => answer.clone(),
    }
}

/// The arguments of a service integration.
struct Parameters<'a> {
    members: &'a Map<String, Value>,
}

impl<'a> Parameters<'a> {
    fn of(arguments: &'a Value) -> Result<Parameters<'a>, String> {
        match arguments {
            Value::Object(members) => Ok(Parameters { members }),
            _ => Err(refused(arguments, "They must be an object")),
        }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    fn required(&self, name: &str) -> Result<&'a Value, String> {
        self.members
            .get(name)
            .ok_or_else(|| self.refused(&format!("The field '{name}' is required but was missing")))
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        self.get(name)
            .map(|value| self.string(name, value))
            .transpose()
    }

    fn required_text(&self, name: &str) -> Result<&'a str, String> {
        self.string(name, self.required(name)?)
    }

    fn string(&self, name: &str, value: &'a Value) -> Result<&'a str, String> {
        value
            .as_str()
            .filter(|text| !text.is_empty())
            .ok_or_else(|| {
                self.refused(&format!(
                    "The value for the field '{name}' must be a STRING"
                ))
            })
    }

    fn refused(&self, problem: &str) -> String {
        refused(&Value::Object(self.members.clone()), problem)
    }
}

/// Source: Step Functions, what it says of parameters that a service does not take.
fn refused(arguments: &Value, problem: &str) -> String {
    let shown: String = arguments.to_string().chars().take(SHOWN_MAX).collect();
    format!("The Parameters '{shown}' could not be used to start the Task: [{problem}]")
}

/// How many characters of arguments that can't be used are shown.
const SHOWN_MAX: usize = 1_000;

#[cfg(test)]
mod tests;
