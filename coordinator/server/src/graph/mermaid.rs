//! The picture as Mermaid text, which many pages and editors draw.

use std::fmt::Write as _;

use super::{Node, Picture, Shape};

/// A flowchart from the top down.
pub fn mermaid(picture: &Picture) -> String {
    let mut writer = Writer::default();
    writer.text.push_str("flowchart TB\n");
    let start = writer.block(picture, 1);
    let _ = writeln!(writer.text, "    start((\" \")) --> {start}");
    let _ = writeln!(
        writer.text,
        "    classDef undo stroke-dasharray: 4 3\n    classDef fail stroke:#c0392b"
    );
    writer.text
}

#[derive(Default)]
struct Writer {
    text: String,
    /// States so far; their names may hold what ids may not.
    states: usize,
}

impl Writer {
    /// Writes a block; the id of its first state.
    fn block(&mut self, picture: &Picture, depth: usize) -> String {
        let ids: Vec<String> = picture
            .nodes
            .iter()
            .map(|node| self.node(node, depth))
            .collect();
        let indent = "    ".repeat(depth);
        for edge in &picture.edges {
            let from = &ids[edge.from];
            let to = match edge.to {
                Some(to) => ids[to].clone(),
                None if depth > 1 => continue,
                None => "done(((\" \")))".to_owned(),
            };
            let _ = match &edge.label {
                Some(label) => {
                    let caught = if edge.is_catch { "⚡ " } else { "" };
                    let label = quoted(&format!("{caught}{label}"));
                    writeln!(self.text, "{indent}{from} -- {label} --> {to}")
                }
                None => writeln!(self.text, "{indent}{from} --> {to}"),
            };
        }
        ids.into_iter().next().unwrap_or_default()
    }

    fn node(&mut self, node: &Node, depth: usize) -> String {
        self.states += 1;
        let id = format!("s{}", self.states);
        let indent = "    ".repeat(depth);
        if node.inner.is_empty() {
            let (open, close) = brackets(node.shape);
            let label = label(node);
            let _ = writeln!(self.text, "{indent}{id}{open}{label}{close}");
        } else {
            let _ = writeln!(self.text, "{indent}subgraph {id}[{}]", label(node));
            for (branch, inner) in node.inner.iter().enumerate() {
                let _ = writeln!(self.text, "{indent}  subgraph {id}b{branch}[\" \"]");
                self.block(inner, depth + 1);
                let _ = writeln!(self.text, "{indent}  end");
            }
            let _ = writeln!(self.text, "{indent}end");
        }
        if let Some(undo) = &node.undo {
            let _ = writeln!(
                self.text,
                "{indent}{id} -. undo .-> {id}u([{}]):::undo",
                quoted(undo)
            );
        }
        if node.shape == Shape::Fail {
            let _ = writeln!(self.text, "{indent}class {id} fail");
        }
        id
    }
}

fn brackets(shape: Shape) -> (&'static str, &'static str) {
    match shape {
        Shape::Task | Shape::Plain | Shape::Composite | Shape::Fail => ("[", "]"),
        Shape::Child => ("[[", "]]"),
        Shape::Review => ("[/", "/]"),
        Shape::Choice | Shape::Compensate => ("{{", "}}"),
        Shape::Succeed => ("([", "])"),
    }
}

fn label(node: &Node) -> String {
    match &node.detail {
        Some(detail) => quoted(&format!("{}\n{detail}", node.name)),
        None => quoted(&node.name),
    }
}

/// A text in quotes, in which nothing means anything to Mermaid or to the page.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '\n' => quoted.push_str("<br/>"),
            '"' | '#' | '&' | '<' | '>' | '`' | '\\' | '_' | '*' | ';' => {
                let _ = write!(quoted, "#{};", u32::from(character));
            }
            control if control.is_control() => quoted.push(' '),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
