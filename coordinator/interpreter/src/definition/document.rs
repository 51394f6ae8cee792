//! A JSON document that knows where each of its values stands in the text.
//!
//! The nodes lie in one vector and name their parents, so a fault's pointer is made when there is a fault, and a
//! check hands a [`Node`] around by value. Duplicate keys are kept, for the checks to report.

use serde_json::{Map, Number, Value};

use super::QueryLanguage;
use super::fault::excerpt;

/// The index of a node in its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeId(u32);

/// A whole document; its last node is the root, since a value is complete when its parts are.
#[derive(Debug, Default)]
pub(super) struct Document {
    nodes: Vec<NodeData>,
}

#[derive(Debug)]
struct NodeData {
    /// Where the value begins in the text, in bytes.
    offset: usize,
    place: Place,
    content: Content,
}

/// Where a node stands in its parent.
#[derive(Debug)]
enum Place {
    Root,
    Member {
        parent: NodeId,
        key: String,
        key_offset: usize,
    },
    Element {
        parent: NodeId,
        index: usize,
    },
}

/// What a JSON value is.
#[derive(Debug)]
pub(super) enum Content {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A number, as `serde_json` holds it.
    Number(Number),
    /// A string without its escapes.
    String(String),
    /// The elements, in order.
    Array(Vec<NodeId>),
    /// The members, in order, duplicates included.
    Object(Vec<NodeId>),
}

/// A key as it stands in the text.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) offset: usize,
}

impl Document {
    /// Adds a value whose parts, if any, have been added; their place becomes known by this.
    pub(super) fn leaf(&mut self, offset: usize, content: Content) -> NodeId {
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(NodeData {
            offset,
            place: Place::Root,
            content,
        });
        id
    }

    /// Adds an array of elements.
    pub(super) fn array(&mut self, offset: usize, elements: Vec<NodeId>) -> NodeId {
        let parent = self.leaf(offset, Content::Null);
        for (index, element) in elements.iter().enumerate() {
            self.data_mut(*element).place = Place::Element { parent, index };
        }
        self.data_mut(parent).content = Content::Array(elements);
        parent
    }

    /// Adds an object of members.
    pub(super) fn object(&mut self, offset: usize, members: Vec<(Key, NodeId)>) -> NodeId {
        let parent = self.leaf(offset, Content::Null);
        let mut ids = Vec::with_capacity(members.len());
        for (key, member) in members {
            self.data_mut(member).place = Place::Member {
                parent,
                key: key.text,
                key_offset: key.offset,
            };
            ids.push(member);
        }
        self.data_mut(parent).content = Content::Object(ids);
        parent
    }

    /// A node of this document.
    pub(super) fn node(&self, id: NodeId) -> Node<'_> {
        Node {
            document: self,
            id,
            state: None,
            language: QueryLanguage::JsonPath,
        }
    }

    fn data(&self, id: NodeId) -> &NodeData {
        &self.nodes[id.0 as usize]
    }

    fn data_mut(&mut self, id: NodeId) -> &mut NodeData {
        &mut self.nodes[id.0 as usize]
    }
}

/// A value of a document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'d> {
    document: &'d Document,
    id: NodeId,
    /// The state that it is in.
    state: Option<NodeId>,
    /// The language of that state.
    language: QueryLanguage,
}

