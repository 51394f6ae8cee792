//! From a machine to what is drawn of it.

use std::collections::{HashMap, VecDeque};

use sagamore_interpreter::definition::{
    BlockId, Catcher, Count, ErrorName, Machine, Resource, State, StateKind, StateName, Transition,
    WaitFor,
};

use super::condition::condition;
use super::{Edge, Node, Picture, Shape};

/// The states of a block, in the order in which they are reached.
pub(super) fn block(machine: &Machine, block: BlockId) -> Picture {
    let mut places: HashMap<StateName, usize> = HashMap::new();
    let mut reached = VecDeque::from([machine.block(block).start_at.clone()]);
    let mut order = Vec::new();
    while let Some(name) = reached.pop_front() {
        let Some(state) = machine.state(&name).filter(|_| !places.contains_key(&name)) else {
            continue;
        };
        places.insert(name, order.len());
        order.push(state);
        reached.extend(ways(state).into_iter().filter_map(|way| way.to));
    }
    let mut edges = Vec::new();
    for (from, state) in order.iter().enumerate() {
        for way in ways(state) {
            let to = way.to.and_then(|name| places.get(&name).copied());
            let (label, is_catch) = (way.label, way.is_catch);
            edges.push(Edge {
                from,
                to,
                label,
                is_catch,
            });
        }
    }
    let nodes = order.into_iter().map(|state| node(machine, state));
    Picture {
        nodes: nodes.collect(),
        edges,
    }
}

struct Way {
    to: Option<StateName>,
    label: Option<String>,
    is_catch: bool,
}

/// Where a state leads, in the order of its definition.
fn ways(state: &State) -> Vec<Way> {
    let plain = |to: Option<StateName>, label: Option<String>| Way {
        to,
        label,
        is_catch: false,
    };
    let along = |transition: &Transition| match transition {
        Transition::Next(next) => plain(Some(next.clone()), None),
        Transition::End => plain(None, None),
    };
    let with_catchers = |transition: &Transition, catchers: &[Catcher]| {
        let mut ways = vec![along(transition)];
        ways.extend(catchers.iter().map(caught));
        ways
    };
    match &state.kind {
        StateKind::Task(task) => with_catchers(&task.transition, &task.catch),
        StateKind::Parallel(parallel) => with_catchers(&parallel.transition, &parallel.catch),
        StateKind::Map(map) => with_catchers(&map.transition, &map.catch),
        StateKind::Pass(pass) => vec![along(&pass.transition)],
        StateKind::Wait(wait) => vec![along(&wait.transition)],
        StateKind::Compensate(compensate) => vec![along(&compensate.transition)],
        StateKind::Succeed => vec![plain(None, None)],
        StateKind::Fail(_) => Vec::new(),
        StateKind::Choice(choice) => {
            let rules = choice.rules.iter();
            let rules =
                rules.map(|rule| plain(Some(rule.next.clone()), Some(condition(&rule.condition))));
            let default = choice.default.iter();
            let default =
                default.map(|next| plain(Some(next.clone()), Some("otherwise".to_owned())));
            rules.chain(default).collect()
        }
    }
}

fn caught(catcher: &Catcher) -> Way {
    let errors: Vec<&str> = catcher
        .error_equals
        .iter()
        .map(|error| match error {
            ErrorName::All => "any error",
            ErrorName::TaskFailed => "States.TaskFailed",
            ErrorName::Named(name) => name,
        })
        .collect();
    let undo = if catcher.compensate { ", undone" } else { "" };
    Way {
        to: Some(catcher.next.clone()),
        label: Some(format!("{}{undo}", errors.join(", "))),
        is_catch: true,
    }
}

fn node(machine: &Machine, state: &State) -> Node {
    let (shape, detail) = match &state.kind {
        StateKind::Task(task) => {
            let shape = match &task.resource {
                Resource::Review(_) => Shape::Review,
                Resource::Saga(_) => Shape::Child,
                _ => Shape::Task,
            };
            (shape, Some(called(&task.resource)))
        }
        StateKind::Pass(_) => (Shape::Plain, None),
        StateKind::Choice(_) => (Shape::Choice, None),
        StateKind::Wait(wait) => (Shape::Plain, Some(pause(&wait.until))),
        StateKind::Parallel(_) => (Shape::Composite, None),
        StateKind::Map(map) => (Shape::Composite, Some(pace(&map.max_concurrency))),
        StateKind::Succeed => (Shape::Succeed, None),
        StateKind::Fail(_) => (Shape::Fail, None),
        StateKind::Compensate(compensate) => {
            let undoes = match &compensate.through {
                None => "undoes all before".to_owned(),
                Some(through) => format!("undoes back to {through}"),
            };
            (Shape::Compensate, Some(undoes))
        }
    };
    let undo = match &state.kind {
        StateKind::Task(task) => task.compensate.as_ref(),
        StateKind::Parallel(parallel) => parallel.compensate.as_ref(),
        StateKind::Map(map) => map.compensate.as_ref(),
        _ => None,
    };
    let undo = undo.map(|it| called(&it.resource));
    let inner = match &state.kind {
        StateKind::Parallel(parallel) => parallel.branches.clone(),
        StateKind::Map(map) => vec![map.processor],
        _ => Vec::new(),
    };
    Node {
        name: state.name.to_string(),
        shape,
        detail,
        undo,
        inner: inner.into_iter().map(|it| block(machine, it)).collect(),
    }
}

/// A resource without what all of its kind have in common.
fn called(resource: &Resource) -> String {
    match resource {
        Resource::Function { name, .. } => format!("function:{name}"),
        Resource::Integration(_) => {
            let text = resource.to_string();
            text.rsplit(":::").next().unwrap_or_default().to_owned()
        }
        _ => resource.to_string(),
    }
}

fn pause(until: &WaitFor) -> String {
    match until {
        WaitFor::Seconds(seconds) => format!("waits {seconds} s"),
        WaitFor::SecondsPath(path) => format!("waits {} s", path.text()),
        WaitFor::Timestamp(at) => format!("waits until {at}"),
        WaitFor::TimestampPath(path) => format!("waits until {}", path.text()),
        WaitFor::SecondsExpression(expression) => format!("waits {} s", expression.text()),
        WaitFor::TimestampExpression(expression) => format!("waits until {}", expression.text()),
    }
}

fn pace(concurrency: &Count) -> String {
    match concurrency {
        Count::Literal(0) => "for each item".to_owned(),
        Count::Literal(many) => format!("for each item, {many} at a time"),
        Count::Path(path) => format!("for each item, {} at a time", path.text()),
        Count::Jsonata(expression) => {
            format!("for each item, {} at a time", expression.text())
        }
    }
}
