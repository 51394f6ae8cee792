//! Where the states of a picture stand, in pixels: each block in layers from the top down, blocks inside others first.

use dugong::graphlib::{Graph, GraphOptions};
use dugong::{EdgeLabel, GraphLabel, LayoutError, NodeLabel, layout};

use super::{Edge, Node, Picture, Shape};

/// A block, laid out.
pub(super) struct Laid<'a> {
    pub width: f64,
    pub height: f64,
    pub nodes: Vec<LaidNode<'a>>,
    pub edges: Vec<LaidEdge<'a>>,
    /// Where the block begins and ends: only that of the whole machine has these marks.
    pub marks: Vec<(f64, f64)>,
}

/// A state, laid out.
pub(super) struct LaidNode<'a> {
    pub node: &'a Node,
    /// Its box, without its undo.
    pub body: Area,
    /// Its undo, at the end of a dashed line.
    pub undo: Option<Area>,
    /// The blocks inside it, each with its left upper corner.
    pub inner: Vec<(f64, f64, Laid<'a>)>,
}

impl LaidNode<'_> {
    /// Where ways begin and end: not where the sides lean.
    fn dock(&self) -> Area {
        let slant = match self.node.shape {
            Shape::Choice | Shape::Compensate => SLANT,
            _ => 0.0,
        };
        Area {
            left: self.body.left + slant,
            width: self.body.width - 2.0 * slant,
            ..self.body
        }
    }
}

/// A way, laid out.
pub(super) struct LaidEdge<'a> {
    /// `None` of what leads from the start.
    pub edge: Option<&'a Edge>,
    pub points: Vec<(f64, f64)>,
    /// Where the middle of its label is.
    pub label: Option<(f64, f64)>,
}

/// A rectangle.
#[derive(Clone, Copy)]
pub(super) struct Area {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

impl Area {
    pub fn middle(self) -> (f64, f64) {
        (self.left + self.width / 2.0, self.top + self.height / 2.0)
    }
}

/// Sizes of a state: its box, then all of it.
struct Size<'a> {
    body: (f64, f64),
    undo: Option<f64>,
    inner: Vec<Laid<'a>>,
}

impl Size<'_> {
    fn width(&self) -> f64 {
        self.body.0 + self.undo.map_or(0.0, |undo| UNDO_GAP + undo)
    }
}

type Layers = Graph<NodeLabel, EdgeLabel, GraphLabel>;

/// Lays out a block; the outermost with marks for its start and its end.
///
/// # Errors
/// The layout gives up; no machine is known with which it does.
pub(super) fn lay(picture: &Picture, is_outermost: bool) -> Result<Laid<'_>, LayoutError> {
    let sizes = picture.nodes.iter().map(size);
    let sizes: Vec<Size<'_>> = sizes.collect::<Result<_, _>>()?;
    let mut layers = Layers::new(GraphOptions {
        directed: true,
        multigraph: true,
        compound: false,
    });
    layers.set_graph(GraphLabel {
        nodesep: 28.0,
        ranksep: 34.0,
        edgesep: 16.0,
        ..GraphLabel::default()
    });
    let ways = ways(picture, is_outermost);
    for mark in [START, END] {
        if ways.iter().any(|way| way.from == mark || way.to == mark) {
            layers.set_node(mark, node_label(MARK, MARK));
        }
    }
    for (place, size) in sizes.iter().enumerate() {
        layers.set_node(place.to_string(), node_label(size.width(), size.body.1));
    }
    for way in &ways {
        let text = way.edge.and_then(|edge| edge.label.as_deref());
        let label = EdgeLabel {
            width: text.map_or(0.0, label_width),
            height: text.map_or(0.0, |_| LABEL_HEIGHT),
            weight: 1.0,
            ..EdgeLabel::default()
        };
        let (from, to) = (way.from.as_str(), way.to.as_str());
        layers.set_edge_named(from, to, Some(way.name.as_str()), Some(label));
    }
    layout(&mut layers)?;
    Ok(read(&layers, picture, sizes, &ways))
}

/// An edge as the layers know it.
struct Way<'a> {
    from: String,
    to: String,
    name: String,
    /// `None` of what leads from the start.
    edge: Option<&'a Edge>,
}