impl<'d> Node<'d> {
    /// The same as a state that is written in this language, which holds for all in it.
    pub(super) fn state_in(self, language: QueryLanguage) -> Node<'d> {
        Node {
            state: Some(self.id),
            language,
            ..self
        }
    }

    /// The language of the state that it is in.
    pub(super) fn language(self) -> QueryLanguage {
        self.language
    }

    /// The way from its state, as errors of JSONata name it: `Arguments/amount`.
    pub(super) fn field(self) -> String {
        let mut segments = Vec::new();
        let mut next = Some(self.id).filter(|id| Some(*id) != self.state);
        while let Some(id) = next {
            let parent = match &self.document.data(id).place {
                Place::Root => None,
                Place::Member { parent, key, .. } => {
                    segments.push(key.clone());
                    Some(*parent)
                }
                Place::Element { parent, index } => {
                    segments.push(index.to_string());
                    Some(*parent)
                }
            };
            next = parent.filter(|parent| Some(*parent) != self.state);
        }
        segments.reverse();
        segments.join("/")
    }

    fn other(self, id: NodeId) -> Node<'d> {
        Node { id, ..self }
    }

    /// What the value is.
    pub(super) fn content(self) -> &'d Content {
        &self.document.data(self.id).content
    }

    /// The string, if it is one.
    pub(super) fn as_str(self) -> Option<&'d str> {
        match self.content() {
            Content::String(text) => Some(text),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    pub(super) fn as_bool(self) -> Option<bool> {
        match self.content() {
            Content::Boolean(boolean) => Some(*boolean),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub(super) fn as_number(self) -> Option<&'d Number> {
        match self.content() {
            Content::Number(number) => Some(number),
            _ => None,
        }
    }

    /// Whether it is `null`.
    pub(super) fn is_null(self) -> bool {
        matches!(self.content(), Content::Null)
    }

    /// Whether it is an array.
    pub(super) fn is_array(self) -> bool {
        matches!(self.content(), Content::Array(_))
    }

    /// Whether it is an object.
    pub(super) fn is_object(self) -> bool {
        matches!(self.content(), Content::Object(_))
    }

    /// The elements, if it is an array; else none.
    pub(super) fn elements(self) -> impl Iterator<Item = Node<'d>> {
        let ids: &[NodeId] = match self.content() {
            Content::Array(ids) => ids,
            _ => &[],
        };
        ids.iter().map(move |id| self.other(*id))
    }

    /// The members with their keys, if it is an object; else none.
    pub(super) fn members(self) -> impl Iterator<Item = (&'d str, Node<'d>)> {
        let ids: &[NodeId] = match self.content() {
            Content::Object(ids) => ids,
            _ => &[],
        };
        ids.iter().map(move |id| {
            let member = self.other(*id);
            (member.key().unwrap_or_default(), member)
        })
    }

    /// The first member of that name.
    pub(super) fn get(self, name: &str) -> Option<Node<'d>> {
        self.members()
            .find(|(key, _)| *key == name)
            .map(|(_, member)| member)
    }

    /// The value under a JSON pointer relative to this one.
    pub(super) fn find(self, pointer: &str) -> Option<Node<'d>> {
        let mut node = self;
        for segment in pointer.split('/').skip(1) {
            let segment = segment.replace("~1", "/").replace("~0", "~");
            node = match node.content() {
                Content::Array(_) => node.elements().nth(segment.parse().ok()?)?,
                _ => node.get(&segment)?,
            };
        }
        Some(node)
    }

    /// The key, if it is a member of an object.
    pub(super) fn key(self) -> Option<&'d str> {
        match &self.document.data(self.id).place {
            Place::Member { key, .. } => Some(key),
            Place::Root | Place::Element { .. } => None,
        }
    }

    /// The value without positions; of duplicate keys the last is kept.
    pub(super) fn to_value(self) -> Value {
        match self.content() {
            Content::Null => Value::Null,
            Content::Boolean(boolean) => Value::Bool(*boolean),
            Content::Number(number) => Value::Number(number.clone()),
            Content::String(text) => Value::String(text.clone()),
            Content::Array(_) => Value::Array(self.elements().map(Node::to_value).collect()),
            Content::Object(_) => {
                let members = self
                    .members()
                    .map(|(key, member)| (key.to_owned(), member.to_value()));
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }

    /// The spot of the value.
    pub(super) fn spot(self) -> Spot<'d> {
        Spot {
            node: Some(self),
            offset: self.document.data(self.id).offset,
        }
    }

    /// The spot of the key; of the value where there is no key.
    pub(super) fn key_spot(self) -> Spot<'d> {
        match &self.document.data(self.id).place {
            Place::Member { key_offset, .. } => Spot {
                node: Some(self),
                offset: *key_offset,
            },
            Place::Root | Place::Element { .. } => self.spot(),
        }
    }
}

/// A place in the text that a fault points at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot<'d> {
    node: Option<Node<'d>>,
    offset: usize,
}

impl<'d> Spot<'d> {
    /// A place in a text that no document could be made of.
    pub(super) fn at(offset: usize) -> Spot<'d> {
        Spot { node: None, offset }
    }

    /// The place in bytes from the text's beginning.
    pub(super) fn offset(self) -> usize {
        self.offset
    }

    /// The way to the value as a JSON pointer; long keys are cut, so that a fault stays short.
    pub(super) fn pointer(self) -> String {
        let mut segments = Vec::new();
        let mut next = self.node;
        while let Some(node) = next {
            next = match &node.document.data(node.id).place {
                Place::Root => None,
                Place::Member { parent, key, .. } => {
                    segments.push(excerpt(key).replace('~', "~0").replace('/', "~1"));
                    Some(node.document.node(*parent))
                }
                Place::Element { parent, index } => {
                    segments.push(index.to_string());
                    Some(node.document.node(*parent))
                }
            };
        }
        segments
            .iter()
            .rev()
            .flat_map(|segment| ["/", segment])
            .collect()
    }
}
