//! The pages that a person sees: the inbox, a case with its form, and what became of it.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::facts::{facts, glance};
use super::html::Page;
use super::review::{Case, Decision, Ending};
use crate::markup::escape;

/// The longest comment, in characters.
pub(super) const COMMENT_CHARACTERS_MAX: usize = 10_000;
/// The longest name of a reviewer, in characters.
pub(super) const REVIEWER_CHARACTERS_MAX: usize = 200;

/// A case that waits, with the form. `problem` is what was wrong with the form when it was sent before.
pub(super) fn open(case: &Case, now: Timestamp, problem: Option<&str>) -> Page {
    let problem = problem.map_or(String::new(), |problem| {
        format!(
            "<p class=\"badge bad\" role=\"alert\">{}</p>\n",
            escape(problem)
        )
    });
    // The first button is what Enter in a field presses: it is disabled, so that nobody approves by accident.
    let main = format!(
        "<p class=\"badge wait\">Waiting for your decision</p>\n{}{}{problem}\
         <section class=\"card\" aria-labelledby=\"facts\"><h2 id=\"facts\">The case</h2>\n{}</section>\n\
         <section class=\"card\" aria-labelledby=\"decision\"><h2 id=\"decision\">Your decision</h2>\n<form method=\"post\">\n\
         <button type=\"submit\" disabled hidden></button>\n\
         <label for=\"comment\">Comment <span>(optional)</span></label>\n\
         <textarea id=\"comment\" name=\"comment\" rows=\"4\" maxlength=\"{COMMENT_CHARACTERS_MAX}\"></textarea>\n\
         <label for=\"reviewer\">Your name <span>(optional)</span></label>\n\
         <input id=\"reviewer\" name=\"reviewer\" type=\"text\" autocomplete=\"name\" maxlength=\"{REVIEWER_CHARACTERS_MAX}\">\n\
         <div class=\"actions\">\n\
         <button class=\"approve\" type=\"submit\" name=\"decision\" value=\"approve\">Approve</button>\n\
         <button class=\"decline\" type=\"submit\" name=\"decision\" value=\"decline\">Decline</button>\n</div>\n\
         <p class=\"hint\">The first answer counts and can’t be taken back.</p>\n</form></section>\n",
        heading(case),
        about(case, now),
        facts(&case.facts),
    );
    page(case, main)
}

/// What was decided just now.
pub(super) fn decided(case: &Case, decision: &Decision) -> Page {
    let said = if decision.approved {
        "approved"
    } else {
        "declined"
    };
    let main = format!(
        "{}{}<section class=\"card\"><h2>Thank you</h2>\n<p>You {said} this case. The process goes on by itself; you can close this page.</p>\n{}</section>\n{}",
        decision_badge(decision.approved),
        heading(case),
        remarks(decision),
        folded_facts(&case.facts),
    );
    page(case, main)
}

/// A case that is over.
pub(super) fn closed(case: &Case, ending: &Ending) -> Page {
    let (badge, told) = match ending {
        Ending::Decided(decision, at) => {
            let by = decision
                .reviewer
                .as_deref()
                .map_or(String::new(), |reviewer| {
                    format!(" by {}", escape(reviewer))
                });
            let said = if decision.approved {
                "approved"
            } else {
                "declined"
            };
            let told = format!(
                "<p>This case was {said}{by} on {}.</p>\n{}",
                time(*at),
                quoted_comment(decision)
            );
            (decision_badge(decision.approved), told)
        }
        Ending::Answered(at) => (
            badge("Closed"),
            format!("<p>This case was completed on {}.</p>\n", time(*at)),
        ),
        Ending::TimedOut(at) => (
            badge("Too late"),
            format!(
                "<p>Nobody decided in time: this case timed out on {}.</p>\n",
                time(*at)
            ),
        ),
        Ending::Obsolete => (
            badge("No longer needed"),
            "<p>The process that asked went on without this decision, or has ended.</p>\n"
                .to_owned(),
        ),
    };
    let main = format!(
        "{badge}{}<section class=\"card\"><h2>No decision is needed</h2>\n{told}<p class=\"hint\">This link was for one decision and can’t be used again.</p></section>\n{}",
        heading(case),
        folded_facts(&case.facts),
    );
    page(case, main)
}

/// A link that leads nowhere.
pub(super) fn unknown() -> Page {
    message(
        "This link is not valid",
        "It leads to no review. Perhaps it was cut off when it was copied: please open it again from the message you got.",
    )
}

/// A page that says one thing.
pub(super) fn message(title: &str, text: &str) -> Page {
    let main = format!(
        "<section class=\"card\"><h1>{}</h1>\n<p>{}</p></section>\n",
        escape(title),
        escape(text)
    );
    Page {
        title: title.to_owned(),
        main,
    }
}

/// All that waits for a person: each case with its link.
pub(super) fn inbox(cases: &[(Case, String)], now: Timestamp) -> Page {
    let count = match cases.len() {
        0 => "Nothing waits for a decision.".to_owned(),
        1 => "One case waits for a decision.".to_owned(),
        many => format!("{many} cases wait for a decision."),
    };
    let items: String = cases
        .iter()
        .map(|(case, url)| inbox_item(case, url, now))
        .collect();
    Page {
        title: "Reviews".to_owned(),
        main: format!(
            "<h1>Reviews</h1>\n<p class=\"lead\">{count}</p>\n<ul class=\"inbox\">\n{items}</ul>\n"
        ),
    }
}

