//! A Map: its processor, its items, how many at a time and how many may fail.

use super::compensation::parse_compensate;
use super::dataset::{parse_batcher, parse_count, parse_reader, parse_writer};
use super::distributed::parse_config;
use super::document::Node;
use super::fault::Faults;
use super::fields::{Fields, number, path};
use super::handover::Written;
use super::parse::Parser;
use super::recovery::{parse_catch, parse_retry};
use super::states::parse_transition;
use super::vocabulary::{MAP, PROCESSOR};
use super::{BlockId, Count, Map, Percentage, Resource};

/// Reads a Map state.
pub(super) fn parse_map(node: Node<'_>, parser: &mut Parser) -> Option<Map> {
    let fields = Fields::open(node, &MAP, &mut parser.faults)?;
    let processor = parse_processor(fields, parser);
    let reader = parse_reader(fields, parser);
    let writer = parse_writer(fields, parser);
    let faults = &mut parser.faults;
    let items_path = fields.path("ItemsPath", faults);
    let items = fields.template("Items", faults);
    let item_selector = fields
        .at_most_one(&["ItemSelector", "Parameters"], faults)
        .and_then(|(name, _)| fields.template(name, faults));
    let concurrency = ["MaxConcurrency", "MaxConcurrencyPath"];
    let max_concurrency = parse_count(fields, concurrency, 0..=u32::MAX, faults);
    let tolerated = ["ToleratedFailureCount", "ToleratedFailureCountPath"];
    let tolerated_count = parse_count(fields, tolerated, 0..=u32::MAX, faults);
    let tolerated_percentage = parse_percentage(fields, faults);
    let batcher = parse_batcher(fields, faults);
    let result_selector = fields.template("ResultSelector", faults);
    let result_path = fields.result_path(faults);
    let retry = parse_retry(fields, faults).unwrap_or_default();
    let catch = parse_catch(fields, faults);
    let compensate = parse_compensate(fields, None, faults);
    let transition = parse_transition(fields, faults)?;
    let (processor, runs, is_distributed) = processor?;
    Some(Map {
        processor,
        runs,
        is_distributed,
        reader,
        batcher,
        writer,
        items_path,
        items,
        item_selector,
        max_concurrency: max_concurrency.unwrap_or(Count::Literal(0)),
        tolerated_count,
        tolerated_percentage,
        result_selector,
        result_path,
        retry,
        catch,
        compensate,
        transition,
    })
}

/// The states of the processor, what an iteration runs, and whether that is an execution of its own.
fn parse_processor(fields: Fields<'_>, parser: &mut Parser) -> Option<(BlockId, BlockId, bool)> {
    let names = ["ItemProcessor", "Iterator"];
    let Some((_, node)) = fields.at_most_one(&names, &mut parser.faults) else {
        let problem = "These fields are required: [ItemProcessor]";
        let remedy = "add ItemProcessor, with the states that each item goes through";
        parser.faults.schema(fields.node().spot(), problem, remedy);
        return None;
    };
    let fields_of_it = Fields::open(node, &PROCESSOR, &mut parser.faults)?;
    let is_distributed = parse_config(fields, fields_of_it, &mut parser.faults);
    let processor = parser.block(fields_of_it);
    let label = fields.string("Label", &mut parser.faults);
    let label = label.filter(|label| is_label(label, fields, &mut parser.faults));
    let name = fields.node().key().unwrap_or_default();
    let label = label.map_or_else(|| label_of(name), str::to_owned);
    let runs = match is_distributed {
        true => parser.hidden_block(fields.node(), "item", Resource::Item { label, processor }),
        false => processor,
    };
    Some((processor, runs, is_distributed))
}

