//! The facts of a case for people: any JSON as nested lists and tables, without a brace.

use serde_json::{Map, Value};

use crate::markup::escape;

/// Facts as HTML.
pub(super) fn facts(value: &Value) -> String {
    let mut html = String::new();
    write(&mut html, value);
    format!("<div class=\"facts\">{html}</div>\n")
}

/// The first facts on one line, as plain text: what tells one case of an inbox from another.
pub(super) fn glance(value: &Value) -> String {
    let Value::Object(members) = value else {
        return plain(value).unwrap_or_default();
    };
    let told = members
        .iter()
        .filter_map(|(name, value)| Some(format!("{}: {}", label(name), plain(value)?)));
    told.take(GLANCE_FACTS_MAX).collect::<Vec<_>>().join(" · ")
}

fn write(html: &mut String, value: &Value) {
    match value {
        Value::Object(members) if !members.is_empty() => write_object(html, members),
        Value::Array(items) if !items.is_empty() => match columns(items) {
            Some(columns) => write_table(html, items, &columns),
            None => write_list(html, items),
        },
        Value::Object(_) | Value::Array(_) => html.push_str("<span class=\"none\">nothing</span>"),
        Value::Null => html.push_str("<span class=\"none\">–</span>"),
        Value::Bool(true) => html.push_str("Yes"),
        Value::Bool(false) => html.push_str("No"),
        Value::Number(number) => html.push_str(&escape(&number.to_string())),
        Value::String(text) if text.is_empty() => {
            html.push_str("<span class=\"none\">empty</span>");
        }
        Value::String(text) if text.contains('\n') => {
            html.push_str("<p class=\"text\">");
            html.push_str(&escape(text));
            html.push_str("</p>");
        }
        Value::String(text) => html.push_str(&escape(text)),
    }
}

fn write_object(html: &mut String, members: &Map<String, Value>) {
    html.push_str("<dl>");
    for (name, value) in members {
        let class = if is_nested(value) {
            " class=\"nested\""
        } else {
            ""
        };
        html.push_str(&format!(
            "<div{class}><dt title=\"{}\">{}</dt><dd>",
            escape(name),
            escape(&label(name))
        ));
        write(html, value);
        html.push_str("</dd></div>\n");
    }
    html.push_str("</dl>\n");
}

fn write_list(html: &mut String, items: &[Value]) {
    let tag = if items.iter().any(is_nested) {
        "ol"
    } else {
        "ul"
    };
    html.push_str(&format!("<{tag}>"));
    for item in items {
        html.push_str("<li>");
        write(html, item);
        html.push_str("</li>");
    }
    html.push_str(&format!("</{tag}>\n"));
}

