//! A machine as a picture: its states and where each leads, and beside each step what undoes it, at the end of a dashed line.

mod condition;
mod layout;
mod mermaid;
mod model;
mod svg;

use sagamore_interpreter::definition::Machine;

pub use mermaid::mermaid;
pub use svg::{NoPicture, svg};

/// The states that stand in one block, from its first on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The states, the first of which is where the block begins.
    pub nodes: Vec<Node>,
    /// Where they lead.
    pub edges: Vec<Edge>,
}

/// A state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its type.
    pub shape: Shape,
    /// What it does, when its name does not say it: a Task's resource, how long a Wait is.
    pub detail: Option<String>,
    /// The resource that undoes it.
    pub undo: Option<String>,
    /// The branches of a Parallel, the processor of a Map.
    pub inner: Vec<Picture>,
}

/// What a state looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Work done by somebody else.
    Task,
    /// Work done by another execution.
    Child,
    /// Work done by a person.
    Review,
    /// A fork in the road.
    Choice,
    /// Data shaped in passing, or a pause.
    Plain,
    /// Branches, or iterations.
    Composite,
    /// What was done is undone.
    Compensate,
    /// The scope ends well.
    Succeed,
    /// The scope ends with an error.
    Fail,
}

/// A way from one state to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The state it leaves, by its place.
    pub from: usize,
    /// The state it leads to; `None` is the end.
    pub to: Option<usize>,
    /// When it is taken.
    pub label: Option<String>,
    /// Whether an error is caught by it.
    pub is_catch: bool,
}

impl Picture {
    /// The picture of a machine.
    pub fn of(machine: &Machine) -> Picture {
        model::block(machine, sagamore_interpreter::definition::BlockId::TOP)
    }

    /// How many states it shows, those inside others too.
    pub fn states(&self) -> usize {
        let inner = self.nodes.iter().flat_map(|node| &node.inner);
        self.nodes.len() + inner.map(Picture::states).sum::<usize>()
    }
}

#[cfg(test)]
mod tests;
