//! `sagamore watch`: an execution, followed live until it ends.

mod story;
mod view;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use super::canvas::Canvas;
use crate::cli::client::{Client, Error, Place};
use story::Story;
use view::{Scene, Telling};

/// Which execution to watch, and where.
#[derive(Debug, Args)]
pub struct Watch {
    /// The execution: its ARN, or MACHINE:NAME
    #[arg(value_name = "EXECUTION")]
    execution: String,
    #[command(flatten)]
    place: Place,
}

impl Watch {
    /// Watches until the execution has ended: success is that of the execution. On a terminal the picture is drawn over itself,
    /// elsewhere each change is a line.
    ///
    /// # Errors
    /// There is no such execution, or nobody answers at the start. A coordinator that goes away later is waited for.
    pub fn run(&self, output: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let client = self.place.client();
        let arn = client.find(&self.execution)?;
        let mut watched = Watched::default();
        watched.look(&client, &arn)?;
        let mut show = match Canvas::of_stdout() {
            Some(canvas) => Show::Picture(canvas),
            None => Show::Lines(Telling::default()),
        };
        loop {
            show.show(&watched, output)?;
            if watched.is_over() {
                return Ok(match watched.described["status"].as_str() {
                    Some("SUCCEEDED") => ExitCode::SUCCESS,
                    _ => ExitCode::FAILURE,
                });
            }
            thread::sleep(LOOK_EVERY);
            watched.trouble = match watched.look(&client, &arn) {
                Ok(()) => None,
                Err(error) if error.is_passing() => Some(error.to_string()),
                Err(error) => return Err(error.into()),
            };
        }
    }
}

/// How changes are shown.
enum Show {
    Picture(Canvas),
    Lines(Telling),
}

impl Show {
    fn show(&mut self, watched: &Watched, output: &mut dyn Write) -> anyhow::Result<()> {
        let scene = watched.scene();
        match self {
            Show::Picture(canvas) => {
                let (height, width) = canvas.size();
                let mut lines = scene.lines(width, None);
                if !canvas.holds(&lines) {
                    lines = scene.lines(width, Some(height.saturating_sub(1)));
                }
                canvas.draw(&lines).context("failed to draw")
            }
            Show::Lines(telling) => {
                for line in telling.news(&scene) {
                    if let Err(error) = writeln!(output, "{line}") {
                        // Whoever reads has seen enough.
                        anyhow::ensure!(error.kind() == io::ErrorKind::BrokenPipe, error);
                        std::process::exit(0);
                    }
                }
                Ok(output.flush()?)
            }
        }
    }
}

/// What is known of an execution, and of those that it waits for.
#[derive(Default)]
struct Watched {
    described: Value,
    stories: BTreeMap<String, Story>,
    /// Where a person decides.
    review: Option<String>,
    /// What an operator may decide, as a command.
    decide: Option<String>,
    /// Why there is no news.
    trouble: Option<String>,
}

impl Watched {
    fn look(&mut self, client: &Client, arn: &str) -> Result<(), Error> {
        // First, so that what ended was told to its end.
        let described = client.call("DescribeExecution", &json!({ "executionArn": arn }))?;
        let mut arns = vec![arn.to_owned()];
        let mut looked = 0;
        while let Some(arn) = arns.get(looked).cloned() {
            let story = self.stories.entry(arn.clone()).or_default();
            story.tell(&client.events_after(&arn, story.last_event())?);
            let children = story.rows().into_iter();
            let children = children.filter_map(|(_, row)| row.child.clone());
            arns.extend(children.take(CHILDREN_MAX.saturating_sub(arns.len())));
            looked += 1;
        }
        self.stories.retain(|told, _| arns.contains(told));
        (self.review, self.decide) = (None, None);
        if described["status"] == "RUNNING" {
            self.review = client.review(&arns)?;
            // That of a child holds it up, too.
            self.decide = client.decision(&arns)?;
        }
        self.described = described;
        Ok(())
    }

    /// Nothing more happens to it.
    fn is_over(&self) -> bool {
        let compensation = self.described["compensation"]["status"].as_str();
        self.described["status"] != "RUNNING" && compensation != Some("COMPENSATING")
    }

    fn scene(&self) -> Scene<'_> {
        Scene {
            described: &self.described,
            stories: &self.stories,
            review: self.review.as_deref(),
            decide: self.decide.as_deref(),
            trouble: self.trouble.as_deref(),
        }
    }
}

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Executions that are followed together.
const CHILDREN_MAX: usize = 20;