fn ways(picture: &Picture, is_outermost: bool) -> Vec<Way<'_>> {
    let start = Way {
        from: START.to_owned(),
        to: "0".to_owned(),
        name: START.to_owned(),
        edge: None,
    };
    let shown = picture
        .edges
        .iter()
        .enumerate()
        .filter(|(_, edge)| is_outermost || edge.to.is_some());
    let shown = shown.map(|(number, edge)| Way {
        from: edge.from.to_string(),
        to: edge.to.map_or(END.to_owned(), |to| to.to_string()),
        name: number.to_string(),
        edge: Some(edge),
    });
    let start = Some(start).filter(|_| is_outermost);
    start.into_iter().chain(shown).collect()
}

fn node_label(width: f64, height: f64) -> NodeLabel {
    NodeLabel {
        width,
        height,
        ..NodeLabel::default()
    }
}

fn read<'a>(
    layers: &Layers,
    picture: &'a Picture,
    sizes: Vec<Size<'a>>,
    ways: &[Way<'a>],
) -> Laid<'a> {
    let at = |id: &str| {
        let node = layers.node(id)?;
        Some((node.x?, node.y?))
    };
    let nodes: Vec<LaidNode<'a>> = picture
        .nodes
        .iter()
        .zip(sizes)
        .enumerate()
        .map(|(place, (node, size))| place_node(node, size, at(&place.to_string())))
        .collect();
    let marks: Vec<(f64, f64)> = [START, END].into_iter().filter_map(at).collect();
    let area = |id: &str| -> Option<Area> {
        if let Ok(place) = id.parse::<usize>() {
            return nodes.get(place).map(LaidNode::dock);
        }
        let (x, y) = at(id)?;
        Some(Area {
            left: x - MARK / 2.0,
            top: y - MARK / 2.0,
            width: MARK,
            height: MARK,
        })
    };
    let mut edges = Vec::new();
    for way in ways {
        let (from, to) = (way.from.as_str(), way.to.as_str());
        let Some(label) = layers.edge(from, to, Some(way.name.as_str())) else {
            continue;
        };
        let mut points: Vec<(f64, f64)> = label.points.iter().map(|it| (it.x, it.y)).collect();
        if let (Some(from), Some(to)) = (area(from), area(to)) {
            dock(&mut points, from, to);
        }
        let has_label = way.edge.is_some_and(|edge| edge.label.is_some());
        edges.push(LaidEdge {
            edge: way.edge,
            points,
            label: label.x.zip(label.y).filter(|_| has_label),
        });
    }
    let (width, height) = extent(&nodes, &edges, &marks);
    Laid {
        width,
        height,
        nodes,
        edges,
        marks,
    }
}

/// How far to the right and down anything is.
fn extent(nodes: &[LaidNode<'_>], edges: &[LaidEdge<'_>], marks: &[(f64, f64)]) -> (f64, f64) {
    let areas = nodes.iter().flat_map(|node| [Some(node.body), node.undo]);
    let corners = areas
        .flatten()
        .map(|area| (area.left + area.width, area.top + area.height));
    let labels = edges.iter().filter_map(|edge| {
        let width = label_width(edge.edge?.label.as_deref()?);
        edge.label.map(|(x, y)| (x + width / 2.0, y))
    });
    let points = edges.iter().flat_map(|edge| edge.points.iter().copied());
    let marks = marks.iter().map(|(x, y)| (x + MARK / 2.0, y + MARK / 2.0));
    let all = corners.chain(labels).chain(points).chain(marks);
    all.fold((0.0, 0.0), |(right, bottom), (x, y)| {
        (f64::max(right, x), f64::max(bottom, y))
    })
}

fn place_node<'a>(node: &'a Node, size: Size<'a>, middle: Option<(f64, f64)>) -> LaidNode<'a> {
    let (x, y) = middle.unwrap_or_default();
    let body = Area {
        left: x - size.width() / 2.0,
        top: y - size.body.1 / 2.0,
        width: size.body.0,
        height: size.body.1,
    };
    let undo = size.undo.map(|width| Area {
        left: body.left + body.width + UNDO_GAP,
        top: body.top + (body.height - UNDO_HEIGHT) / 2.0,
        width,
        height: UNDO_HEIGHT,
    });
    let mut left = body.left + PADDING;
    let inner = size.inner.into_iter().map(|laid| {
        let corner = (left, body.top + HEADER + PADDING);
        left += laid.width + BRANCH_GAP;
        (corner.0, corner.1, laid)
    });
    LaidNode {
        node,
        body,
        undo,
        inner: inner.collect(),
    }
}

