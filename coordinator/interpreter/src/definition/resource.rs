//! `Resource`: where the work of a Task is done. Source: the message contract, "Where a Task goes".

use super::BlockId;
use super::fault::{FaultCode, Faults, excerpt};
use super::fields::{Fields, string};
use super::spelling::nearest;
use crate::limits::BROKER_NAME_BYTES_MAX;

/// Where the work of a [`Task`](super::Task) is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// `queue:<name>`: a service behind a queue, which replies.
    Queue(String),
    /// `exchange:<exchange>/<routing.key>`: told, and done once the broker confirms.
    Exchange {
        /// The exchange's name.
        exchange: String,
        /// The routing key.
        routing_key: String,
    },
    /// `review:<name>`: a person.
    Review(String),
    /// `saga:<state machine>`: an execution of that machine, whose output is the Task's.
    Saga(String),
    /// An execution for an item of a distributed Map: nobody writes it.
    Item {
        /// The Map's label.
        label: String,
        /// The states that the execution runs.
        processor: BlockId,
    },
    /// The files that a distributed Map reads its items from, or writes its results to: nobody writes it.
    Files,
    /// `arn:aws:lambda:<region>:<account>:function:<name>`: the queue named by the function.
    Function {
        /// The resource as written.
        arn: String,
        /// The function's name, without a version or alias.
        name: String,
    },
    /// `arn:aws:states:::<service>:<action>`, with a pattern or without.
    Integration(Integration),
}

/// A service as Step Functions calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integration {
    /// What is called.
    pub action: Action,
    /// What is waited for.
    pub pattern: Pattern,
    /// The resource as written.
    text: String,
}

/// What an [`Integration`] calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// `lambda:invoke`
    Invoke,
    /// `sqs:sendMessage`
    SendMessage,
    /// `sns:publish`
    Publish,
    /// `events:putEvents`
    PutEvents,
    /// `states:startExecution`
    StartExecution,
    /// Any other: an adapter behind this queue, `<service>.<action>`.
    Adapter(String),
}

/// What a Task waits for. Source: Step Functions, "Service integration patterns".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// The service's answer.
    Response,
    /// `.sync`: the end of the work; an execution's input and output come as JSON text.
    Sync,
    /// `.sync:2`: the end of the work, with JSON.
    SyncJson,
    /// `.waitForTaskToken`: whoever holds the token.
    Callback,
}

impl std::fmt::Display for Resource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Resource::Queue(name) => write!(formatter, "queue:{name}"),
            Resource::Exchange {
                exchange,
                routing_key,
            } => write!(formatter, "exchange:{exchange}/{routing_key}"),
            Resource::Review(name) => write!(formatter, "review:{name}"),
            Resource::Saga(machine) => write!(formatter, "saga:{machine}"),
            Resource::Item { label, .. } => write!(formatter, "item:{label}"),
            Resource::Files => formatter.write_str("files"),
            Resource::Function { arn, .. } => formatter.write_str(arn),
            Resource::Integration(integration) => formatter.write_str(&integration.text),
        }
    }
}

impl Resource {
    /// What a cause calls it: of an integration the service, of any other the resource as written.
    pub(crate) fn called(&self) -> String {
        match self {
            Resource::Integration(integration) => {
                let action = integration.text.rsplit(":::").next().unwrap_or_default();
                let service = action
                    .rsplit_once(':')
                    .map_or(action, |(service, _)| service);
                service.to_owned()
            }
            other => other.to_string(),
        }
    }

