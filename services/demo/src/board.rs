//! The table of what each applicant's saga does: drawn over itself on a terminal, a line for each change elsewhere.

use std::collections::HashMap;
use std::io::{self, Write as _};

use console::{Style, measure_text_width};
use sagamore::cli::Canvas;
use sagamore_loan::applicants::Applicant;
use sagamore_loan::{Progress, Step, StepState};

/// The table.
pub struct Board {
    /// `None` where nothing can be drawn.
    canvas: Option<Canvas>,
    /// Where the API is, for what a person can do.
    url: String,
    /// Whether nobody has to be asked for anything.
    is_alone: bool,
    /// What was said of each applicant last, where nothing can be drawn.
    said: HashMap<String, String>,
}

impl Board {
    /// A table that was not drawn yet.
    pub fn new(url: String, is_alone: bool) -> Board {
        Board {
            canvas: Canvas::of_stdout(),
            url,
            is_alone,
            said: HashMap::new(),
        }
    }

    /// Shows how far all are.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn show(&mut self, all: &[(Applicant, Progress)]) -> io::Result<()> {
        let Some(canvas) = &self.canvas else {
            return self.say(all);
        };
        let (_, width) = canvas.size();
        let lines = |lines: fn(&Board, &Applicant, &Progress, usize) -> Vec<String>| {
            let all = all.iter();
            let all = all.flat_map(|(applicant, progress)| lines(self, applicant, progress, width));
            all.collect::<Vec<String>>()
        };
        let mut drawn = lines(Board::lines);
        if !canvas.holds(&drawn) {
            drawn = lines(Board::line);
        }
        match &mut self.canvas {
            Some(canvas) => canvas.draw(&drawn),
            None => Ok(()),
        }
    }

    fn say(&mut self, all: &[(Applicant, Progress)]) -> io::Result<()> {
        for (applicant, progress) in all {
            let name = &applicant.request.applicant;
            let steps: Vec<String> = progress.steps.iter().map(told).collect();
            let line = format!("{} {}", standing(progress), steps.join(" "));
            if self.said.get(name) != Some(&line) {
                writeln!(io::stdout(), "{name:<5} {line}")?;
                self.said.insert(name.clone(), line);
            }
        }
        Ok(())
    }

    fn lines(&self, applicant: &Applicant, progress: &Progress, width: usize) -> Vec<String> {
        let name = Style::new().bold();
        let name = name.apply_to(format!("{:<5}", applicant.request.applicant));
        let standing = colour(progress).apply_to(standing(progress));
        let story = Style::new().dim().apply_to(applicant.story);
        let mut lines = vec![cut(&format!("{name} {standing}  {story}"), width)];
        lines.extend(wrapped(&progress.steps, width));
        lines.extend(
            self.wanted(progress)
                .map(|wanted| format!("      {wanted}")),
        );
        lines
    }

    /// The same in one line, with the steps that were entered last.
    fn line(&self, applicant: &Applicant, progress: &Progress, width: usize) -> Vec<String> {
        let name = Style::new().bold();
        let name = name.apply_to(format!("{:<5}", applicant.request.applicant));
        let standing = colour(progress).apply_to(standing(progress));
        let mut line = format!("{name} {standing} ");
        let mut room = width.saturating_sub(measure_text_width(&line));
        let mut first = progress.steps.len();
        for step in progress.steps.iter().rev() {
            let wide = measure_text_width(&told(step)) + 1;
            if wide > room {
                break;
            }
            (room, first) = (room - wide, first - 1);
        }
        for step in &progress.steps[first..] {
            line.push(' ');
            line.push_str(&coloured(step));
        }
        let line = cut(&line, width);
        let wanted = self
            .wanted(progress)
            .map(|wanted| format!("      {wanted}"));
        std::iter::once(line).chain(wanted).collect()
    }

    /// What somebody has to do, so that it goes on. A link is never cut: it must stay one.
    fn wanted(&self, progress: &Progress) -> Option<String> {
        if self.is_alone {
            return None;
        }
        let asks = Style::new().yellow();
        if let Some(review) = &progress.review {
            return Some(format!("{} {review}", asks.apply_to("decide:")));
        }
        let path = progress.retry.as_ref()?;
        let retry = format!("curl -X POST {}{path}", self.url);
        Some(format!("{} {retry}", asks.apply_to("retry: ")))
    }
}

