//! Payload templates: JSON whose keys ending in `.$` hold paths and intrinsic calls, or whose texts are JSONata.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::budget::Budget;
use super::{Data, Error, Expression, Jsonata};
use crate::limits::TEMPLATE_DEPTH_MAX;

/// What a key ends in whose value is to be evaluated.
const DYNAMIC: &str = ".$";

/// A payload template: Parameters, ResultSelector, ItemSelector, Assign; of JSONata Arguments, Output, Assign and others.
///
/// Source: States Language, "Payload Template", "JSONata".
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    root: Node,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    /// A value without any `.$` in it, copied as it is.
    Literal(Value),
    Object(Vec<Member>),
    Array(Vec<Node>),
    Jsonata(Arc<Jsonata>),
}

#[derive(Debug, Clone, PartialEq)]
enum Member {
    Fixed(String, Node),
    /// The key without its `.$`, the key as written, and what to evaluate.
    Dynamic(String, String, Expression),
}

/// How the dynamic parts of a template are written.
#[derive(Clone, Copy)]
enum Language<'f> {
    /// By keys that end in `.$`.
    JsonPath,
    /// By texts between `{%` and `%}`, in this field of the state.
    Jsonata(&'f str),
}

impl Template {
    /// Reads a template of JSONPath.
    ///
    /// # Errors
    /// All faults at once: each with its JSON pointer inside the template (the empty one is the
    /// template itself), what is wrong and what would be right.
    pub fn parse(value: &Value) -> Result<Template, Vec<(String, String)>> {
        Template::parse_in(value, Language::JsonPath)
    }

    /// Reads a template of JSONata, which stands in this field of its state.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub fn parse_jsonata(value: &Value, field: &str) -> Result<Template, Vec<(String, String)>> {
        Template::parse_in(value, Language::Jsonata(field))
    }

    fn parse_in(value: &Value, language: Language<'_>) -> Result<Template, Vec<(String, String)>> {
        let mut faults = Vec::new();
        let root = parse_node(value, language, &mut String::new(), 0, &mut faults);
        if faults.is_empty() {
            Ok(Template { root })
        } else {
            Err(faults)
        }
    }

    /// The template with its paths and calls replaced by their values.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::Argument`] or [`Error::Intrinsic`] of the first field that fails;
    /// [`Error::Limit`].
    pub fn evaluate(&self, data: &Data<'_>) -> Result<Value, Error> {
        fill(&self.root, data, &Budget::new(), 0)
    }

    /// The variables it reads.
    pub fn variables(&self) -> BTreeSet<String> {
        let mut variables = BTreeSet::new();
        collect_variables(&self.root, &mut variables);
        variables
    }

    /// The expression that it is as a whole.
    pub fn expression(&self) -> Option<&Jsonata> {
        match &self.root {
            Node::Jsonata(expression) => Some(expression),
            Node::Literal(_) | Node::Object(_) | Node::Array(_) => None,
        }
    }

    /// The JSONata expressions in it.
    pub fn expressions(&self) -> Vec<&Jsonata> {
        let mut expressions = Vec::new();
        collect_expressions(&self.root, &mut expressions);
        expressions
    }

    /// The text of every path in the template, those of intrinsic calls' arguments included.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let mut paths = Vec::new();
        collect_paths(&self.root, &mut paths);
        paths.into_iter()
    }
}

