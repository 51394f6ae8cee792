//! How an execution looks: lines of text with a sign for each state, which tells without a colour, too.

use std::collections::{BTreeMap, HashMap};

use console::{Style, truncate_str};
use serde_json::Value;

use super::story::{Row, Standing, Story};
use crate::cli::client::excerpt;

/// All that is shown.
pub(super) struct Scene<'a> {
    pub described: &'a Value,
    pub stories: &'a BTreeMap<String, Story>,
    pub review: Option<&'a str>,
    pub decide: Option<&'a str>,
    pub trouble: Option<&'a str>,
}

/// What was said so far, where nothing can be taken back.
#[derive(Default)]
pub(super) struct Telling {
    said: HashMap<String, String>,
}

/// A state as it is shown: how deep, and which.
type Shown<'a> = (usize, &'a Row);

impl Scene<'_> {
    /// The picture: what it is, its states, and what somebody has to do. With a limit the states that were entered first make room.
    pub(super) fn lines(&self, width: usize, lines_max: Option<usize>) -> Vec<String> {
        let (status, style) = self.status();
        let name = Style::new().bold().apply_to(self.name());
        let head = format!("{name}  {}", style.apply_to(status));
        let tail = self.tail();
        let mut rows: Vec<String> = self
            .rows()
            .into_iter()
            .map(|shown| cut(&coloured(shown), width))
            .collect();
        if let Some(max) = lines_max {
            let room = max.saturating_sub(2 + tail.len()).max(1);
            if rows.len() > room {
                let hidden = rows.len() - room;
                rows.drain(..hidden);
                rows.insert(
                    0,
                    Style::new()
                        .dim()
                        .apply_to(format!("  … {hidden} more"))
                        .to_string(),
                );
            }
        }
        let mut lines = vec![cut(&head, width)];
        lines.extend(rows);
        lines.extend(tail);
        lines
    }

    /// The states of the execution, and inside each that another execution does that one's.
    fn rows(&self) -> Vec<Shown<'_>> {
        let mut rows = Vec::new();
        if let Some(arn) = self.described["executionArn"].as_str() {
            self.gather(arn, 0, &mut rows);
        }
        rows
    }

    fn gather<'s>(&'s self, arn: &str, depth: usize, rows: &mut Vec<Shown<'s>>) {
        let told = self.stories.get(arn).map(Story::rows).unwrap_or_default();
        for (inside, row) in told {
            rows.push((depth + inside, row));
            if let Some(child) = &row.child {
                self.gather(child, depth + inside + 1, rows);
            }
        }
    }

    fn name(&self) -> String {
        let arn = self.described["executionArn"].as_str().unwrap_or_default();
        let mut parts = arn.rsplitn(3, ':');
        let (name, machine) = (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        );
        format!("{machine}:{name}")
    }

    fn status(&self) -> (String, Style) {
        let status = self.described["status"].as_str().unwrap_or_default();
        let compensation = self.described["compensation"]["status"].as_str();
        let compensation = compensation.filter(|it| *it != "NONE");
        let style = match (status, compensation) {
            ("RUNNING", None) => Style::new().cyan(),
            ("RUNNING", Some(_)) => Style::new().yellow(),
            ("SUCCEEDED", _) => Style::new().green(),
            _ => Style::new().red(),
        };
        let text = match compensation {
            Some(compensation) => format!("{status}, {compensation}"),
            None => status.to_owned(),
        };
        (text, style)
    }

    /// What came of it, or what it waits for. A link is never cut: it must stay one.
    fn tail(&self) -> Vec<String> {
        let asks = Style::new().yellow();
        let text = |member: &str| self.described[member].as_str();
        let lines = [
            self.review
                .map(|url| format!("{} {url}", asks.apply_to("decide:"))),
            self.decide
                .map(|command| format!("{} {command}", asks.apply_to("decide:"))),
            text("error").map(|error| match text("cause") {
                Some(cause) => format!("{}: {}", excerpt(error), excerpt(cause)),
                None => excerpt(error),
            }),
            text("output").map(|output| format!("output {}", excerpt(output))),
            self.trouble.map(|trouble| {
                let trouble = format!("{trouble}; still trying");
                Style::new().red().apply_to(trouble).to_string()
            }),
        ];
        lines.into_iter().flatten().collect()
    }
}

impl Telling {
    /// A line for each state that stands otherwise than was said, and for all else that is new.
    pub(super) fn news(&mut self, scene: &Scene<'_>) -> Vec<String> {
        let rows = scene.rows().into_iter();
        // States of several executions may have one name.
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let rows = rows.map(|shown| {
            let which = seen.entry(shown.1.name.as_str()).or_default();
            *which += 1;
            (format!("{which} {}", shown.1.name), plain(shown))
        });
        let (status, _) = scene.status();
        let head = (String::new(), format!("{} {status}", scene.name()));
        let tail = scene.tail().into_iter();
        let tail = tail.map(|line| (format!(" {line}"), line));
        let all = std::iter::once(head).chain(rows).chain(tail);
        let mut news = Vec::new();
        for (what, line) in all {
            let line = console::strip_ansi_codes(&line).into_owned();
            if self.said.get(&what) != Some(&line) {
                self.said.insert(what, line.clone());
                news.push(line);
            }
        }
        news
    }
}

