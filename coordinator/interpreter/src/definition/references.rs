//! Which variables each state reads, and whether anything assigns them. Source: Step Functions, DescribeStateMachine,
//! `variableReferences`; States Language, "Variables".

use std::collections::{BTreeMap, BTreeSet};

use super::QueryLanguage;
use super::document::{Content, Node};
use super::fault::{FaultCode, Faults, excerpt};
use super::graph::{all_blocks, inner_blocks, states};
use super::reader::read;
use super::spelling::did_you_mean;
use crate::query::{Expression, Jsonata};

/// A variable that is read, and where.
type Reference<'d> = (String, Node<'d>);

/// The states of a valid definition that read variables, and of each the names without `$`. A state is asked for its own
/// fields, not for those of the states inside it.
pub fn variable_references(definition: &str) -> BTreeMap<String, BTreeSet<String>> {
    let Some((document, root)) = read(definition, &mut Faults::default()) else {
        return BTreeMap::new();
    };
    let root = document.node(root);
    let language = language_of(root).unwrap_or(QueryLanguage::JsonPath);
    let states = all_blocks(root).into_iter().flat_map(states);
    let references = states.map(|(name, state)| {
        let names = references_of(state, language).into_iter();
        (name.to_owned(), names.map(|(name, _)| name).collect())
    });
    references
        .filter(|(_, names): &(_, BTreeSet<String>)| !names.is_empty())
        .collect()
}

/// Warns of what is read and nowhere assigned: a state that reads it fails. Step Functions takes such a definition all the same.
pub(super) fn warn_of_unassigned(root: Node<'_>, faults: &mut Faults) {
    let language = language_of(root).unwrap_or(QueryLanguage::JsonPath);
    let mut blocks = vec![(root, BTreeSet::new())];
    while let Some((block, around)) = blocks.pop() {
        let mut seen: BTreeSet<&str> = around;
        seen.extend(states(block).flat_map(|(_, state)| assigned(state)));
        for (_, state) in states(block) {
            for (name, place) in references_of(state, language) {
                if !seen.contains(name.as_str()) && !faults.full() {
                    let remedy = did_you_mean(&name, seen.iter().copied(), || {
                        "name it in an 'Assign' of a state that comes before".to_owned()
                    });
                    let problem = format!("Nothing assigns the variable '{}'", excerpt(&name));
                    faults.warning(place.spot(), FaultCode::UnassignedVariable, problem, remedy);
                }
            }
            let is_distributed = is_distributed(state);
            let inside = inner_blocks(state).map(|block| match is_distributed {
                // Executions of their own see nothing of this one.
                true => (block, BTreeSet::new()),
                false => (block, seen.clone()),
            });
            blocks.extend(inside);
        }
    }
}

/// The variables that a state, its catchers and its rules assign.
fn assigned(state: Node<'_>) -> impl Iterator<Item = &str> {
    let rules = state.get("Choices").into_iter().flat_map(Node::elements);
    let catchers = state.get("Catch").into_iter().flat_map(Node::elements);
    let places = std::iter::once(state).chain(rules).chain(catchers);
    let assigns = places.filter_map(|place| place.get("Assign"));
    let names = assigns.flat_map(Node::members).map(|(name, _)| name);
    names.map(|name| name.strip_suffix(".$").unwrap_or(name))
}

fn is_distributed(state: Node<'_>) -> bool {
    let config = state
        .get("ItemProcessor")
        .and_then(|processor| processor.get("ProcessorConfig"));
    config.and_then(|config| config.get("Mode")?.as_str()) == Some("DISTRIBUTED")
}

fn language_of(node: Node<'_>) -> Option<QueryLanguage> {
    match node.get("QueryLanguage")?.as_str()? {
        "JSONata" => Some(QueryLanguage::Jsonata),
        _ => Some(QueryLanguage::JsonPath),
    }
}

fn references_of<'d>(state: Node<'d>, language: QueryLanguage) -> Vec<Reference<'d>> {
    let mut references = Vec::new();
    let language = language_of(state).unwrap_or(language);
    read_fields(state, language, &mut references);
    references
}