fn write_table(html: &mut String, items: &[Value], columns: &[&str]) {
    let is_number = |column: &str| {
        items
            .iter()
            .all(|item| item.get(column).is_none_or(Value::is_number))
    };
    let class = |column: &str| {
        if is_number(column) {
            " class=\"number\""
        } else {
            ""
        }
    };
    html.push_str("<div class=\"scroll\" tabindex=\"0\"><table><thead><tr>");
    for column in columns {
        html.push_str(&format!(
            "<th scope=\"col\"{} title=\"{}\">{}</th>",
            class(column),
            escape(column),
            escape(&label(column))
        ));
    }
    html.push_str("</tr></thead><tbody>");
    for item in items {
        html.push_str("<tr>");
        for column in columns {
            html.push_str(&format!("<td{}>", class(column)));
            write(html, item.get(column).unwrap_or(&Value::Null));
            html.push_str("</td>");
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
}

/// The columns of a list that is a table: objects with few and plain members.
fn columns(items: &[Value]) -> Option<Vec<&str>> {
    let mut columns: Vec<&str> = Vec::new();
    for item in items {
        let members = item.as_object().filter(|members| !members.is_empty())?;
        for (name, value) in members {
            if is_nested(value) {
                return None;
            }
            if !columns.contains(&name.as_str()) {
                columns.push(name);
            }
        }
        if columns.len() > TABLE_COLUMNS_MAX {
            return None;
        }
    }
    Some(columns)
}

fn is_nested(value: &Value) -> bool {
    match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => items.iter().any(|item| item.is_object() || item.is_array()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A plain value on one line; `None` for what has members, or is nothing.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Bool(flag) => Some(if *flag { "Yes" } else { "No" }.to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(shortened(
            &text.split_whitespace().collect::<Vec<_>>().join(" "),
        )),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(GLANCE_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A member's name in words: `annualIncome` and `annual_income` are `Annual income`. Other names stay as they are.
fn label(name: &str) -> String {
    let is_identifier =
        |character: char| character.is_ascii_alphanumeric() || character == '_' || character == '-';
    if name.is_empty() || !name.chars().all(is_identifier) {
        return name.to_owned();
    }
    let mut words: Vec<String> = vec![String::new()];
    let mut before = '_';
    for character in name.chars() {
        let is_break = matches!(character, '_' | '-');
        if is_break || (character.is_ascii_uppercase() && before.is_ascii_lowercase()) {
            words.push(String::new());
        }
        if let (false, Some(word)) = (is_break, words.last_mut()) {
            word.push(character);
        }
        before = character;
    }
    let is_acronym = |word: &str| {
        word.len() > 1 && !word.chars().any(|character| character.is_ascii_lowercase())
    };
    let mut label = String::new();
    for word in words.iter().filter(|word| !word.is_empty()) {
        let word = if is_acronym(word) {
            word.clone()
        } else {
            word.to_ascii_lowercase()
        };
        match label.is_empty() {
            true => label.push_str(&(word[..1].to_ascii_uppercase() + &word[1..])),
            false => label.push_str(&format!(" {word}")),
        }
    }
    label
}

/// Tables wider than this are unreadable; the list of each row's members is better.
const TABLE_COLUMNS_MAX: usize = 6;
const GLANCE_FACTS_MAX: usize = 4;
const GLANCE_CHARACTERS_MAX: usize = 60;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(value: &Value, expected: &str) {
        let html = facts(value).replace('\n', "");
        let inner = html
            .strip_prefix("<div class=\"facts\">")
            .and_then(|html| html.strip_suffix("</div>"))
            .unwrap();
        assert_eq!(inner, expected);
    }

    #[test]
    fn members_are_told_in_words() {
        for (name, expected) in [
            ("annualIncome", "Annual income"),
            ("annual_income", "Annual income"),
            ("IBAN", "IBAN"),
            ("applicant-ID", "Applicant ID"),
            ("name", "Name"),
            ("What <b>?", "What <b>?"),
            ("_", ""),
            ("größe", "größe"),
        ] {
            assert_eq!(label(name), expected);
        }
    }

    #[test]
    fn an_object_is_a_list_of_its_members() {
        check(
            &json!({"amount": 5000, "approved": true, "note": null}),
            "<dl><div><dt title=\"amount\">Amount</dt><dd>5000</dd></div>\
             <div><dt title=\"approved\">Approved</dt><dd>Yes</dd></div>\
             <div><dt title=\"note\">Note</dt><dd><span class=\"none\">–</span></dd></div></dl>",
        );
    }

    #[test]
    fn a_list_of_like_objects_is_a_table() {
        check(
            &json!([{"factor": "income", "weight": 2}, {"factor": "age"}]),
            "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th scope=\"col\" title=\"factor\">Factor</th>\
             <th scope=\"col\" class=\"number\" title=\"weight\">Weight</th></tr></thead><tbody>\
             <tr><td>income</td><td class=\"number\">2</td></tr>\
             <tr><td>age</td><td class=\"number\"><span class=\"none\">–</span></td></tr></tbody></table></div>",
        );
    }

    #[test]
    fn markup_in_names_and_values_stays_text() {
        check(
            &json!({"<b>\"": ["<img src=x onerror=alert(1)>"]}),
            "<dl><div><dt title=\"&lt;b&gt;&quot;\">&lt;b&gt;&quot;</dt>\
             <dd><ul><li>&lt;img src=x onerror=alert(1)&gt;</li></ul></dd></div></dl>",
        );
    }

    #[test]
    fn a_glance_is_one_line_of_plain_facts() {
        let value =
            json!({"applicant": {"name": "x"}, "amount": 5000, "purpose": "a\nboat", "note": ""});
        assert_eq!(glance(&value), "Amount: 5000 · Purpose: a boat");
    }
}