fn parse_node(
    value: &Value,
    language: Language<'_>,
    pointer: &mut String,
    depth: usize,
    faults: &mut Vec<(String, String)>,
) -> Node {
    if depth > TEMPLATE_DEPTH_MAX {
        faults.push((
            pointer.clone(),
            format!("a template nests {TEMPLATE_DEPTH_MAX} levels at most: flatten it"),
        ));
        return Node::Literal(Value::Null);
    }
    match value {
        Value::Object(members) => {
            let mut parsed = Vec::with_capacity(members.len());
            for (key, member) in members {
                let length = pointer.len();
                push_pointer(pointer, key);
                parsed.extend(match language {
                    Language::JsonPath => {
                        parse_member(key, member, members, pointer, depth, faults)
                    }
                    Language::Jsonata(_) => Some(Member::Fixed(
                        key.clone(),
                        parse_node(member, language, pointer, depth + 1, faults),
                    )),
                });
                pointer.truncate(length);
            }
            let fixed = parsed
                .iter()
                .all(|member| matches!(member, Member::Fixed(_, Node::Literal(_))));
            if fixed {
                Node::Literal(value.clone())
            } else {
                Node::Object(parsed)
            }
        }
        Value::Array(items) => {
            let mut parsed = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                let length = pointer.len();
                push_pointer(pointer, &index.to_string());
                parsed.push(parse_node(item, language, pointer, depth + 1, faults));
                pointer.truncate(length);
            }
            let fixed = parsed.iter().all(|item| matches!(item, Node::Literal(_)));
            if fixed {
                Node::Literal(value.clone())
            } else {
                Node::Array(parsed)
            }
        }
        Value::String(text) => match language {
            Language::Jsonata(field) if Jsonata::is_meant(text) => {
                match Jsonata::parse(text, &format!("{field}{pointer}")) {
                    Ok(expression) => Node::Jsonata(Arc::new(expression)),
                    Err(why) => {
                        faults.push((pointer.clone(), why));
                        Node::Literal(Value::Null)
                    }
                }
            }
            Language::Jsonata(_) | Language::JsonPath => Node::Literal(value.clone()),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => Node::Literal(value.clone()),
    }
}

fn parse_member(
    key: &str,
    value: &Value,
    siblings: &Map<String, Value>,
    pointer: &mut String,
    depth: usize,
    faults: &mut Vec<(String, String)>,
) -> Option<Member> {
    let Some(name) = key.strip_suffix(DYNAMIC) else {
        return Some(Member::Fixed(
            key.to_owned(),
            parse_node(value, Language::JsonPath, pointer, depth + 1, faults),
        ));
    };
    if siblings.contains_key(name) {
        faults.push((
            pointer.clone(),
            format!("the field '{name}' is set twice, by '{name}' and by '{key}': keep one"),
        ));
    }
    let expression = match value {
        Value::String(text) => Expression::parse(text),
        _ => Err("it is not a string; a fixed value stands under a key without '.$'".to_owned()),
    };
    match expression {
        Ok(expression) => Some(Member::Dynamic(name.to_owned(), key.to_owned(), expression)),
        Err(why) => {
            faults.push((
                pointer.clone(),
                format!("The value for the field '{key}' must be a valid JSONPath or a valid intrinsic function call: {why}"),
            ));
            None
        }
    }
}

/// Appends one token, escaped as RFC 6901 has it.
fn push_pointer(pointer: &mut String, token: &str) {
    pointer.push('/');
    pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
}

fn fill(node: &Node, data: &Data<'_>, budget: &Budget, depth: usize) -> Result<Value, Error> {
    match node {
        Node::Literal(value) => Ok(value.clone()),
        Node::Jsonata(expression) => expression.get_within(data, budget).map(Cow::into_owned),
        Node::Array(items) => {
            let items = items.iter().map(|item| fill(item, data, budget, depth + 1));
            items.collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        Node::Object(members) => {
            let mut filled = Map::with_capacity(members.len());
            for member in members {
                match member {
                    Member::Fixed(key, node) => {
                        filled.insert(key.clone(), fill(node, data, budget, depth + 1)?)
                    }
                    Member::Dynamic(key, field, expression) => filled.insert(
                        key.clone(),
                        expression.fill(field, data, budget, depth + 1)?,
                    ),
                };
            }
            Ok(Value::Object(filled))
        }
    }
}

fn collect_variables(node: &Node, variables: &mut BTreeSet<String>) {
    match node {
        Node::Literal(_) => {}
        Node::Jsonata(expression) => variables.extend(expression.variables().map(str::to_owned)),
        Node::Array(items) => items
            .iter()
            .for_each(|item| collect_variables(item, variables)),
        Node::Object(members) => {
            for member in members {
                match member {
                    Member::Fixed(_, node) => collect_variables(node, variables),
                    Member::Dynamic(_, _, expression) => {
                        variables.extend(expression.variables().into_iter().map(str::to_owned));
                    }
                }
            }
        }
    }
}

fn collect_expressions<'t>(node: &'t Node, expressions: &mut Vec<&'t Jsonata>) {
    match node {
        Node::Literal(_) => {}
        Node::Jsonata(expression) => expressions.push(expression),
        Node::Array(items) => {
            items
                .iter()
                .for_each(|item| collect_expressions(item, expressions));
        }
        Node::Object(members) => {
            for member in members {
                if let Member::Fixed(_, node) = member {
                    collect_expressions(node, expressions);
                }
            }
        }
    }
}

