//! What JSONata and variables add to a state: expressions in place of values, `Output` and `Assign`.

use super::document::Node;
use super::fault::Faults;
use super::fields::{Fields, query, wrong_type};
use super::{Handover, QueryLanguage};
use crate::query::{Jsonata, Template};

/// How a value stands in a definition.
pub(super) enum Written<'d> {
    /// As it is.
    Literal(Node<'d>),
    /// As a path finds it.
    Path(Node<'d>),
    /// As an expression of JSONata yields it.
    Jsonata(Jsonata),
}

impl<'d> Fields<'d> {
    /// An expression of JSONata; `None` where the value is something else, `Some(None)` where it is a faulty one.
    pub(super) fn jsonata(self, node: Node<'d>, faults: &mut Faults) -> Option<Option<Jsonata>> {
        if node.language() != QueryLanguage::Jsonata {
            return None;
        }
        let text = node.as_str().filter(|text| Jsonata::is_meant(text))?;
        let parsed = Jsonata::parse(text, &node.field());
        Some(query(node, parsed, NOT_JSONATA, faults))
    }

    /// A value that stands under the first name, or that the path under the second one finds.
    pub(super) fn written(
        self,
        names: &[&'static str; 2],
        faults: &mut Faults,
    ) -> Option<Written<'d>> {
        let (name, node) = self.at_most_one(names, faults)?;
        if name != names[0] {
            return Some(Written::Path(node));
        }
        match self.jsonata(node, faults) {
            None => Some(Written::Literal(node)),
            Some(expression) => expression.map(Written::Jsonata),
        }
    }
}

/// What an expression that can't be read is told as.
const NOT_JSONATA: &str = "Value is not a valid JSONata expression";

/// Any JSON value, whose texts between `{%` and `%}` are expressions.
pub(super) fn jsonata_template(node: Node<'_>, faults: &mut Faults) -> Option<Template> {
    let parsed = Template::parse_jsonata(&node.to_value(), &node.field());
    parsed
        .map_err(|problems| {
            for (pointer, remedy) in problems {
                let place = node.find(&pointer).unwrap_or(node);
                faults.schema(place.spot(), NOT_JSONATA, remedy);
            }
        })
        .ok()
}

/// Reads `Output` and `Assign` of a state, a catcher or a rule of Choices.
pub(super) fn parse_handover(node: Node<'_>, faults: &mut Faults) -> Handover {
    let fields = Fields::of(node);
    let output = match node.language() {
        QueryLanguage::JsonPath => None,
        QueryLanguage::Jsonata => fields.template("Output", faults),
    };
    if let Some(assign) = node.get("Assign")
        && !assign.is_object()
    {
        let remedy = "write an object: each of its fields is a variable";
        wrong_type(assign, "Object", remedy, faults);
        return Handover {
            output,
            assign: None,
        };
    }
    let assign = fields.template("Assign", faults);
    Handover { output, assign }
}
