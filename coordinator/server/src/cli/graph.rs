//! `sagamore graph`: a definition as a picture.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use sagamore_interpreter::definition::Machine;

use super::underline::write_fault;
use super::validate::read;
use crate::graph::{Picture, mermaid, svg};

/// What `sagamore graph` is told.
#[derive(Debug, Args)]
pub struct Graph {
    /// The definition; - is the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Svg)]
    format: Format,
    /// Where to write it; without this, to the standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The kinds of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A picture that stands alone
    Svg,
    /// Text that Mermaid draws
    Mermaid,
}

impl Graph {
    /// Draws the machine; what is wrong with its definition is written to `complaints`.
    ///
    /// # Errors
    /// The file can't be read, the definition is refused, or the picture can't be written.
    pub fn draw(&self, output: &mut dyn Write, complaints: &mut dyn Write) -> anyhow::Result<()> {
        let name = self.file.display().to_string();
        let text = read(&self.file).with_context(|| format!("failed to read {name}"))?;
        let machine = match Machine::parse(&text) {
            Ok((machine, _)) => machine,
            Err(faults) => {
                for fault in &faults {
                    write_fault(
                        &name,
                        &text,
                        fault,
                        console::colors_enabled_stderr(),
                        complaints,
                    )?;
                }
                bail!("{name} is refused; nothing is drawn");
            }
        };
        let picture = Picture::of(&machine);
        let drawn = match self.format {
            Format::Svg => svg(&picture, &title(&self.file))?,
            Format::Mermaid => mermaid(&picture),
        };
        match &self.output {
            Some(file) => std::fs::write(file, drawn)
                .with_context(|| format!("failed to write {}", file.display())),
            None => match output.write_all(drawn.as_bytes()) {
                // Whoever reads has seen enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                written => written.context("failed to write the picture"),
            },
        }
    }
}

/// `loan` of `services/loan.asl.json`.
fn title(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name.split('.').next().unwrap_or_default();
    match name {
        "" | "-" => "A state machine".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(format: Format, definition: &str) -> (anyhow::Result<()>, String, String) {
        let directory =
            std::env::temp_dir().join(format!("sagamore-graph-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&directory).unwrap();
        let file = directory.join("pay.asl.json");
        std::fs::write(&file, definition).unwrap();
        let graph = Graph {
            file,
            format,
            output: None,
        };
        let (mut output, mut complaints) = (Vec::new(), Vec::new());
        let drawn = graph.draw(&mut output, &mut complaints);
        std::fs::remove_dir_all(directory).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (drawn, text(output), text(complaints))
    }

    #[test]
    fn a_picture_has_the_name_of_its_file() {
        let (drawn, output, _) = draw(
            Format::Svg,
            r#"{"StartAt":"A","States":{"A":{"Type":"Succeed"}}}"#,
        );
        drawn.unwrap();
        assert!(output.starts_with("<svg "), "{output}");
        assert!(output.contains("<title>pay</title>"), "{output}");
    }

    #[test]
    fn of_a_definition_that_is_refused_the_faults_are_told() {
        let (drawn, output, complaints) = draw(Format::Mermaid, r#"{"StartAt":"A","States":{}}"#);
        let refused = drawn.unwrap_err().to_string();
        assert!(
            refused.ends_with("pay.asl.json is refused; nothing is drawn"),
            "{refused}"
        );
        assert_eq!(output, "");
        assert!(complaints.contains("pay.asl.json:1:"), "{complaints}");
        assert!(complaints.contains("= help: "), "{complaints}");
    }
}
