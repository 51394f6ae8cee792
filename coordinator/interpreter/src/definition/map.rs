//! A Map: its processor, its items, how many at a time and how many may fail.

use super::compensation::parse_compensate;
use super::document::Node;
use super::fault::Faults;
use super::fields::{Fields, integer, number, path, string};
use super::handover::Written;
use super::parse::Parser;
use super::recovery::{parse_catch, parse_retry};
use super::spelling::did_you_mean;
use super::states::parse_transition;
use super::vocabulary::{MAP, PROCESSOR, PROCESSOR_CONFIG};
use super::{BlockId, Count, Map, Percentage};

/// Reads a Map state.
pub(super) fn parse_map(node: Node<'_>, parser: &mut Parser) -> Option<Map> {
    let fields = Fields::open(node, &MAP, &mut parser.faults)?;
    let processor = parse_processor(fields, parser);
    let faults = &mut parser.faults;
    let items_path = fields.path("ItemsPath", faults);
    let items = fields.template("Items", faults);
    let item_selector = fields
        .at_most_one(&["ItemSelector", "Parameters"], faults)
        .and_then(|(name, _)| fields.template(name, faults));
    let max_concurrency = parse_count(fields, ["MaxConcurrency", "MaxConcurrencyPath"], faults);
    let count = ["ToleratedFailureCount", "ToleratedFailureCountPath"];
    let tolerated_count = parse_count(fields, count, faults);
    let tolerated_percentage = parse_percentage(fields, faults);
    let result_selector = fields.template("ResultSelector", faults);
    let result_path = fields.result_path(faults);
    let retry = parse_retry(fields, faults).unwrap_or_default();
    let catch = parse_catch(fields, faults);
    let compensate = parse_compensate(fields, None, faults);
    let transition = parse_transition(fields, faults)?;
    Some(Map {
        processor: processor?,
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

fn parse_processor(fields: Fields<'_>, parser: &mut Parser) -> Option<BlockId> {
    let names = ["ItemProcessor", "Iterator"];
    let Some((_, node)) = fields.at_most_one(&names, &mut parser.faults) else {
        let problem = "These fields are required: [ItemProcessor]";
        let remedy = "add ItemProcessor, with the states that each item goes through";
        parser.faults.schema(fields.node().spot(), problem, remedy);
        return None;
    };
    let processor = Fields::open(node, &PROCESSOR, &mut parser.faults)?;
    if let Some(config) = processor.get("ProcessorConfig") {
        check_config(config, &mut parser.faults);
    }
    Some(parser.block(processor))
}

fn check_config(node: Node<'_>, faults: &mut Faults) {
    let Some(config) = Fields::open(node, &PROCESSOR_CONFIG, faults) else {
        return;
    };
    let Some(mode) = config.get("Mode") else {
        return;
    };
    match string(mode, faults) {
        None | Some("INLINE") => {}
        Some("DISTRIBUTED") => faults.schema(
            mode.spot(),
            "This version does not run distributed Map states",
            "write \"INLINE\", or leave 'ProcessorConfig' out",
        ),
        Some(other) => {
            let problem = format!("There is no mode '{}'", super::fault::excerpt(other));
            let remedy = did_you_mean(other, ["INLINE"], || "write \"INLINE\"".to_owned());
            faults.schema(mode.spot(), problem, remedy);
        }
    }
}

/// Reads a whole number as written, or its path.
fn parse_count(fields: Fields<'_>, names: [&'static str; 2], faults: &mut Faults) -> Option<Count> {
    match fields.written(&names, faults)? {
        Written::Literal(node) => integer(node, 0..=u32::MAX, faults).map(Count::Literal),
        Written::Path(node) => path(node, faults).map(Count::Path),
        Written::Jsonata(expression) => Some(Count::Jsonata(expression)),
    }
}

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
    fn a_distributed_map_is_refused_in_plain_words() {
        check(
            r#"{"Type":"Map","ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"P",
                "States":{"P":{"Type":"Pass","End":true}}},"End":true}"#,
            &[
                "/ItemProcessor/ProcessorConfig/Mode This version does not run distributed Map states",
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
