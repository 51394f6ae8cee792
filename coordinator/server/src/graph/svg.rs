//! The picture as SVG: it stands alone, in light and in dark.

use std::fmt::Write as _;

use super::layout::{
    Area, HEADER, LABEL_HEIGHT, Laid, LaidEdge, LaidNode, MARK, SLANT, label_width, lay, shortened,
    undo_text,
};
use super::{Picture, Shape};
use crate::markup::escape;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum NoPicture {
    /// It would show too much.
    #[error(
        "the machine has {0} states, and a picture shows {STATES_MAX} at most; --format mermaid writes any number"
    )]
    TooLarge(usize),
    /// Its parts can't be placed.
    #[error("the states can't be laid out; --format mermaid leaves that to others")]
    Layout(#[source] dugong::LayoutError),
}

/// Draws the picture under a title.
///
/// # Errors
/// It would show too many states, or they can't be laid out.
pub fn svg(picture: &Picture, title: &str) -> Result<String, NoPicture> {
    let states = picture.states();
    if states > STATES_MAX {
        return Err(NoPicture::TooLarge(states));
    }
    let laid = lay(picture, true).map_err(NoPicture::Layout)?;
    let (width, height) = (laid.width + 2.0 * MARGIN, laid.height + 2.0 * MARGIN);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n{MARKERS}\n\
         <rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n",
        escape(title)
    );
    block(&mut text, &laid, MARGIN, MARGIN);
    text.push_str("</svg>\n");
    Ok(text)
}

/// Draws a block with its left upper corner there.
fn block(text: &mut String, laid: &Laid<'_>, left: f64, top: f64) {
    let _ = writeln!(text, "<g transform=\"translate({left:.1} {top:.1})\">");
    for edge in &laid.edges {
        way(text, edge);
    }
    for node in &laid.nodes {
        state(text, node);
    }
    for edge in &laid.edges {
        label(text, edge);
    }
    for (x, y) in &laid.marks {
        let radius = MARK / 2.0;
        let _ = writeln!(
            text,
            "<circle class=\"mark\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"/>"
        );
    }
    text.push_str("</g>\n");
}

/// A line with rounded corners.
fn way(text: &mut String, edge: &LaidEdge<'_>) {
    let [first, between @ .., last] = edge.points.as_slice() else {
        return;
    };
    let mut path = format!("M{:.1} {:.1}", first.0, first.1);
    let mut corners = between.iter().peekable();
    while let Some((x, y)) = corners.next() {
        let (next_x, next_y) = match corners.peek() {
            Some((next_x, next_y)) => ((x + next_x) / 2.0, (y + next_y) / 2.0),
            None => *last,
        };
        let _ = write!(path, " Q{x:.1} {y:.1} {next_x:.1} {next_y:.1}");
    }
    if between.is_empty() {
        let _ = write!(path, " L{:.1} {:.1}", last.0, last.1);
    }
    let class = match edge.edge {
        Some(edge) if edge.is_catch => "way catch",
        _ => "way",
    };
    let _ = writeln!(text, "<path class=\"{class}\" d=\"{path}\"/>");
}

fn label(text: &mut String, laid: &LaidEdge<'_>) {
    let (Some((x, y)), Some(edge)) = (laid.label, laid.edge) else {
        return;
    };
    let whole = edge.label.as_deref().unwrap_or_default();
    let width = label_width(whole);
    let class = if edge.is_catch {
        "label catch"
    } else {
        "label"
    };
    let _ = writeln!(
        text,
        "<g class=\"{class}\"><title>{}</title><rect x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{LABEL_HEIGHT}\" rx=\"4\"/>\
         <text x=\"{x:.1}\" y=\"{:.1}\">{}</text></g>",
        escape(whole),
        x - width / 2.0,
        y - LABEL_HEIGHT / 2.0,
        y + 4.0,
        escape(&shortened(whole)),
    );
}

fn state(text: &mut String, laid: &LaidNode<'_>) {
    let node = laid.node;
    let class = match node.shape {
        Shape::Task => "task",
        Shape::Child => "child",
        Shape::Review => "review",
        Shape::Choice => "choice",
        Shape::Plain => "plain",
        Shape::Composite => "composite",
        Shape::Compensate => "compensate",
        Shape::Succeed => "succeed",
        Shape::Fail => "fail",
    };
    let detail = node.detail.as_deref();
    let said = detail.map_or_else(String::new, |detail| format!(": {detail}"));
    let _ = writeln!(
        text,
        "<g class=\"state {class}\"><title>{}</title>",
        escape(&format!("{}{said}", node.name))
    );
    outline(text, node.shape, laid.body);
    let (x, middle) = laid.body.middle();
    let middle = if laid.inner.is_empty() {
        middle
    } else {
        laid.body.top + HEADER / 2.0 + 4.0
    };
    let name_y = if detail.is_some() {
        middle - 4.0
    } else {
        middle + 5.0
    };
    let _ = writeln!(
        text,
        "<text class=\"name\" x=\"{x:.1}\" y=\"{name_y:.1}\">{}</text>",
        escape(&node.name)
    );
    if let Some(detail) = detail {
        let y = middle + 13.0;
        let detail = escape(&shortened(detail));
        let _ = writeln!(
            text,
            "<text class=\"detail\" x=\"{x:.1}\" y=\"{y:.1}\">{detail}</text>"
        );
    }
    for (left, top, inner) in &laid.inner {
        block(text, inner, *left, *top);
    }
    text.push_str("</g>\n");
    if let (Some(area), Some(resource)) = (laid.undo, &node.undo) {
        undo(text, laid.body, area, resource);
    }
}

