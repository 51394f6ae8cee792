//! What an expression reads and calls, found once when it is parsed; and its tree made fit to be evaluated here.

use std::collections::BTreeSet;

use jsonata_core::ast::AstNode;
use jsonata_core::value::JValue;
use serde_json::{Value, json};

use super::convert::from_json;
use super::guard;
use crate::query::Data;

/// The time of the turn, in milliseconds, under a name that nobody can write.
pub(super) const NOW: &str = " now";

/// The members of `$states`.
const MEMBERS: [&str; 4] = ["input", "result", "errorOutput", "context"];

/// What an expression reads.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// The members of `$states`.
    pub(super) members: BTreeSet<String>,
    /// The variables that are not its own.
    pub(super) variables: BTreeSet<String>,
    /// The functions it calls by their name.
    pub(super) functions: BTreeSet<String>,
    /// Whether it reads the time.
    pub(super) now: bool,
    /// The names that it gives itself: variables of its blocks, parameters of its functions.
    own: BTreeSet<String>,
}

/// Finds what the expression reads. The time is read where the turn has it, and what could grow without bound is guarded.
pub(super) fn prepare(tree: AstNode) -> Result<(AstNode, Reads), String> {
    let mut written = serde_json::to_value(&tree).map_err(|error| error.to_string())?;
    let mut reads = Reads::default();
    reads.walk(&mut written)?;
    let Reads { variables, own, .. } = &mut reads;
    variables.retain(|name| !own.contains(name) && name != "states" && !name.is_empty());
    let tree = serde_json::from_value(written).map_err(|error| error.to_string())?;
    Ok((tree, reads))
}

impl Reads {
    /// `$states`, as far as it is read.
    pub(super) fn states(&self, data: &Data<'_>) -> JValue {
        let find = |name: &str| match name {
            "input" => Some(data.input),
            "result" => data.result,
            "errorOutput" => data.error_output,
            _ => Some(data.context.whole()),
        };
        let members = self.members.iter();
        let members = members.filter_map(|name| Some((name.clone(), from_json(find(name)?))));
        JValue::object(members.collect())
    }

    fn walk(&mut self, node: &mut Value) -> Result<(), String> {
        match node {
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.walk(item)),
            Value::Object(_) => {
                guard::unpipe(node);
                self.walk_object(node)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    fn walk_object(&mut self, node: &mut Value) -> Result<(), String> {
        if let Some(name) = node["Variable"].as_str() {
            match guard::stand_in(name).filter(|_| !self.own.contains(name)) {
                None => self.read(name),
                Some(mut function) => {
                    self.walk(&mut function)?;
                    *node = function;
                }
            }
            return Ok(());
        }
        if let Some(path) = node.get("Path") {
            self.walk_path(path)?;
        }
        self.note_own(node);
        if let Some(members) = node.as_object_mut() {
            for (name, member) in members {
                // What `$states` is read for was seen with its path; what `:=` sets is not read.
                let is_seen = name == "node" && member["Variable"] == "states";
                if !is_seen {
                    self.walk(member)?;
                }
            }
        }
        self.call(node)
    }

    /// The names that a function, a block or a step gives.
    fn note_own(&mut self, node: &Value) {
        let parameters = node["Lambda"]["params"].as_array().into_iter().flatten();
        let bound = &node["Binary"];
        let bound = (bound["op"] == "ColonEqual").then(|| &bound["lhs"]["Variable"]);
        let names = parameters
            .chain(bound)
            .chain([&node["focus"], &node["index_var"]]);
        let names = names.filter_map(Value::as_str).map(str::to_owned);
        self.own.extend(names);
    }

    /// `$states.input` reads one member, `$states` as such all.
    fn walk_path(&mut self, path: &Value) -> Result<(), String> {
        let steps = path["steps"].as_array().map_or(&[][..], Vec::as_slice);
        for (at, step) in steps.iter().enumerate() {
            if step["node"]["Variable"] != "states" {
                continue;
            }
            let next = steps.get(at + 1).map(|next| &next["node"]["Name"]);
            match next.and_then(Value::as_str) {
                Some(name) if MEMBERS.contains(&name) && step["stages"] == json!([]) => {
                    self.members.insert(name.to_owned());
                }
                Some(name) if !MEMBERS.contains(&name) => {
                    return Err(format!(
                        "$states has no member '{name}': it has {}",
                        MEMBERS.join(", ")
                    ));
                }
                _ => self.read("states"),
            }
        }
        Ok(())
    }

    fn read(&mut self, name: &str) {
        if name == "states" {
            self.members.extend(MEMBERS.map(str::to_owned));
        }
        self.variables.insert(name.to_owned());
    }

    fn call(&mut self, node: &mut Value) -> Result<(), String> {
        guard::guard_operator(node, &mut self.functions);
        let Some(function) = node.get_mut("Function") else {
            return Ok(());
        };
        let name = function["name"].as_str().unwrap_or_default().to_owned();
        match name.as_str() {
            "eval" => {
                return Err(
                    "the function $eval is not available: $parse reads a text as JSON".to_owned(),
                );
            }
            "now" => {
                self.now = true;
                function["name"] = json!("fromMillis");
                if let Some(arguments) = function["args"].as_array_mut() {
                    arguments.insert(0, json!({ "Variable": NOW }));
                }
            }
            "millis" => {
                self.now = true;
                *node = json!({ "Variable": NOW });
            }
            _ => guard::guard_call(&name, function, &mut self.functions),
        }
        self.functions.insert(name);
        Ok(())
    }
}
