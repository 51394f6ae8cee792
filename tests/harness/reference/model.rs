//! A state machine as far as the reference knows the States Language, read from its JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

/// How many iterations of a Map run at a time when it does not say.
const CONCURRENCY_DEFAULT: usize = 40;

/// The top level, the branch of a Parallel or the processor of a Map.
#[derive(Debug)]
pub(super) struct Machine {
    pub start: String,
    pub states: BTreeMap<String, Arc<State>>,
}

/// The `CompensationPolicy`.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    /// Whether StopExecution abandons what was done.
    pub stop_abandons: bool,
    /// How an undo is tried again that does not say so itself.
    retriers: Vec<Retrier>,
}

#[derive(Debug)]
pub(super) struct State {
    pub kind: Kind,
    /// `None` ends the scope.
    pub next: Option<String>,
    /// `None` drops the result.
    result_path: Option<String>,
    pub retriers: Vec<Retrier>,
    pub catchers: Vec<Catcher>,
    /// How its undo is tried again; `None` for a state without an entry in the ledger.
    pub undo: Option<Vec<Retrier>>,
    pub is_pivot: bool,
    /// Whether each attempt is an execution, which its undo has undo what it did.
    pub asks_executions: bool,
}

#[derive(Debug)]
pub(super) enum Kind {
    Task,
    Parallel(Vec<Arc<Machine>>),
    Map(Iterations),
    Wait,
    /// The rules with where they lead, and where it goes when none holds.
    Choice(Vec<(Rule, String)>, String),
    Pass,
    Succeed,
    Fail(String),
    /// Back to the latest visit of that state, or the whole scope.
    Compensate(Option<String>),
}

#[derive(Debug)]
pub(super) struct Iterations {
    pub processor: Arc<Machine>,
    pub items_path: String,
    pub concurrency: usize,
    /// How many iterations may fail.
    pub tolerated: u32,
}

#[derive(Debug)]
pub(super) enum Rule {
    And(Vec<Rule>),
    StringEquals(String, Value),
    IsPresent(String, bool),
}

#[derive(Debug, Clone)]
pub(super) struct Retrier {
    errors: Vec<String>,
    pub retries_max: u32,
}

#[derive(Debug)]
pub(super) struct Catcher {
    errors: Vec<String>,
    pub next: String,
    result_path: Option<String>,
    pub compensates: bool,
}

impl State {
    /// The state's output, once it has this result.
    pub fn output(&self, input: &Value, result: Value) -> Value {
        placed(self.result_path.as_deref(), input, result)
    }

    pub fn is_composite(&self) -> bool {
        matches!(self.kind, Kind::Parallel(_) | Kind::Map(_))
    }
}

impl Catcher {
    /// What its `Next` gets.
    pub fn output(&self, input: &Value, error: &str) -> Value {
        let caught = json!({ "Error": error });
        placed(self.result_path.as_deref(), input, caught)
    }

    pub fn matches(&self, error: &str) -> bool {
        matches(&self.errors, error)
    }
}

impl Rule {
    pub fn holds(&self, data: &Value) -> bool {
        match self {
            Rule::And(rules) => rules.iter().all(|rule| rule.holds(data)),
            Rule::StringEquals(path, wanted) => at(path, data) == Some(wanted),
            Rule::IsPresent(path, wanted) => at(path, data).is_some() == *wanted,
        }
    }
}

/// The first retrier for the error, unless its retries are spent.
pub(super) fn retrier(retriers: &[Retrier], uses: &[u32], error: &str) -> Option<usize> {
    let found = retriers
        .iter()
        .position(|retrier| matches(&retrier.errors, error))?;
    (uses[found] < retriers[found].retries_max).then_some(found)
}

fn matches(names: &[String], error: &str) -> bool {
    let is_task_error = !matches!(error, "States.DataLimitExceeded" | "States.Timeout");
    let is_final = error == "States.Runtime";
    names.iter().any(|name| match name.as_str() {
        "States.ALL" => !is_final,
        "States.TaskFailed" => !is_final && is_task_error,
        name => name == error,
    })
}

/// What stands at a path of the form `$` or `$.name`.
pub(super) fn at<'a>(path: &str, data: &'a Value) -> Option<&'a Value> {
    match path.strip_prefix("$.") {
        Some(name) => data.get(name),
        None => Some(data),
    }
}

fn placed(path: Option<&str>, input: &Value, result: Value) -> Value {
    let Some(path) = path else {
        return input.clone();
    };
    let Some(name) = path.strip_prefix("$.") else {
        return result;
    };
    let mut output = input.as_object().cloned().unwrap_or_default();
    output.insert(name.to_owned(), result);
    Value::Object(output)
}

/// Reads a whole definition.
pub(super) fn read(definition: &Value) -> Result<(Arc<Machine>, Policy)> {
    let policy = &definition["CompensationPolicy"];
    let default = json!([{ "ErrorEquals": ["States.ALL"], "MaxAttempts": 8 }]);
    let policy = Policy {
        stop_abandons: policy["OnStop"] == "Abandon",
        retriers: retriers(policy.get("Retry").unwrap_or(&default))?,
    };
    Ok((machine(definition, &policy)?, policy))
}

