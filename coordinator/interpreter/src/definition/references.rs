//! Which variables each state reads. Source: Step Functions, DescribeStateMachine, `variableReferences`.

use std::collections::{BTreeMap, BTreeSet};

use super::QueryLanguage;
use super::document::{Content, Node};
use super::fault::Faults;
use super::graph::{all_blocks, states};
use super::reader::read;
use crate::query::{Expression, Jsonata};

/// The states of a valid definition that read variables, and of each the names without `$`. A state is asked for its own
/// fields, not for those of the states inside it.
pub fn variable_references(definition: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut references = BTreeMap::new();
    let Some((document, root)) = read(definition, &mut Faults::default()) else {
        return references;
    };
    let root = document.node(root);
    let language = language_of(root).unwrap_or(QueryLanguage::JsonPath);
    for (name, state) in all_blocks(root).into_iter().flat_map(states) {
        let mut names = BTreeSet::new();
        read_fields(state, language_of(state).unwrap_or(language), &mut names);
        if !names.is_empty() {
            references.insert(name.to_owned(), names);
        }
    }
    references
}

fn language_of(node: Node<'_>) -> Option<QueryLanguage> {
    match node.get("QueryLanguage")?.as_str()? {
        "JSONata" => Some(QueryLanguage::Jsonata),
        _ => Some(QueryLanguage::JsonPath),
    }
}

/// Reads the fields of a state, or of what stands in one: a rule, a catcher, an undo.
fn read_fields(node: Node<'_>, language: QueryLanguage, names: &mut BTreeSet<String>) {
    for element in node.elements() {
        read_fields(element, language, names);
    }
    for (name, field) in node.members() {
        match name {
            "Branches" | "ItemProcessor" | "Iterator" | "Result" | "Comment" => {}
            _ if language == QueryLanguage::Jsonata => read_jsonata(field, names),
            "Parameters" | "ResultSelector" | "ItemSelector" | "BatchInput" | "Credentials"
            | "Assign" => {
                read_template(field, names);
            }
            _ => match field.content() {
                Content::String(text) if name.ends_with("Path") || name == "Variable" => {
                    read_expression(text, names);
                }
                _ => read_fields(field, language, names),
            },
        }
    }
}

fn read_jsonata(node: Node<'_>, names: &mut BTreeSet<String>) {
    if let Some(text) = node.as_str()
        && Jsonata::is_meant(text)
        && let Ok(expression) = Jsonata::parse(text, "")
    {
        names.extend(expression.variables().map(str::to_owned));
    }
    for part in node.elements().chain(node.members().map(|(_, part)| part)) {
        read_jsonata(part, names);
    }
}

fn read_template(node: Node<'_>, names: &mut BTreeSet<String>) {
    for element in node.elements() {
        read_template(element, names);
    }
    for (name, member) in node.members() {
        match member.as_str() {
            Some(text) if name.ends_with(".$") => read_expression(text, names),
            _ => read_template(member, names),
        }
    }
}

fn read_expression(text: &str, names: &mut BTreeSet<String>) {
    if let Ok(expression) = Expression::parse(text) {
        names.extend(expression.variables().into_iter().map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Machine;

    fn check(definition: &str, expected: &[(&str, &[&str])]) {
        Machine::parse(definition).expect("it is valid");
        let found = variable_references(definition);
        let found: Vec<(&str, Vec<&str>)> = found
            .iter()
            .map(|(state, names)| (state.as_str(), names.iter().map(String::as_str).collect()))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(state, names)| (*state, names.to_vec()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn paths_and_templates_read_variables() {
        check(
            r#"{"StartAt":"A","States":{
                "A":{"Type":"Pass","InputPath":"$b","Result":{"x.$":"$no"},"Assign":{"a":"$no","c.$":"$.d"},"Next":"E"},
                "E":{"Type":"Choice","Choices":[{"And":[{"Variable":"$f","StringEqualsPath":"$g.h"},
                    {"Variable":"$$.State.Name","StringEquals":"$no"}],"Next":"I","Assign":{"a.$":"States.Format('{}', $j)"}}],"Default":"I"},
                "I":{"Type":"Task","Resource":"queue:i","Parameters":{"InputPath":"$no","deep":[{"k.$":"$k[0]"}]},
                    "Compensate":{"Resource":"queue:u","Parameters":{"l.$":"$l"}},"TimeoutSecondsPath":"$m","End":true}}}"#,
            &[
                ("A", &["b"]),
                ("E", &["f", "g", "j"]),
                ("I", &["k", "l", "m"]),
            ],
        );
    }

    #[test]
    fn expressions_of_jsonata_read_variables_that_are_not_their_own() {
        check(
            r#"{"QueryLanguage":"JSONata","StartAt":"A","States":{
                "A":{"Type":"Task","Resource":"queue:a","Arguments":{"b":["{% ($c := $d; $c + $states.input) %}","$no"]},
                    "Catch":[{"ErrorEquals":["E"],"Next":"F","Output":"{% $e & $uppercase('x') %}"}],"Next":"F"},
                "F":{"Type":"Map","Items":"{% $g %}","End":true,"ItemProcessor":{"StartAt":"H","States":{
                    "H":{"Type":"Succeed","Output":"{% $h %}"}}}}}}"#,
            &[("A", &["d", "e"]), ("F", &["g"]), ("H", &["h"])],
        );
    }
}