    /// Reads a resource; else what is wrong and what would be right.
    fn parse(text: &str) -> Result<Resource, (String, String)> {
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        let name =
            |name: &str| broker_name(name).map_err(|problem| (problem, RESOURCES.to_owned()));
        match scheme {
            "queue" => Ok(Resource::Queue(name(rest)?)),
            "review" => Ok(Resource::Review(name(rest)?)),
            "saga" => Ok(Resource::Saga(machine_name(rest)?)),
            "exchange" => {
                let remedy = "write exchange:<exchange>/<routing key>".to_owned();
                let shown = excerpt(text);
                let (exchange, routing_key) = rest
                    .split_once('/')
                    .ok_or((format!("Resource '{shown}' has no routing key"), remedy))?;
                Ok(Resource::Exchange {
                    exchange: name(exchange)?,
                    routing_key: name(routing_key)?,
                })
            }
            "arn" => Resource::parse_arn(text),
            "http" => Err(not_run(text)),
            _ => Err((
                format!("Value is not a valid resource: '{}'", excerpt(text)),
                match nearest(scheme, ["queue", "exchange", "review", "saga"]) {
                    Some(scheme) => format!("did you mean '{scheme}:{}'?", excerpt(rest)),
                    None => RESOURCES.to_owned(),
                },
            )),
        }
    }

    /// `arn:<partition>:<service>:<region>:<account>:<resource>`
    fn parse_arn(text: &str) -> Result<Resource, (String, String)> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let &["arn", _, service, region, account, resource] = parts.as_slice() else {
            return Err(no_arn(text));
        };
        match (service, region, account) {
            ("lambda", ..) => match function_name(resource) {
                Some(name) => Ok(Resource::Function {
                    arn: text.to_owned(),
                    name: broker_name(name).map_err(|problem| (problem, RESOURCES.to_owned()))?,
                }),
                None => Err(no_arn(text)),
            },
            ("states", "", "") => Integration::parse(text, resource).map(Resource::Integration),
            ("states", ..) if resource.starts_with("activity:") => Err(not_run(text)),
            // Some write where the service is; that is for the adapter to know.
            ("states", ..) if resource.starts_with("aws-sdk:") => {
                Integration::parse(text, resource).map(Resource::Integration)
            }
            _ => Err(no_arn(text)),
        }
    }
}

impl Integration {
    /// `<service>:<action>[.<pattern>]`; a service may have parts of its own, as `aws-sdk:s3`.
    fn parse(text: &str, resource: &str) -> Result<Integration, (String, String)> {
        let (called, pattern) = match resource.split_once('.') {
            None => (resource, Pattern::Response),
            Some((called, "sync")) => (called, Pattern::Sync),
            Some((called, "sync:2")) => (called, Pattern::SyncJson),
            Some((called, "waitForTaskToken")) => (called, Pattern::Callback),
            Some(_) => {
                let remedy = "the patterns are .sync, .sync:2 and .waitForTaskToken";
                let problem = format!("Value is not a valid resource: '{}'", excerpt(text));
                return Err((problem, remedy.to_owned()));
            }
        };
        let waits_only = matches!(pattern, Pattern::Response | Pattern::Callback);
        let action = match called {
            "lambda:invoke" if waits_only => Action::Invoke,
            "sqs:sendMessage" if waits_only => Action::SendMessage,
            "sns:publish" if waits_only => Action::Publish,
            "events:putEvents" if waits_only => Action::PutEvents,
            "lambda:invoke" | "sqs:sendMessage" | "sns:publish" | "events:putEvents" => {
                let problem = format!("Value is not a valid resource: '{}'", excerpt(text));
                return Err((
                    problem,
                    format!("{called} ends with its answer: leave out .sync"),
                ));
            }
            "states:startExecution" => Action::StartExecution,
            "http:invoke" => return Err(not_run(text)),
            _ => {
                let is_named = called.split(':').all(|part| !part.is_empty());
                if !is_named || !called.contains(':') {
                    return Err(no_arn(text));
                }
                let queue = broker_name(&called.replace(':', "."));
                Action::Adapter(queue.map_err(|problem| (problem, RESOURCES.to_owned()))?)
            }
        };
        Ok(Integration {
            action,
            pattern,
            text: text.to_owned(),
        })
    }
}

/// The name of a Lambda function by its name, its ARN or the end of one: what stands after `function:`, without a version
/// or alias.
pub(crate) fn function_name(text: &str) -> Option<&str> {
    let named = match text.rsplit_once("function:") {
        Some((_, named)) => named,
        None => text,
    };
    let name = named.split(':').next()?;
    Some(name).filter(|name| !name.is_empty())
}

