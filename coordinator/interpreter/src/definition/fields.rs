//! The fields of one object of a definition: which there may be, and what each holds.
//!
//! A getter that finds a fault reports it and gives `None`, as if the field were not there: the definition is refused
//! in the end, and the checks of the other fields still run.

use std::ops::RangeInclusive;

use super::QueryLanguage;
use super::document::Node;
use super::fault::{FaultCode, Faults, excerpt};
use super::handover::jsonata_template;
use super::spelling::did_you_mean;
use super::vocabulary::elsewhere;
use crate::query::{Expression, Path, ReferencePath, Template};

/// What one kind of object may hold.
pub(super) struct Shape {
    /// The kind, for use in a sentence: "a Wait state".
    pub(super) kind: &'static str,
    /// The fields there may be in both languages.
    pub(super) fields: &'static [&'static str],
    /// Those there may be with JSONPath only.
    pub(super) json_path: &'static [&'static str],
    /// Those there may be with JSONata only.
    pub(super) jsonata: &'static [&'static str],
}

impl Shape {
    /// All fields there may be in this language.
    fn fields_in(&self, language: QueryLanguage) -> impl Iterator<Item = &'static str> {
        let more = match language {
            QueryLanguage::JsonPath => self.json_path,
            QueryLanguage::Jsonata => self.jsonata,
        };
        self.fields.iter().chain(more).copied()
    }
}

/// An object whose field names are known to be right or reported.
#[derive(Clone, Copy)]
pub(super) struct Fields<'d> {
    node: Node<'d>,
}

impl<'d> Fields<'d> {
    /// Opens an object; `None` when it is none.
    pub(super) fn open(node: Node<'d>, shape: &Shape, faults: &mut Faults) -> Option<Fields<'d>> {
        if !node.is_object() {
            wrong_type(
                node,
                "Object",
                &format!("{} is an object", shape.kind),
                faults,
            );
            return None;
        }
        for (name, member) in node.members() {
            if !shape.fields_in(node.language()).any(|known| known == name) {
                unknown_field(name, member, shape, faults);
            }
        }
        let fields = Fields { node };
        if shape.fields.contains(&"Comment") {
            fields.string("Comment", faults);
        }
        Some(fields)
    }

    /// An object whose field names are checked elsewhere.
    pub(super) fn of(node: Node<'d>) -> Fields<'d> {
        Fields { node }
    }

    /// The object itself.
    pub(super) fn node(self) -> Node<'d> {
        self.node
    }

    /// A field's value, if it is there.
    pub(super) fn get(self, name: &str) -> Option<Node<'d>> {
        self.node.get(name)
    }

    /// Reports, in one fault, those of the fields that are not there.
    pub(super) fn require(self, names: &[&str], faults: &mut Faults) {
        let missing: Vec<_> = names
            .iter()
            .filter(|name| self.get(name).is_none())
            .copied()
            .collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            faults.schema(
                self.node.spot(),
                format!("These fields are required: [{missing}]"),
                format!("add {missing}"),
            );
        }
    }

    /// The one of the fields that is there; more than one is a fault.
    pub(super) fn at_most_one(
        self,
        names: &[&'static str],
        faults: &mut Faults,
    ) -> Option<(&'static str, Node<'d>)> {
        let mut present = names
            .iter()
            .filter_map(|name| Some((*name, self.get(name)?)));
        let first = present.next()?;
        for (name, second) in present {
            faults.schema(
                second.key_spot(),
                format!(
                    "Only one of these fields is allowed: [{}]",
                    names.join(", ")
                ),
                format!("keep '{}' or '{name}'", first.0),
            );
        }
        Some(first)
    }

    /// The one of the fields that is there; none and more than one are faults.
    pub(super) fn exactly_one(
        self,
        names: &[&'static str],
        faults: &mut Faults,
    ) -> Option<(&'static str, Node<'d>)> {
        let found = self.at_most_one(names, faults);
        if found.is_none() {
            let names = names.join(", ");
            faults.schema(
                self.node.spot(),
                format!("Exactly one of these fields is required: [{names}]"),
                format!("add one of {names}"),
            );
        }
        found
    }

    /// A string.
    pub(super) fn string(self, name: &str, faults: &mut Faults) -> Option<&'d str> {
        string(self.get(name)?, faults)
    }

    /// A boolean.
    pub(super) fn boolean(self, name: &str, faults: &mut Faults) -> Option<bool> {
        boolean(self.get(name)?, faults)
    }

    /// An integer within a range.
    pub(super) fn integer(
        self,
        name: &str,
        range: RangeInclusive<u32>,
        faults: &mut Faults,
    ) -> Option<u32> {
        integer(self.get(name)?, range, faults)
    }

    /// A path.
    pub(super) fn path(self, name: &str, faults: &mut Faults) -> Option<Path> {
        path(self.get(name)?, faults)
    }

    /// `Parameters`, or `Arguments` of JSONata.
    pub(super) fn arguments(self, faults: &mut Faults) -> Option<Template> {
        self.template(
            match self.node.language() {
                QueryLanguage::JsonPath => "Parameters",
                QueryLanguage::Jsonata => "Arguments",
            },
            faults,
        )
    }

    /// `ResultPath`: the whole value when absent, `None` for `null`.
    pub(super) fn result_path(self, faults: &mut Faults) -> Option<ReferencePath> {
        match self.get("ResultPath") {
            None => Some(ReferencePath::parse("$").expect("'$' is a reference path")),
            Some(node) if node.is_null() => None,
            Some(node) => {
                let text = string(node, faults)?;
                query(
                    node,
                    ReferencePath::parse(text),
                    "Value is not a Reference Path",
                    faults,
                )
            }
        }
    }

    /// A payload template: any JSON value, whose objects' fields that end in `.$` hold paths.
    pub(super) fn template(self, name: &str, faults: &mut Faults) -> Option<Template> {
        let node = self.get(name)?;
        if node.language() == QueryLanguage::Jsonata {
            return jsonata_template(node, faults);
        }
        warn_of_missing_dollars(node, faults);
        match Template::parse(&node.to_value()) {
            Ok(template) => Some(template),
            Err(problems) => {
                for (pointer, remedy) in problems {
                    let place = node.find(&pointer).unwrap_or(node);
                    let problem = match place.key() {
                        Some(key) if key.ends_with(".$") => format!(
                            "The value for the field '{}' must be a valid JSONPath or a valid intrinsic function call",
                            excerpt(key)
                        ),
                        _ => "Value is not a valid payload template".to_owned(),
                    };
                    faults.schema(place.spot(), problem, remedy);
                }
                None
            }
        }
    }

    /// The elements of an array that must not be empty.
    pub(super) fn filled_array(self, name: &str, faults: &mut Faults) -> Vec<Node<'d>> {
        let Some(node) = self.get(name) else {
            return Vec::new();
        };
        let elements = array(node, faults);
        if elements.as_ref().is_some_and(Vec::is_empty) {
            faults.schema(
                node.spot(),
                "Value cannot be empty",
                format!("'{name}' holds at least one entry"),
            );
        }
        elements.unwrap_or_default()
    }
}