fn coloured((depth, row): Shown<'_>) -> String {
    let (sign, style) = sign(row);
    let quiet = Style::new().dim();
    let name = match row.kind.as_str() {
        "Task" | "Parallel" | "Map" => row.name.clone(),
        _ => quiet.apply_to(&row.name).to_string(),
    };
    let remarks = quiet.apply_to(remarks(row, true));
    format!(
        "  {}{} {name}{remarks}",
        "  ".repeat(depth),
        style.apply_to(sign)
    )
}

fn plain((depth, row): Shown<'_>) -> String {
    format!(
        "  {}{} {}{}",
        "  ".repeat(depth),
        sign(row).0,
        row.name,
        remarks(row, false)
    )
}

fn sign(row: &Row) -> (&'static str, Style) {
    match row.standing() {
        Standing::Running => ("…", Style::new().cyan()),
        Standing::Done => ("✓", Style::new().green()),
        Standing::Failed => ("✗", Style::new().red()),
        Standing::Undoing => ("↶", Style::new().yellow()),
        Standing::Undone => ("↩", Style::new().blue()),
    }
}

/// What there is to say beside the name: how many, how often, how long, what went wrong.
fn remarks(row: &Row, with_time: bool) -> String {
    let mut remarks = Vec::new();
    if let Some((over, length)) = row.iterations {
        remarks.push(format!("{over} of {length}"));
    }
    let visits = row.open + row.done + row.failed;
    if visits > 1 {
        let counts = [
            (row.done, "done"),
            (row.open, "open"),
            (row.failed, "failed"),
            (row.undone, "undone"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        remarks.extend(counts.map(|(count, word)| format!("{count} {word}")));
    }
    if row.attempts > 1 {
        remarks.push(format!("attempt {}", row.attempts));
    }
    if let (begun, Some(ended)) = row.times
        && with_time
        && row.kind != "Choice"
        && row.kind != "Pass"
    {
        remarks.push(lasted((ended - begun).max(0.0)));
    }
    remarks.extend(row.error.as_deref().map(excerpt));
    match remarks.is_empty() {
        true => String::new(),
        false => format!("  {}", remarks.join(", ")),
    }
}

fn lasted(seconds: f64) -> String {
    match seconds {
        short if short < 1.0 => format!("{:.0} ms", short * 1_000.0),
        seconds => format!("{seconds:.1} s"),
    }
}

fn cut(line: &str, width: usize) -> String {
    truncate_str(line, width, "…").into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entered(id: u64, name: &str) -> Value {
        json!({ "id": id, "previousEventId": id - 1, "timestamp": id, "type": "TaskStateEntered",
            "stateEnteredEventDetails": { "name": name } })
    }

    fn exited(id: u64, name: &str) -> Value {
        json!({ "id": id, "previousEventId": id - 1, "timestamp": id, "type": "TaskStateExited",
            "stateExitedEventDetails": { "name": name } })
    }

    fn seen(lines: &[String]) -> Vec<String> {
        let plain = |line: &String| console::strip_ansi_codes(line).into_owned();
        lines.iter().map(plain).collect()
    }

    /// The picture and the news of an execution with these events, which waits for a person.
    fn check(events: &[Value], lines_max: Option<usize>, lines: &[&str], news: &[&str]) {
        let described = json!({ "executionArn": "arn:aws:states:r:a:execution:loan:ada", "status": "RUNNING",
            "compensation": { "status": "NONE" } });
        let arn = "arn:aws:states:r:a:execution:loan:ada".to_owned();
        let mut stories = BTreeMap::from([(arn, Story::default())]);
        let mut telling = Telling::default();
        for until in 0..=events.len() {
            stories
                .values_mut()
                .for_each(|story| story.tell(&events[..until]));
            let scene = Scene {
                described: &described,
                stories: &stories,
                review: Some("http://here/reviews/token"),
                decide: None,
                trouble: None,
            };
            let told = telling.news(&scene);
            if until == events.len() {
                assert_eq!(seen(&scene.lines(60, lines_max)), lines);
                assert_eq!(told, news);
            }
        }
    }

    #[test]
    fn a_picture_shows_each_state_and_what_is_wanted() {
        let events = [entered(1, "A"), exited(2, "A"), entered(3, "B")];
        let lines = [
            "loan:ada  RUNNING",
            "  ✓ A  1.0 s",
            "  … B",
            "decide: http://here/reviews/token",
        ];
        check(&events, None, &lines, &["  … B"]);
    }

    #[test]
    fn a_picture_that_is_too_tall_leaves_out_what_came_first() {
        let events = [entered(1, "A"), exited(2, "A"), entered(3, "B")];
        let lines = [
            "loan:ada  RUNNING",
            "  … 1 more",
            "  … B",
            "decide: http://here/reviews/token",
        ];
        check(&events, Some(4), &lines, &["  … B"]);
    }
}
