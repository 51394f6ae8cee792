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
    let entries = arguments.into_iter();
    let mut wanted = entries.filter(|(name, _)| !name.as_str().starts_with("x-"));
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
        let fit = "a.b=a.b a.*=a.b = #= #=a.b.c a.#=a a.#=a.b.c #.c=a.b.c a.#.c.*=a.c.b.c.d #.#=a a..b=a..b a.*.b=a..b";
        let unfit = "a.b=a.b.c a.*=a *= a.#=b.a #.c=c.d a.#.c.*=a.c #.*= a=";
        for (cases, expected) in [(fit, true), (unfit, false)] {
            for (pattern, key) in cases.split(' ').filter_map(|case| case.split_once('=')) {
                assert_eq!(topic(pattern, key), expected, "{pattern} {key}");
            }
        }
    }

    #[test]
    fn headers_match_all_or_any() {
        let table = |names: &str, mode: &str| {
            let mut table = FieldTable::default();
            table.insert("x-match".into(), AMQPValue::LongString(mode.into()));
            for name in names.split_whitespace() {
                table.insert(name.into(), AMQPValue::LongInt(1));
            }
            table
        };
        for (mode, wanted, given, expected) in [
            ("all", "a b", "a b c", true),
            ("all", "a b", "a", false),
            ("any", "a b", "a", true),
            ("any", "", "a", false),
            ("all", "x-a", "", true),
        ] {
            let fits = headers(&table(wanted, mode), Some(&table(given, "")));
            assert_eq!(fits, expected, "{mode} {wanted} {given}");
        }
    }
}
