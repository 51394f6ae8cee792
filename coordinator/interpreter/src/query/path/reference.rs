//! Where a result goes: the reference paths that ResultPath allows.

use serde_json::{Map, Value};

use super::Path;
use super::compiled::Root;
use super::step::Step;
use crate::query::Error;
use crate::query::budget::check_depth;

/// A path that names exactly one node by names and array indexes: `$`, `$.a.b`, `$.a[0]`.
///
/// Source: States Language, "Reference Paths".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferencePath {
    path: Path,
}

impl ReferencePath {
    /// Reads a reference path.
    ///
    /// # Errors
    /// What is wrong with the text and what would be right.
    pub fn parse(text: &str) -> Result<ReferencePath, String> {
        let path = Path::parse(text)?;
        let what = match path.root {
            Root::Input => None,
            Root::Context => Some("the context object cannot be written to"),
            Root::Variable(_) => Some("variables are written to by 'Assign'"),
        };
        if let Some(what) = what {
            return Err(format!("column 1: {what}: start the path with '$.'"));
        }
        let refused = path.steps.iter().find(|step| match step {
            Step::Property(_) => false,
            Step::Index(index) => *index < 0,
            _ => true,
        });
        match refused {
            Some(step) => Err(format!(
                "'{step}' may name more than one node: a reference path has only names and indexes from 0, as in $.a.b[0]"
            )),
            None => Ok(ReferencePath { path }),
        }
    }

    /// The path as written.
    pub fn text(&self) -> &str {
        self.path.text()
    }

    /// `target` with `value` at the path. Objects that are missing on the way are created; what
    /// stands at the path is replaced.
    ///
    /// # Errors
    /// [`Error::ResultPath`] where the path goes through something that is no object or array, or
    /// through an array item that is not there; [`Error::Limit`] where the value would nest too deeply.
    pub fn put(&self, target: Value, value: Value) -> Result<Value, Error> {
        check_depth(&value, self.path.steps.len())
            .map_err(|excess| Error::limit(self.text(), excess))?;
        let mut target = target;
        let Some(place) = self.place(&mut target) else {
            return Err(Error::ResultPath {
                path: self.path.text.clone(),
                input: target.to_string(),
            });
        };
        *place = value;
        Ok(target)
    }

    /// The place to write to. Nothing is created before the path is known to fit.
    fn place<'v>(&self, target: &'v mut Value) -> Option<&'v mut Value> {
        if !self.fits(target) {
            return None;
        }
        let mut place = target;
        for step in &self.path.steps {
            place = match (step, place) {
                (Step::Property(name), Value::Object(members)) => members
                    .entry(name.clone())
                    .or_insert_with(|| Value::Object(Map::new())),
                (Step::Index(index), Value::Array(items)) => usize::try_from(*index)
                    .ok()
                    .and_then(|index| items.get_mut(index))?,
                _ => return None,
            };
        }
        Some(place)
    }

    fn fits(&self, target: &Value) -> bool {
        let mut place = Some(target);
        for step in &self.path.steps {
            place = match (step, place) {
                (Step::Property(name), Some(Value::Object(members))) => members.get(name),
                (Step::Property(_), None) => None,
                (Step::Index(index), Some(Value::Array(items))) => {
                    let item = usize::try_from(*index)
                        .ok()
                        .and_then(|index| items.get(index));
                    if item.is_none() {
                        return false;
                    }
                    item
                }
                _ => return false,
            };
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(path: &str, target: Value, expected: Result<Value, &str>) {
        let put = ReferencePath::parse(path).and_then(|path| {
            path.put(target, json!("new"))
                .map_err(|error| error.to_string())
        });
        assert_eq!(put, expected.map_err(str::to_owned));
    }

    #[test]
    fn missing_objects_are_created() {
        check(
            "$.a.b",
            json!({"c": 1}),
            Ok(json!({"c": 1, "a": {"b": "new"}})),
        );
    }

    #[test]
    fn present_value_is_replaced_in_place() {
        check(
            "$.a[1].b",
            json!({"a": [0, {"b": 1}], "z": 2}),
            Ok(json!({"a": [0, {"b": "new"}], "z": 2})),
        );
    }

    #[test]
    fn root_replaces_everything() {
        check("$", json!([1]), Ok(json!("new")));
    }

    #[test]
    fn scalar_on_the_way_is_refused_and_left_alone() {
        check(
            "$.a",
            json!("text"),
            Err(r#"Unable to apply ReferencePath $.a to input "text""#),
        );
        check(
            "$.a.b.c",
            json!({"a": 1}),
            Err(r#"Unable to apply ReferencePath $.a.b.c to input {"a":1}"#),
        );
        check(
            "$.a[2]",
            json!({"a": [1]}),
            Err(r#"Unable to apply ReferencePath $.a[2] to input {"a":[1]}"#),
        );
    }

    #[test]
    fn path_of_many_nodes_is_refused() {
        check(
            "$.a[*]",
            json!({}),
            Err(
                "'[*]' may name more than one node: a reference path has only names and indexes from 0, as in $.a.b[0]",
            ),
        );
        check(
            "$$.a",
            json!({}),
            Err("column 1: the context object cannot be written to: start the path with '$.'"),
        );
        check(
            ".a",
            json!({}),
            Err(
                "column 1: a path starts with '$' for the input or '$$' for the context object, found '.'",
            ),
        );
    }
}