fn collect_paths<'t>(node: &'t Node, paths: &mut Vec<&'t str>) {
    match node {
        Node::Literal(_) | Node::Jsonata(_) => {}
        Node::Array(items) => items.iter().for_each(|item| collect_paths(item, paths)),
        Node::Object(members) => {
            for member in members {
                match member {
                    Member::Fixed(_, node) => collect_paths(node, paths),
                    Member::Dynamic(_, _, expression) => paths.extend(expression.paths()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::query::Random;

    #[track_caller]
    fn check(template: Value, expected: Result<Value, &str>) {
        let (input, context) = (
            json!({"a": 1, "list": [1, 2]}),
            json!({"State": {"Name": "S"}}),
        );
        let data = Data::new(&input, &context, &Value::Null, Random::new([0; 32]));
        let filled = match Template::parse(&template) {
            Ok(template) => template.evaluate(&data).map_err(|error| error.to_string()),
            Err(faults) => {
                let lines = faults
                    .iter()
                    .map(|(pointer, what)| format!("{pointer} {what}"));
                Err(lines.collect::<Vec<_>>().join("\n"))
            }
        };
        assert_eq!(filled, expected.map_err(str::to_owned));
    }

    #[test]
    fn dynamic_keys_are_filled_and_others_kept() {
        check(
            json!({"x.$": "$.a", "fixed": {"$": "$.a"}, "deep": [{"n.$": "$$.State.Name"}, 7], "all.$": "$"}),
            Ok(
                json!({"x": 1, "fixed": {"$": "$.a"}, "deep": [{"n": "S"}, 7], "all": {"a": 1, "list": [1, 2]}}),
            ),
        );
        check(json!([1, "$.a"]), Ok(json!([1, "$.a"])));
    }

    #[test]
    fn missing_path_names_its_field_and_what_was_searched() {
        check(
            json!({"in": {"value.$": "$.x"}}),
            Err(
                r#"The JSONPath '$.x' specified for the field 'value.$' could not be found in the input '{"a":1,"list":[1,2]}'"#,
            ),
        );
        check(
            json!({"value.$": "$$.x"}),
            Err(
                r#"The JSONPath '$$.x' specified for the field 'value.$' could not be found in the input '{"State":{"Name":"S"}}'"#,
            ),
        );
    }

    #[test]
    fn index_past_the_end_is_null() {
        check(json!({"x.$": "$.list[5]"}), Ok(json!({"x": null})));
        check(json!({"x.$": "$.list[5:].y"}), Ok(json!({"x": []})));
    }

    #[test]
    fn all_faults_are_told_at_once() {
        check(json!({"a": [{"b~/.$": 1}], "c.$": "$.x[", "c": 0}), Err(
"/a/0/b~0~1.$ The value for the field 'b~/.$' must be a valid JSONPath or a valid intrinsic function call: it is not a string; a fixed value stands under a key without '.$'
/c.$ the field 'c' is set twice, by 'c' and by 'c.$': keep one
/c.$ The value for the field 'c.$' must be a valid JSONPath or a valid intrinsic function call: column 5: expected an index, a slice, '*', a quoted name or '?(' inside brackets, found the end"));
    }

    #[test]
    fn template_that_would_explode_is_stopped() {
        let big = Value::String("x".repeat(200_000));
        let members = (0..1_000).map(|index| (format!("k{index}.$"), json!("$")));
        let template =
            Template::parse(&Value::Object(members.collect())).expect("the paths are well-formed");
        let data = Data::new(&big, &Value::Null, &Value::Null, Random::new([0; 32]));
        let error = template.evaluate(&data).expect_err("200 MB are too much");
        assert_eq!(error.name(), "States.DataLimitExceeded");
    }

    #[test]
    fn paths_are_listed_with_those_of_calls() {
        let template =
            json!({"a.$": "$.x", "b": [{"c.$": "States.Array($.y, States.Array($$.z))"}]});
        let template = Template::parse(&template).expect("the paths are well-formed");
        assert_eq!(template.paths().collect::<Vec<_>>(), ["$.x", "$.y", "$$.z"]);
    }
}