/// A `Label` becomes part of ARNs. Source: Step Functions, "Map state fields".
fn is_label(label: &str, fields: Fields<'_>, faults: &mut Faults) -> bool {
    let is_allowed = |c: char| !c.is_whitespace() && !c.is_control() && !NOT_IN_LABELS.contains(c);
    let is_right = !label.is_empty()
        && label.chars().count() <= LABEL_CHARACTERS_MAX
        && label.chars().all(is_allowed);
    if let Some(node) = fields.get("Label").filter(|_| !is_right) {
        let remedy = format!(
            "write 1 to {LABEL_CHARACTERS_MAX} characters without blanks or any of {NOT_IN_LABELS}"
        );
        faults.schema(node.spot(), "Value is not a valid Label", remedy);
    }
    is_right
}

/// The label of a Map that has none of its own: it follows from the name.
fn label_of(name: &str) -> String {
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes());
    id.simple().to_string()
}

const LABEL_CHARACTERS_MAX: usize = 40;
const NOT_IN_LABELS: &str = "?*<>{}[]:;,\\|^~$#%&`\"/";

fn parse_percentage(fields: Fields<'_>, faults: &mut Faults) -> Option<Percentage> {
    let names = [
        "ToleratedFailurePercentage",
        "ToleratedFailurePercentagePath",
    ];
    match fields.written(&names, faults)? {
        Written::Literal(node) => number(node, 0.0..=100.0, faults).map(Percentage::Literal),
        Written::Path(node) => path(node, faults).map(Percentage::Path),
        Written::Jsonata(expression) => Some(Percentage::Jsonata(expression)),
    }
}

#[cfg(test)]
mod tests {
    use crate::definition::fault::tests::state_faults;

    fn check(state: &str, expected: &[&str]) {
        assert_eq!(state_faults(state), expected);
    }

    #[test]
    fn a_map_is_read_in_its_new_and_its_old_form() {
        check(
            r#"{"Type":"Map","ItemsPath":"$.items","ItemSelector":{"item.$":"$$.Map.Item.Value"},"MaxConcurrency":2,
                "ToleratedFailurePercentage":12.5,"ItemProcessor":{"ProcessorConfig":{"Mode":"INLINE"},"StartAt":"P","States":{
                "P":{"Type":"Pass","End":true}}},"End":true}"#,
            &[],
        );
        check(
            r#"{"Type":"Map","Parameters":{"index.$":"$$.Map.Item.Index"},"MaxConcurrencyPath":"$.most",
                "Iterator":{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"End":true}"#,
            &[],
        );
    }

    #[test]
    fn a_map_needs_something_to_do() {
        check(
            r#"{"Type":"Map","End":true}"#,
            &[" These fields are required: [ItemProcessor]"],
        );
    }

    #[test]
    fn the_states_of_a_processor_are_checked() {
        check(
            r#"{"Type":"Map","ItemProcessor":{"StartAt":"P","States":{"P":{"Type":"Pass","Next":"C"}}},"End":true}"#,
            &[
                "/ItemProcessor/States Workflow has no terminal state",
                "/ItemProcessor/States/P/Next Missing 'Next' target: C",
            ],
        );
    }

    #[test]
    fn a_distributed_map_may_have_a_label() {
        let check = |config: &str, expected: &[&str]| {
            check(
                &format!(
                    r#"{{"Type":"Map",{config},"StartAt":"P","States":{{"P":{{"Type":"Pass","End":true}}}}}},"End":true}}"#
                ),
                expected,
            );
        };
        check(
            r#""Label":"each","ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"}"#,
            &[],
        );
        check(
            r#""Label":"each one","ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTE"}"#,
            &[
                "/Label Value is not a valid Label",
                "/ItemProcessor/ProcessorConfig/Mode There is no Mode 'DISTRIBUTE'",
            ],
        );
    }

    #[test]
    fn numbers_have_their_range() {
        check(
            r#"{"Type":"Map","MaxConcurrency":-1,"ToleratedFailurePercentage":101,"ItemProcessor":{"StartAt":"P",
                "States":{"P":{"Type":"Pass","End":true}}},"End":true}"#,
            &[
                "/MaxConcurrency Minimum value is 0",
                "/ToleratedFailurePercentage Maximum value is 100",
            ],
        );
    }
}