/// The steps with a sign for how each stands, on as many lines as they need.
fn wrapped(steps: &[Step], width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::from("     ");
    for step in steps {
        let told = coloured(step);
        if measure_text_width(&line) + measure_text_width(&told) + 1 > width {
            lines.push(std::mem::replace(&mut line, String::from("     ")));
        }
        line.push(' ');
        line.push_str(&told);
    }
    lines.push(line);
    lines
}

fn coloured(step: &Step) -> String {
    sign(step.state).1.apply_to(told(step)).to_string()
}

fn told(step: &Step) -> String {
    format!("{} {}", sign(step.state).0, step.name)
}

/// A sign that tells without a colour, too.
fn sign(state: StepState) -> (&'static str, Style) {
    match state {
        StepState::Running => ("…", Style::new().cyan()),
        StepState::Done => ("✓", Style::new().green()),
        StepState::Failed => ("✗", Style::new().red()),
        StepState::Undoing => ("↶", Style::new().yellow()),
        StepState::Undone => ("↩", Style::new().blue()),
    }
}

fn standing(progress: &Progress) -> String {
    let status = match (progress.status.as_str(), progress.compensation.as_str()) {
        ("RUNNING", "NONE") if progress.review.is_some() => "WAITS FOR A PERSON".to_owned(),
        ("RUNNING", "NONE") => "RUNNING".to_owned(),
        ("RUNNING", "SUSPENDED") => "WAITS FOR AN OPERATOR".to_owned(),
        ("RUNNING", compensation) => compensation.to_owned(),
        (status, "NONE") => status.to_owned(),
        (status, compensation) => format!("{status}, {compensation}"),
    };
    match &progress.error {
        Some(error) => format!("{status}: {error}"),
        None => status,
    }
}

fn colour(progress: &Progress) -> Style {
    match (progress.status.as_str(), progress.compensation.as_str()) {
        ("RUNNING", "NONE") if progress.review.is_none() => Style::new().cyan(),
        ("RUNNING", _) => Style::new().yellow(),
        ("SUCCEEDED", _) => Style::new().green(),
        _ => Style::new().red(),
    }
}

fn cut(line: &str, width: usize) -> String {
    console::truncate_str(line, width, "…").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str, state: StepState) -> Step {
        Step {
            name: name.to_owned(),
            state,
            child: None,
        }
    }

    #[test]
    fn steps_go_on_in_the_next_line() {
        let steps = [
            step("OpenApplication", StepState::Done),
            step("CheckCredit", StepState::Undone),
            step("AssessRisk", StepState::Running),
        ];
        let lines: Vec<String> = wrapped(&steps, 40)
            .iter()
            .map(|line| console::strip_ansi_codes(line).into_owned())
            .collect();
        assert_eq!(
            lines,
            [
                "      ✓ OpenApplication ↩ CheckCredit",
                "      … AssessRisk"
            ]
        );
    }

    #[test]
    fn a_saga_that_waits_says_for_whom() {
        let check = |compensation: &str, review: Option<&str>, expected: &str| {
            let progress = Progress {
                status: "RUNNING".to_owned(),
                compensation: compensation.to_owned(),
                review: review.map(str::to_owned),
                ..Progress::default()
            };
            assert_eq!(standing(&progress), expected);
        };
        check("NONE", None, "RUNNING");
        check("NONE", Some("http://…"), "WAITS FOR A PERSON");
        check("SUSPENDED", None, "WAITS FOR AN OPERATOR");
        check("COMPENSATING", None, "COMPENSATING");
    }
}