/// Reads `Resource` of a Task or of its `Compensate`.
pub(super) fn parse_resource(fields: Fields<'_>, faults: &mut Faults) -> Option<Resource> {
    fields.require(&["Resource"], faults);
    let node = fields.get("Resource")?;
    let text = string(node, faults)?;
    match Resource::parse(text) {
        Ok(resource) => Some(resource),
        Err((problem, remedy)) => {
            faults.error(node.spot(), FaultCode::InvalidResource, problem, remedy);
            None
        }
    }
}

const RESOURCES: &str = "write queue:<name>, exchange:<exchange>/<routing key>, review:<name>, saga:<state machine> or \
     the ARN of a service integration";

fn not_run(text: &str) -> (String, String) {
    let problem = format!("This version does not run the Resource '{}'", excerpt(text));
    (problem, RESOURCES.to_owned())
}

fn no_arn(text: &str) -> (String, String) {
    let problem = format!("Value is not a valid resource ARN: '{}'", excerpt(text));
    let remedy = "write arn:aws:states:::<service>:<action> or arn:aws:lambda:<region>:<account>:function:<name>";
    (problem, remedy.to_owned())
}

/// A name that AMQP can carry.
fn broker_name(name: &str) -> Result<String, String> {
    if name.is_empty() {
        return Err("The Resource names nothing".to_owned());
    }
    if name.len() > BROKER_NAME_BYTES_MAX {
        return Err(format!(
            "The Resource's name has {} bytes, of {BROKER_NAME_BYTES_MAX} at most",
            name.len()
        ));
    }
    if name.chars().any(char::is_control) {
        return Err("The Resource's name has a control character".to_owned());
    }
    Ok(name.to_owned())
}

/// The name of a state machine, as `CreateStateMachine` takes it.
fn machine_name(name: &str) -> Result<String, (String, String)> {
    let is_name = !name.is_empty()
        && name.chars().count() <= MACHINE_NAME_CHARACTERS_MAX
        && !name
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || FORBIDDEN.contains(c));
    if is_name {
        return Ok(name.to_owned());
    }
    let problem = format!("Value is no name of a state machine: '{}'", excerpt(name));
    Err((
        problem,
        "write saga:<state machine>, by its bare name".to_owned(),
    ))
}

