//! Whether a message fits a binding of a topic or a headers exchange.

use amq_protocol::types::{AMQPValue, FieldTable, ShortString};

/// Whether a routing key fits a pattern: `*` stands for one word, `#` for any number of them.
pub fn topic(pattern: &str, key: &str) -> bool {
    // No text is no word, not an empty one.
    let pattern: Vec<&str> = pattern.split('.').filter(|_| !pattern.is_empty()).collect();
    let key: Vec<&str> = key.split('.').filter(|_| !key.is_empty()).collect();
    let (mut at, mut word) = (0, 0);
    // Where the last `#` stands, and the first word behind what it stands for.
    let mut hash = None;
    while word < key.len() {
        match pattern.get(at) {
            Some(&"#") => {
                hash = Some((at, word));
                at += 1;
            }
            Some(part) if *part == "*" || *part == key[word] => {
                at += 1;
                word += 1;
            }
            _ => {
                let Some((hash_at, behind)) = hash else {
                    return false;
                };
                hash = Some((hash_at, behind + 1));
                at = hash_at + 1;
                word = behind + 1;
            }
        }
    }
    pattern[at..].iter().all(|part| *part == "#")
}

/// Whether a message's headers fit the arguments of a binding, by its `x-match`.
pub fn headers(arguments: &FieldTable, headers: Option<&FieldTable>) -> bool {
    let mode = match arguments.inner().get("x-match") {
        Some(AMQPValue::LongString(mode)) => mode.as_bytes(),
        _ => b"all",
    };
    let mut wanted = arguments
        .into_iter()
        .filter(|(name, _)| match name.as_str() {
            "x-match" => false,
            name => !name.starts_with("x-") || mode.ends_with(b"-with-x"),
        });
    let fits = |(name, wanted): (&ShortString, &AMQPValue)| {
        let given = headers.and_then(|headers| headers.inner().get(name.as_str()));
        given.is_some_and(|given| *wanted == AMQPValue::Void || same(wanted, given))
    };
    if mode.starts_with(b"any") {
        wanted.any(fits)
    } else {
        wanted.all(fits)
    }
}

/// Whether two values are equal; of numbers, whatever their width.
fn same(one: &AMQPValue, other: &AMQPValue) -> bool {
    match (integer(one), integer(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// A value as a number, if it is a whole one.
pub fn integer(value: &AMQPValue) -> Option<i64> {
    Some(match value {
        AMQPValue::ShortShortInt(number) => (*number).into(),
        AMQPValue::ShortShortUInt(number) => (*number).into(),
        AMQPValue::ShortInt(number) => (*number).into(),
        AMQPValue::ShortUInt(number) => (*number).into(),
        AMQPValue::LongInt(number) => (*number).into(),
        AMQPValue::LongUInt(number) => (*number).into(),
        AMQPValue::LongLongInt(number) => *number,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_matches_word_by_word() {
        for (pattern, key, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.b.c", false),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("*", "", false),
            ("", "", true),
            ("#", "", true),
            ("#", "a.b.c", true),
            ("a.#", "a", true),
            ("a.#", "a.b.c", true),
            ("a.#", "b.a", false),
            ("#.c", "a.b.c", true),
            ("#.c", "c.d", false),
            ("a.#.c.*", "a.c.b.c.d", true),
            ("a.#.c.*", "a.c", false),
            ("#.#", "a", true),
            ("#.*", "", false),
            ("a..b", "a..b", true),
            ("a.*.b", "a..b", true),
        ] {
            assert_eq!(topic(pattern, key), expected, "{pattern} {key}");
        }
    }

    #[track_caller]
    fn check_headers(mode: &str, wanted: &[(&str, i64)], given: &[(&str, i32)], expected: bool) {
        let mut arguments = FieldTable::default();
        arguments.insert("x-match".into(), AMQPValue::LongString(mode.into()));
        for (name, value) in wanted {
            arguments.insert((*name).into(), AMQPValue::LongLongInt(*value));
        }
        let mut table = FieldTable::default();
        for (name, value) in given {
            table.insert((*name).into(), AMQPValue::LongInt(*value));
        }
        assert_eq!(headers(&arguments, Some(&table)), expected);
    }

    #[test]
    fn headers_match_all_or_any() {
        check_headers(
            "all",
            &[("a", 1), ("b", 2)],
            &[("a", 1), ("b", 2), ("c", 3)],
            true,
        );
        check_headers("all", &[("a", 1), ("b", 2)], &[("a", 1)], false);
        check_headers("any", &[("a", 1), ("b", 2)], &[("a", 1)], true);
        check_headers("any", &[("a", 1)], &[("a", 2)], false);
        check_headers("any", &[], &[("a", 1)], false);
    }

    #[test]
    fn headers_with_x_count_only_when_asked_for() {
        check_headers("all", &[("x-a", 1)], &[], true);
        check_headers("all-with-x", &[("x-a", 1)], &[], false);
        check_headers("any-with-x", &[("x-a", 1)], &[("x-a", 1)], true);
    }
}