/// Reads the fields of a state, or of what stands in one: a rule, a catcher, an undo.
fn read_fields<'d>(node: Node<'d>, language: QueryLanguage, references: &mut Vec<Reference<'d>>) {
    for element in node.elements() {
        read_fields(element, language, references);
    }
    for (name, field) in node.members() {
        match name {
            "Branches" | "ItemProcessor" | "Iterator" | "Result" | "Comment" => {}
            _ if language == QueryLanguage::Jsonata => read_jsonata(field, references),
            "Parameters" | "ResultSelector" | "ItemSelector" | "BatchInput" | "Credentials"
            | "Assign" => {
                read_template(field, references);
            }
            _ => match field.content() {
                Content::String(text) if name.ends_with("Path") || name == "Variable" => {
                    read_expression(field, text, references);
                }
                _ => read_fields(field, language, references),
            },
        }
    }
}

fn read_jsonata<'d>(node: Node<'d>, references: &mut Vec<Reference<'d>>) {
    if let Some(text) = node.as_str()
        && Jsonata::is_meant(text)
        && let Ok(expression) = Jsonata::parse(text, "")
    {
        let variables = expression.variables();
        references.extend(variables.map(|name| (name.to_owned(), node)));
    }
    for part in node.elements().chain(node.members().map(|(_, part)| part)) {
        read_jsonata(part, references);
    }
}

fn read_template<'d>(node: Node<'d>, references: &mut Vec<Reference<'d>>) {
    for element in node.elements() {
        read_template(element, references);
    }
    for (name, member) in node.members() {
        match member.as_str() {
            Some(text) if name.ends_with(".$") => read_expression(member, text, references),
            _ => read_template(member, references),
        }
    }
}

fn read_expression<'d>(node: Node<'d>, text: &str, references: &mut Vec<Reference<'d>>) {
    if let Ok(expression) = Expression::parse(text) {
        let variables = expression.variables().into_iter();
        references.extend(variables.map(|name| (name.to_owned(), node)));
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

    #[track_caller]
    fn check_warnings(definition: &str, expected: &[&str]) {
        let (_, warnings) = Machine::parse(definition).expect("it is valid");
        let found: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_nothing_assigns_is_warned_about_where_it_is_read() {
        check_warnings(
            r#"{"StartAt":"A","States":{
                "A":{"Type":"Pass","Assign":{"total":1},"Next":"B"},
                "B":{"Type":"Parallel","Next":"C","Branches":[{"StartAt":"D","States":{
                    "D":{"Type":"Pass","Parameters":{"t.$":"$total","i.$":"$inner"},"Assign":{"inner":2},"End":true}}}]},
                "C":{"Type":"Pass","Parameters":{"t.$":"$totl","i.$":"$inner"},"End":true}}}"#,
            &[
                "line 5, /States/C/Parameters/t.$: Nothing assigns the variable 'totl'; did you mean 'total'?",
                "line 5, /States/C/Parameters/i.$: Nothing assigns the variable 'inner'; \
                 name it in an 'Assign' of a state that comes before",
            ],
        );
    }

    #[test]
    fn the_executions_of_a_distributed_map_see_no_variable_of_their_parent() {
        let machine = |mode: &str| {
            format!(
                r#"{{"QueryLanguage":"JSONata","StartAt":"A","States":{{
                    "A":{{"Type":"Pass","Assign":{{"n":1}},"Next":"M"}},
                    "M":{{"Type":"Map","Items":"{{% [$n] %}}","End":true,"ItemProcessor":{{"ProcessorConfig":{{"Mode":"{mode}"}},
                        "StartAt":"P","States":{{"P":{{"Type":"Pass","Output":"{{% $n %}}","End":true}}}}}}}}}}}}"#
            )
        };
        check_warnings(&machine("INLINE"), &[]);
        check_warnings(
            &machine("DISTRIBUTED"),
            &[
                "line 4, /States/M/ItemProcessor/States/P/Output: Nothing assigns the variable 'n'; \
                 name it in an 'Assign' of a state that comes before",
            ],
        );
    }
}