/// Source: Step Functions, "CreateStateMachine", `name`.
const MACHINE_NAME_CHARACTERS_MAX: usize = 80;
const FORBIDDEN: &str = "<>{}[]?*\"#%\\^|~`$&,;:/";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<Resource, &str>) {
        let parsed =
            Resource::parse(text).map_err(|(problem, remedy)| format!("{problem}; {remedy}"));
        assert_eq!(parsed, expected.map_err(str::to_owned));
        if let Ok(resource) = parsed {
            assert_eq!(resource.to_string(), text);
        }
    }

    fn check_integration(text: &str, action: Action, pattern: Pattern) {
        let text = text.to_owned();
        let expected = Integration {
            action,
            pattern,
            text: text.clone(),
        };
        check(&text, Ok(Resource::Integration(expected)));
    }

    #[test]
    fn a_resource_is_a_queue_an_exchange_a_review_or_a_saga() {
        check(
            "queue:funds.reserve",
            Ok(Resource::Queue("funds.reserve".into())),
        );
        check("review:loan", Ok(Resource::Review("loan".into())));
        check("saga:disburse", Ok(Resource::Saga("disburse".into())));
        let exchange = Resource::Exchange {
            exchange: "audit".into(),
            routing_key: "loan.a/b".into(),
        };
        check("exchange:audit/loan.a/b", Ok(exchange));
    }

    #[test]
    fn a_function_is_the_queue_of_its_name() {
        let arn = "arn:aws:lambda:us-east-1:123456789012:function:score:7";
        let (name, arn_text) = ("score".to_owned(), arn.to_owned());
        check(
            arn,
            Ok(Resource::Function {
                arn: arn_text,
                name,
            }),
        );
        assert_eq!(function_name("score"), Some("score"));
        assert_eq!(
            function_name("123456789012:function:score:live"),
            Some("score")
        );
        assert_eq!(function_name("function:"), None);
    }

    #[test]
    fn an_integration_is_an_action_and_what_is_waited_for() {
        let action = |action: &str| format!("arn:aws:states:::{action}");
        let callback = Pattern::Callback;
        check_integration(&action("lambda:invoke"), Action::Invoke, Pattern::Response);
        check_integration(
            &action("lambda:invoke.waitForTaskToken"),
            Action::Invoke,
            callback,
        );
        check_integration(
            &action("sqs:sendMessage.waitForTaskToken"),
            Action::SendMessage,
            callback,
        );
        check_integration(&action("sns:publish"), Action::Publish, Pattern::Response);
        check_integration(
            &action("events:putEvents"),
            Action::PutEvents,
            Pattern::Response,
        );
        check_integration(
            &action("states:startExecution.sync"),
            Action::StartExecution,
            Pattern::Sync,
        );
        check_integration(
            "arn:aws-cn:states:::states:startExecution.sync:2",
            Action::StartExecution,
            Pattern::SyncJson,
        );
        check_integration(
            &action("aws-sdk:s3:getObject"),
            Action::Adapter("aws-sdk.s3.getObject".to_owned()),
            Pattern::Response,
        );
        check_integration(
            &action("ecs:runTask.sync"),
            Action::Adapter("ecs.runTask".to_owned()),
            Pattern::Sync,
        );
    }

    #[test]
    fn another_resource_is_refused_in_plain_words() {
        let not_run =
            |text| format!("This version does not run the Resource '{text}'; {RESOURCES}");
        for text in [
            "http:invoke",
            "arn:aws:states:::http:invoke",
            "arn:aws:states:us-east-1:123456789012:activity:a",
        ] {
            check(text, Err(&not_run(text)));
        }
        for text in [
            "arn:aws:s3:::bucket",
            "arn:aws:states:::sqs",
            "arn:aws:lambda:a:b:function:",
        ] {
            let found = Resource::parse(text).unwrap_err().0;
            assert_eq!(
                found,
                format!("Value is not a valid resource ARN: '{text}'")
            );
        }
        check(
            "arn:aws:states:::sqs:sendMessage.sync",
            Err(
                "Value is not a valid resource: 'arn:aws:states:::sqs:sendMessage.sync'; \
                 sqs:sendMessage ends with its answer: leave out .sync",
            ),
        );
        check(
            "arn:aws:states:::ecs:runTask.wait",
            Err(
                "Value is not a valid resource: 'arn:aws:states:::ecs:runTask.wait'; \
                 the patterns are .sync, .sync:2 and .waitForTaskToken",
            ),
        );
        check(
            "saga:arn:aws:a",
            Err(
                "Value is no name of a state machine: 'arn:aws:a'; write saga:<state machine>, by its bare name",
            ),
        );
    }

    #[test]
    fn a_misspelt_resource_gets_a_suggestion() {
        check(
            "queu:a",
            Err("Value is not a valid resource: 'queu:a'; did you mean 'queue:a'?"),
        );
        check(
            "funds",
            Err(&format!(
                "Value is not a valid resource: 'funds'; {RESOURCES}"
            )),
        );
        check(
            "",
            Err(&format!("Value is not a valid resource: ''; {RESOURCES}")),
        );
    }

    #[test]
    fn a_resource_names_what_amqp_can_carry() {
        check(
            "queue:",
            Err(&format!("The Resource names nothing; {RESOURCES}")),
        );
        check(
            "exchange:audit",
            Err(
                "Resource 'exchange:audit' has no routing key; write exchange:<exchange>/<routing key>",
            ),
        );
        check(
            "exchange:/a",
            Err(&format!("The Resource names nothing; {RESOURCES}")),
        );
        check(
            "queue:a\nb",
            Err(&format!(
                "The Resource's name has a control character; {RESOURCES}"
            )),
        );
        check(
            &format!("queue:{}", "x".repeat(256)),
            Err(&format!(
                "The Resource's name has 256 bytes, of 255 at most; {RESOURCES}"
            )),
        );
    }
}