/// `InputPath` or `OutputPath` of a state: the whole value when absent, `None` for `null`.
pub(super) fn nullable_path(state: Node<'_>, name: &str, faults: &mut Faults) -> Option<Path> {
    match state.get(name) {
        None => Some(Path::parse("$").expect("'$' is a path")),
        Some(node) if node.is_null() => None,
        Some(node) => path(node, faults),
    }
}

/// A string.
pub(super) fn string<'d>(node: Node<'d>, faults: &mut Faults) -> Option<&'d str> {
    let text = node.as_str();
    if text.is_none() {
        wrong_type(node, "String", "write a text in double quotes", faults);
    }
    text
}

/// A boolean.
pub(super) fn boolean(node: Node<'_>, faults: &mut Faults) -> Option<bool> {
    let boolean = node.as_bool();
    if boolean.is_none() {
        wrong_type(
            node,
            "Boolean",
            "write true or false, without quotes",
            faults,
        );
    }
    boolean
}

/// The elements of an array.
pub(super) fn array<'d>(node: Node<'d>, faults: &mut Faults) -> Option<Vec<Node<'d>>> {
    if !node.is_array() {
        wrong_type(node, "Array", "write a list in square brackets", faults);
        return None;
    }
    Some(node.elements().collect())
}

/// An integer within a range.
pub(super) fn integer(
    node: Node<'_>,
    range: RangeInclusive<u32>,
    faults: &mut Faults,
) -> Option<u32> {
    let bounds = format!(
        "write an integer from {} to {}, without quotes",
        range.start(),
        range.end()
    );
    let Some(number) = node.as_number().filter(|number| !number.is_f64()) else {
        wrong_type(node, "Integer", &bounds, faults);
        return None;
    };
    let value = number.as_u64().and_then(|value| u32::try_from(value).ok());
    match value {
        Some(value) if range.contains(&value) => Some(value),
        _ => {
            let below = number.as_f64() < Some(f64::from(*range.start()));
            let problem = if below {
                format!("Minimum value is {}", range.start())
            } else {
                format!("Maximum value is {}", range.end())
            };
            faults.schema(node.spot(), problem, bounds);
            None
        }
    }
}

/// A number within a range.
pub(super) fn number(
    node: Node<'_>,
    range: RangeInclusive<f64>,
    faults: &mut Faults,
) -> Option<f64> {
    let bounds = format!(
        "write a number from {} to {}, without quotes",
        range.start(),
        range.end()
    );
    let Some(value) = node.as_number().and_then(serde_json::Number::as_f64) else {
        wrong_type(node, "Number", &bounds, faults);
        return None;
    };
    if range.contains(&value) {
        return Some(value);
    }
    let problem = if value < *range.start() {
        format!("Minimum value is {}", range.start())
    } else {
        format!("Maximum value is {}", range.end())
    };
    faults.schema(node.spot(), problem, bounds);
    None
}