/// An edge begins and ends at the boxes, not at what stands beside them.
fn dock(points: &mut [(f64, f64)], from: Area, to: Area) {
    if let [first, second, ..] = points {
        *first = border(from, *second);
    }
    if let [.., last_but_one, last] = points {
        *last = border(to, *last_but_one);
    }
}

/// Where the border of an area is crossed on the way from its middle to a point outside.
fn border(area: Area, (x, y): (f64, f64)) -> (f64, f64) {
    let (middle_x, middle_y) = area.middle();
    let (dx, dy) = (x - middle_x, y - middle_y);
    let (half_width, half_height) = (area.width / 2.0, area.height / 2.0);
    if dx.abs() * half_height <= dy.abs() * half_width {
        let share = if dy == 0.0 {
            0.0
        } else {
            half_height / dy.abs()
        };
        return (middle_x + dx * share, middle_y + dy.signum() * half_height);
    }
    let share = half_width / dx.abs();
    (middle_x + dx.signum() * half_width, middle_y + dy * share)
}

fn size(node: &Node) -> Result<Size<'_>, LayoutError> {
    let inner = node.inner.iter().map(|inner| lay(inner, false));
    let inner: Vec<Laid<'_>> = inner.collect::<Result<_, _>>()?;
    let name = text_width(&node.name, NAME_CHARACTER);
    let detail = node.detail.as_deref();
    let detail_width = detail.map_or(0.0, |it| text_width(&shortened(it), DETAIL_CHARACTER));
    let text = name.max(detail_width) + 2.0 * TEXT_PADDING;
    let body = if inner.is_empty() {
        let slant = match node.shape {
            Shape::Choice | Shape::Compensate => 2.0 * SLANT,
            _ => 0.0,
        };
        let height = if detail.is_some() { 50.0 } else { 36.0 };
        (text + slant, height)
    } else {
        let gaps = BRANCH_GAP * (inner.len() - 1) as f64;
        let width = inner.iter().map(|laid| laid.width).sum::<f64>() + gaps;
        let height = inner.iter().map(|laid| laid.height).fold(0.0, f64::max);
        let width = (width + 2.0 * PADDING).max(text);
        (width, height + HEADER + 2.0 * PADDING)
    };
    let undo = node
        .undo
        .as_deref()
        .map(|undo| text_width(&undo_text(undo), DETAIL_CHARACTER) + 2.0 * TEXT_PADDING);
    Ok(Size { body, undo, inner })
}

/// What the undo of a state is called.
pub(super) fn undo_text(resource: &str) -> String {
    shortened(&format!("undo {resource}"))
}

/// A text that fits into a picture; all of it stands in the title beside.
pub(super) fn shortened(text: &str) -> String {
    if text.chars().count() <= TEXT_CHARACTERS_MAX {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(TEXT_CHARACTERS_MAX - 1).collect();
    kept.push('…');
    kept
}

pub(super) fn label_width(text: &str) -> f64 {
    text_width(&shortened(text), DETAIL_CHARACTER) + 10.0
}

/// How wide a text is, about: nobody asks the font.
fn text_width(text: &str, character: f64) -> f64 {
    let wide = |c: char| if c.is_ascii() { 1.0 } else { 1.7 };
    text.chars().map(wide).sum::<f64>() * character
}

pub(super) const LABEL_HEIGHT: f64 = 18.0;
/// The height of the line that names a state with others inside.
pub(super) const HEADER: f64 = 40.0;
pub(super) const MARK: f64 = 16.0;
/// How far the sides of a Choice lean.
pub(super) const SLANT: f64 = 14.0;
const START: &str = "start";
const END: &str = "end";
const PADDING: f64 = 16.0;
const TEXT_PADDING: f64 = 14.0;
const BRANCH_GAP: f64 = 28.0;
/// How long the dashed line is.
const UNDO_GAP: f64 = 34.0;
const UNDO_HEIGHT: f64 = 24.0;
const NAME_CHARACTER: f64 = 7.6;
const DETAIL_CHARACTER: f64 = 6.3;
const TEXT_CHARACTERS_MAX: usize = 44;
