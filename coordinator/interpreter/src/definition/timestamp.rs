//! Points in time, as the language writes them.

use jiff::Timestamp;

use super::document::Node;
use super::fault::Faults;
use super::fields::string;

/// A point in time that stands in the definition.
pub(super) fn timestamp(node: Node<'_>, faults: &mut Faults) -> Option<Timestamp> {
    let text = string(node, faults)?;
    let timestamp = parse_timestamp(text);
    if timestamp.is_none() {
        faults.schema(
            node.spot(),
            "String does not match RFC3339 timestamp",
            "write it like \"2026-03-14T01:59:00Z\", with 'T' and an offset or 'Z'",
        );
    }
    timestamp
}

/// A timestamp in the language's profile of RFC 3339: a capital `T`, and a capital `Z` or a numeric offset.
pub(super) fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let begins = bytes.len() >= 20
        && bytes
            .iter()
            .zip(b"0000-00-00T00:00:00")
            .all(|(byte, pattern)| match pattern {
                b'0' => byte.is_ascii_digit(),
                _ => byte == pattern,
            });
    if !begins {
        return None;
    }
    let mut rest = &text[19..];
    if let Some(fraction) = rest.strip_prefix('.') {
        rest = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
        if rest.len() == fraction.len() {
            return None;
        }
    }
    let offset = matches!(
        rest.as_bytes(),
        b"Z" | [
            b'+' | b'-',
            b'0'..=b'9',
            b'0'..=b'9',
            b':',
            b'0'..=b'9',
            b'0'..=b'9'
        ]
    );
    if offset { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, sound: bool) {
        assert_eq!(parse_timestamp(text).is_some(), sound, "{text}");
    }

    #[test]
    fn a_timestamp_has_a_t_and_an_offset() {
        for text in [
            "2026-03-14T01:59:00Z",
            "2026-03-14T01:59:00.123456Z",
            "2026-03-14T01:59:00+01:00",
        ] {
            check(text, true);
        }
        for text in [
            "2026-03-14 01:59:00Z",
            "2026-03-14t01:59:00Z",
            "2026-03-14T01:59:00z",
            "2026-03-14T01:59:00",
            "2026-13-14T01:59:00Z",
            "2026-03-14T25:59:00Z",
            "2026-03-14T01:59:00.Z",
            "2026-03-14T01:59:00+0100",
            "2026-03-14T01:59:00+01:00[Europe/Paris]",
            "14-03-2026T01:59:00Z",
            "2026-03-14T01:59:0é",
            "",
        ] {
            check(text, false);
        }
    }
}