/// A path.
pub(super) fn path(node: Node<'_>, faults: &mut Faults) -> Option<Path> {
    let text = string(node, faults)?;
    query(
        node,
        Path::parse(text),
        "Value is not a valid JSONPath",
        faults,
    )
}

/// A path or an intrinsic.
pub(super) fn expression(node: Node<'_>, faults: &mut Faults) -> Option<Expression> {
    let text = string(node, faults)?;
    let problem = "Value is not a valid JSONPath or a valid intrinsic function call";
    query(node, Expression::parse(text), problem, faults)
}

pub(super) fn query<T>(
    node: Node<'_>,
    parsed: Result<T, String>,
    problem: &str,
    faults: &mut Faults,
) -> Option<T> {
    parsed
        .map_err(|remedy| faults.schema(node.spot(), problem, remedy))
        .ok()
}

/// Reports a value of another type than the field has.
pub(super) fn wrong_type(node: Node<'_>, expected: &str, remedy: &str, faults: &mut Faults) {
    faults.schema(
        node.spot(),
        format!("Expected value of type {expected}"),
        remedy,
    );
}

fn unknown_field(name: &str, member: Node<'_>, shape: &Shape, faults: &mut Faults) {
    if faults.full() {
        return;
    }
    let shown = excerpt(name);
    let remedy = match elsewhere(name) {
        Some(place) => format!("'{shown}' stands in {place}"),
        None => {
            let known: Vec<&str> = shape.fields_in(member.language()).collect();
            did_you_mean(name, known.iter().copied(), || {
                format!("{} has these: {}", shape.kind, known.join(", "))
            })
        }
    };
    let problem = format!("Field '{shown}' is not supported");
    faults.schema(member.key_spot(), problem, remedy);
}

/// A text that begins like a path where no path is read is sent as it stands, which is hardly meant.
fn warn_of_missing_dollars(node: Node<'_>, faults: &mut Faults) {
    for (key, member) in node.members() {
        let looks_like_path = member.as_str().is_some_and(|text| {
            ["$.", "$$.", "$["]
                .iter()
                .any(|start| text.starts_with(start))
        });
        if looks_like_path && !key.ends_with(".$") {
            let key = excerpt(key);
            faults.warning(
                member.key_spot(),
                FaultCode::NoDollar,
                format!("The value of '{key}' looks like a path, but is sent as it stands"),
                format!("name the field '{key}.$' to send what the path finds"),
            );
        }
        warn_of_missing_dollars(member, faults);
    }
    for element in node.elements() {
        warn_of_missing_dollars(element, faults);
    }
}

#[cfg(test)]
mod tests {
    use crate::definition::fault::tests::state_faults;

    fn check(fields: &str, expected: &[&str]) {
        let state = format!(r#"{{"Type":"Pass","End":true,{fields}}}"#);
        assert_eq!(state_faults(&state), expected);
    }

    #[test]
    fn a_template_is_checked_to_its_depths() {
        check(
            r#""Parameters":{"a":[{"b.$":"$.c"}],"d.$":"States.UUID()"}"#,
            &[],
        );
        check(r#""Parameters":["a",1,null]"#, &[]);
        let problem = |key: &str| {
            format!(
                "The value for the field '{key}' must be a valid JSONPath or a valid intrinsic function call"
            )
        };
        check(
            r#""Parameters":{"a/b":[{"c.$":"d"}],"e.$":7}"#,
            &[
                &format!("/Parameters/a~1b/0/c.$ {}", problem("c.$")),
                &format!("/Parameters/e.$ {}", problem("e.$")),
            ],
        );
    }

    #[test]
    fn a_path_that_is_sent_as_it_stands_is_warned_about() {
        check(
            r#""Parameters":{"a":"$.b","c":"$5","d":["$.e"]}"#,
            &[
                "/Parameters/a warning: The value of 'a' looks like a path, but is sent as it stands",
            ],
        );
    }

    #[test]
    fn paths_are_checked() {
        check(
            r#""InputPath":"a","OutputPath":7,"ResultPath":"$.a[*]""#,
            &[
                "/InputPath Value is not a valid JSONPath",
                "/OutputPath Expected value of type String",
                "/ResultPath Value is not a Reference Path",
            ],
        );
        check(
            r#""InputPath":null,"OutputPath":null,"ResultPath":null"#,
            &[],
        );
    }

    #[test]
    fn a_field_of_another_state_type_is_told_where_it_belongs() {
        let definition =
            r#"{"StartAt":"A","States":{"A":{"Type":"Pass","End":true,"Retry":[],"Itmes":1}}}"#;
        let errors = crate::definition::Machine::parse(definition).expect_err("two faults");
        let remedies: Vec<_> = errors.iter().map(|fault| fault.remedy.as_str()).collect();
        let fields = "a Pass state has these: Type, Comment, QueryLanguage, Next, End, Assign, InputPath, Parameters, \
                      Result, ResultPath, OutputPath";
        assert_eq!(
            remedies,
            ["'Retry' stands in a Task, a Parallel or a Map", fields]
        );
    }
}