/// What undoes the state, at the end of a dashed line.
fn undo(text: &mut String, body: Area, area: Area, resource: &str) {
    let Area {
        left,
        top,
        width,
        height,
    } = area;
    let (x, y) = area.middle();
    let _ = writeln!(
        text,
        "<g class=\"undo\"><title>{}</title><path class=\"way\" d=\"M{:.1} {y:.1} L{left:.1} {y:.1}\"/>\
         <rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"12\"/>\
         <text class=\"detail\" x=\"{x:.1}\" y=\"{:.1}\">{}</text></g>",
        escape(&format!("undone by {resource}")),
        body.left + body.width,
        y + 4.0,
        escape(&undo_text(resource)),
    );
}

fn outline(text: &mut String, shape: Shape, area: Area) {
    let Area {
        left,
        top,
        width,
        height,
    } = area;
    let (right, bottom, middle) = (left + width, top + height, top + height / 2.0);
    let _ = match shape {
        Shape::Choice | Shape::Compensate => writeln!(
            text,
            "<path class=\"box\" d=\"M{left:.1} {middle:.1} L{:.1} {top:.1} H{:.1} L{right:.1} {middle:.1} L{:.1} {bottom:.1} H{:.1} Z\"/>",
            left + SLANT,
            right - SLANT,
            right - SLANT,
            left + SLANT,
        ),
        Shape::Task
        | Shape::Child
        | Shape::Review
        | Shape::Plain
        | Shape::Composite
        | Shape::Succeed
        | Shape::Fail => {
            let radius = match shape {
                Shape::Succeed | Shape::Fail => height / 2.0,
                Shape::Task | Shape::Child | Shape::Review | Shape::Plain | Shape::Composite => 7.0,
                Shape::Choice | Shape::Compensate => 0.0,
            };
            writeln!(
                text,
                "<rect class=\"box\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{radius:.1}\"/>"
            )
        }
    };
    if shape == Shape::Child {
        for x in [left + 5.0, right - 5.0] {
            let _ = writeln!(
                text,
                "<path class=\"box\" d=\"M{x:.1} {top:.1} V{bottom:.1}\"/>"
            );
        }
    }
}

/// States of one picture; past that it takes long to lay out, and nobody finds anything in it.
const STATES_MAX: usize = 1_000;
const MARGIN: f64 = 24.0;
const MARKERS: &str = "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
    orient=\"auto-start-reverse\"><path class=\"head\" d=\"M0 0 L8 4 L0 8 Z\"/></marker></defs>";
const STYLE: &str = "\
svg { --paper: #ffffff; --ink: #1c2733; --quiet: #5b6b7b; --line: #8595a5; --box: #f4f7fa; --inner: #fafcfd; --undo: #b4500f;
  --error: #b3261e; --good: #1d7a46; --person: #6b3fa0; --other: #1f5fa8; font-family: system-ui, sans-serif; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { svg { --paper: #12181f; --ink: #e6edf3; --quiet: #9aa9b8; --line: #65778a; --box: #1c2630;
  --inner: #161e26; --undo: #f0975a; --error: #ff8a80; --good: #6fd39a; --person: #c3a3f0; --other: #86b8f5; } }
.paper { fill: var(--paper); }
text { fill: var(--ink); text-anchor: middle; }
.name { font-size: 13px; font-weight: 600; }
.detail, .label text { font-size: 11px; font-weight: 400; fill: var(--quiet); }
.box { fill: var(--box); stroke: var(--line); stroke-width: 1.4; }
.composite > .box { fill: var(--inner); }
.review > .box { stroke: var(--person); }
.child > .box { stroke: var(--other); }
.succeed > .box { stroke: var(--good); }
.fail > .box { stroke: var(--error); }
.compensate > .box, .undo rect { stroke: var(--undo); stroke-dasharray: 5 4; fill: var(--paper); stroke-width: 1.4; }
.undo .way { stroke: var(--undo); stroke-dasharray: 5 4; }
.undo .detail { fill: var(--undo); }
.way { fill: none; stroke: var(--line); stroke-width: 1.4; marker-end: url(#arrow); }
.way.catch { stroke: var(--error); stroke-width: 1.1; }
.label rect { fill: var(--paper); }
.composite .label rect { fill: var(--inner); }
.label.catch text { fill: var(--error); }
.mark { fill: var(--quiet); }
.head { fill: context-stroke; }
";