fn inbox_item(case: &Case, url: &str, now: Timestamp) -> String {
    let due = case
        .due
        .map_or(String::new(), |due| format!(" · due {}", ahead(due, now)));
    format!(
        "<li><a class=\"card\" href=\"{}\"><strong>{}</strong>\n<p class=\"glance\">{}</p>\n\
         <p class=\"glance\">{} · {} · since {}{due}</p></a></li>\n",
        escape(url),
        escape(&case.state),
        escape(&glance(&case.facts)),
        escape(&case.machine),
        escape(&case.execution_name),
        time(case.opened_at),
    )
}

fn page(case: &Case, main: String) -> Page {
    Page {
        title: format!("{} – {}", case.state, case.machine),
        main,
    }
}

fn heading(case: &Case) -> String {
    format!(
        "<h1>{}</h1>\n<p class=\"lead\">{} · {}</p>\n",
        escape(&case.state),
        escape(&case.machine),
        escape(&case.execution_name)
    )
}

fn about(case: &Case, now: Timestamp) -> String {
    let due = match case.due {
        Some(due) => format!("{}<small>{}</small>", time(due), ahead(due, now)),
        None => "whenever you decide".to_owned(),
    };
    format!(
        "<dl class=\"about\"><div><dt>Waiting since</dt><dd>{}</dd></div><div><dt>Decide until</dt><dd>{due}</dd></div></dl>\n",
        time(case.opened_at)
    )
}

fn folded_facts(value: &Value) -> String {
    format!(
        "<section class=\"card\"><details><summary>The case</summary>\n{}</details></section>\n",
        facts(value)
    )
}

fn remarks(decision: &Decision) -> String {
    let by = decision
        .reviewer
        .as_deref()
        .map_or(String::new(), |reviewer| {
            format!("<p class=\"hint\">Signed: {}</p>\n", escape(reviewer))
        });
    quoted_comment(decision) + &by
}

fn quoted_comment(decision: &Decision) -> String {
    if decision.comment.is_empty() {
        return String::new();
    }
    format!("<blockquote>{}</blockquote>\n", escape(&decision.comment))
}

fn decision_badge(approved: bool) -> String {
    let (class, word) = if approved {
        ("good", "Approved")
    } else {
        ("bad", "Declined")
    };
    format!("<p class=\"badge {class}\">{word}</p>\n")
}

fn badge(word: &str) -> String {
    format!("<p class=\"badge\">{word}</p>\n")
}

/// A time for people. It is told in UTC: without a script a page can't know where its reader is.
fn time(at: Timestamp) -> String {
    format!(
        "<time datetime=\"{at:.0}\">{}</time>",
        at.strftime("%-d %B %Y, %H:%M UTC")
    )
}

/// How far away a time is, in the largest unit that fits.
fn ahead(at: Timestamp, now: Timestamp) -> String {
    let left = at.duration_since(now);
    if left <= SignedDuration::ZERO {
        return "at any moment".to_owned();
    }
    let minutes = left.as_secs() / 60;
    let (count, unit) = match minutes {
        0 => return "in less than a minute".to_owned(),
        1..=119 => (minutes, "minute"),
        120..=2_879 => (minutes / 60, "hour"),
        _ => (minutes / 1_440, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("in {count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use sagamore_interpreter::{ExecutionId, Sequence};
    use serde_json::json;

    use super::*;

    fn case(text: &str) -> Case {
        Case {
            execution: ExecutionId::of(text),
            execution_arn: text.to_owned(),
            execution_name: text.to_owned(),
            task: Sequence(7),
            machine: text.to_owned(),
            state: text.to_owned(),
            facts: json!({ text: [text] }),
            opened_at: Timestamp::UNIX_EPOCH,
            due: None,
        }
    }

    fn check_escaped(page: &Page) {
        assert!(!page.main.contains("<script"), "{}", page.main);
        assert!(!page.main.contains("\" onload="), "{}", page.main);
    }

    #[test]
    fn whatever_a_case_says_stays_text_on_every_page() {
        let evil = case("<script>alert(1)</script>\" onload=\"x");
        let decision = Decision {
            approved: true,
            comment: evil.state.clone(),
            reviewer: Some(evil.state.clone()),
        };
        check_escaped(&open(&evil, Timestamp::UNIX_EPOCH, Some(&evil.state)));
        check_escaped(&decided(&evil, &decision));
        check_escaped(&closed(
            &evil,
            &Ending::Decided(decision, Timestamp::UNIX_EPOCH),
        ));
        check_escaped(&message(&evil.state, &evil.state));
        let url = evil.state.clone();
        check_escaped(&inbox(&[(evil, url)], Timestamp::UNIX_EPOCH));
    }

    #[test]
    fn enter_in_a_field_decides_nothing() {
        let main = open(&case("Review"), Timestamp::UNIX_EPOCH, None).main;
        let first = main.find("<button").unwrap();
        assert!(
            main[first..].starts_with("<button type=\"submit\" disabled hidden>"),
            "{main}"
        );
    }

    #[test]
    fn a_time_is_told_with_how_far_it_is() {
        let check = |seconds: i64, expected: &str| {
            let at = Timestamp::from_second(seconds).unwrap();
            assert_eq!(ahead(at, Timestamp::UNIX_EPOCH), expected);
        };
        check(0, "at any moment");
        check(59, "in less than a minute");
        check(60, "in 1 minute");
        check(7_199, "in 119 minutes");
        check(7_200, "in 2 hours");
        check(30 * 86_400, "in 30 days");
        assert_eq!(
            time(Timestamp::from_second(1_700_000_000).unwrap()),
            "<time datetime=\"2023-11-14T22:13:20Z\">14 November 2023, 22:13 UTC</time>"
        );
    }
}