fn machine(definition: &Value, policy: &Policy) -> Result<Arc<Machine>> {
    let states = definition["States"].as_object();
    let states = states.context("a machine has no States")?;
    let states = states.iter().map(|(name, fields)| {
        let state = state(fields, policy).with_context(|| format!("state {name}"))?;
        Ok((name.clone(), Arc::new(state)))
    });
    Ok(Arc::new(Machine {
        start: text(definition, "StartAt")?,
        states: states.collect::<Result<_>>()?,
    }))
}

fn state(fields: &Value, policy: &Policy) -> Result<State> {
    let is_pivot = fields["Pivot"] == true;
    let is_child = fields["Resource"].as_str().is_some_and(is_child);
    let asks_executions = is_child && !is_pivot && fields.get("Compensate").is_none();
    let undo = match fields.get("Compensate") {
        Some(undo) => Some(
            undo.get("Retry")
                .map_or_else(|| Ok(policy.retriers.clone()), retriers)?,
        ),
        // A child execution is an entry of its parent by itself, and so is a pivot.
        None if is_pivot || is_child => Some(policy.retriers.clone()),
        None => None,
    };
    let catchers = list(&fields["Catch"]).map(|catcher| {
        Ok(Catcher {
            errors: texts(&catcher["ErrorEquals"]),
            next: text(catcher, "Next")?,
            result_path: result_path(catcher),
            compensates: catcher["Compensate"] == true,
        })
    });
    Ok(State {
        kind: kind(fields, policy)?,
        next: fields["Next"].as_str().map(str::to_owned),
        result_path: result_path(fields),
        retriers: retriers(&fields["Retry"])?,
        catchers: catchers.collect::<Result<_>>()?,
        undo,
        is_pivot,
        asks_executions,
    })
}

fn kind(fields: &Value, policy: &Policy) -> Result<Kind> {
    let kind = match text(fields, "Type")?.as_str() {
        "Task" => Kind::Task,
        "Parallel" => {
            let branches = list(&fields["Branches"]).map(|branch| machine(branch, policy));
            Kind::Parallel(branches.collect::<Result<_>>()?)
        }
        "Map" => Kind::Map(Iterations {
            processor: machine(&fields["ItemProcessor"], policy)?,
            items_path: fields["ItemsPath"].as_str().unwrap_or("$").to_owned(),
            concurrency: match fields["MaxConcurrency"].as_u64() {
                None | Some(0) => CONCURRENCY_DEFAULT,
                Some(concurrency) => usize::try_from(concurrency)?,
            },
            tolerated: number(fields, "ToleratedFailureCount", 0)?,
        }),
        "Wait" => Kind::Wait,
        "Choice" => {
            let rules =
                list(&fields["Choices"]).map(|choice| Ok((rule(choice)?, text(choice, "Next")?)));
            Kind::Choice(rules.collect::<Result<_>>()?, text(fields, "Default")?)
        }
        "Pass" => Kind::Pass,
        "Succeed" => Kind::Succeed,
        "Fail" => Kind::Fail(text(fields, "Error")?),
        "Compensate" => Kind::Compensate(fields["Through"].as_str().map(str::to_owned)),
        other => bail!("the reference knows no {other} state"),
    };
    Ok(kind)
}

fn rule(fields: &Value) -> Result<Rule> {
    let has = |operator: &str| fields.get(operator).is_some();
    let rule = if has("And") {
        Rule::And(list(&fields["And"]).map(rule).collect::<Result<_>>()?)
    } else if has("StringEquals") {
        Rule::StringEquals(text(fields, "Variable")?, fields["StringEquals"].clone())
    } else if has("IsPresent") {
        Rule::IsPresent(text(fields, "Variable")?, fields["IsPresent"] == true)
    } else {
        bail!("the reference knows no rule {fields}");
    };
    Ok(rule)
}

fn retriers(fields: &Value) -> Result<Vec<Retrier>> {
    let retriers = list(fields).map(|retrier| {
        Ok(Retrier {
            errors: texts(&retrier["ErrorEquals"]),
            retries_max: number(retrier, "MaxAttempts", 3)?,
        })
    });
    retriers.collect()
}

fn is_child(resource: &str) -> bool {
    resource.starts_with("saga:")
}

/// The `ResultPath`: `$` when there is none, `None` when it is null.
fn result_path(fields: &Value) -> Option<String> {
    let path = fields.get("ResultPath");
    path.map_or(Some("$"), Value::as_str).map(str::to_owned)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn texts(value: &Value) -> Vec<String> {
    let texts = list(value).filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

fn text(fields: &Value, name: &str) -> Result<String> {
    let text = fields[name].as_str();
    Ok(text
        .with_context(|| format!("{name} is missing"))?
        .to_owned())
}

fn number(fields: &Value, name: &str, default: u32) -> Result<u32> {
    let number = fields[name].as_u64().map(u32::try_from);
    Ok(number.transpose()?.unwrap_or(default))
}

/// The items of a Map: of the state's input, or of the execution's.
pub(super) fn items(path: &str, input: &Value, execution_input: &Value) -> Option<Vec<Value>> {
    let found = match path.strip_prefix("$$.Execution.Input") {
        Some(rest) => at(&format!("${rest}"), execution_input),
        None => at(path, input),
    };
    let item = |item: &Value| Value::Object(Map::from_iter([("item".to_owned(), item.clone())]));
    Some(found?.as_array()?.iter().map(item).collect())
}
