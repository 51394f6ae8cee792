//! Pages of lists: how many rows, and the opaque token behind which the next ones begin.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;

use crate::commands::{ApiError, Members};
use crate::store::PageKey;

/// How many rows a page has: `maxResults`, where 0 and none mean the default.
///
/// # Errors
/// `ValidationException`: it is out of range.
pub(super) fn page_size(members: Members<'_>) -> Result<u32, ApiError> {
    let size = members.count("maxResults", PAGE_ROWS_MAX)?.filter(|size| *size > 0);
    Ok(size.unwrap_or(PAGE_ROWS_DEFAULT))
}

/// What the token of a page before says, which has to be of the same list.
///
/// # Errors
/// `InvalidToken`: it is none, or one of another list.
pub(super) fn read_token<'a>(members: Members<'a>, length_max: usize, list: &str) -> Result<Option<Vec<String>>, ApiError> {
    let Some(token) = members.text("nextToken", length_max)? else {
        return Ok(None);
    };
    let parts = URL_SAFE_NO_PAD.decode(token).ok();
    let parts: Option<Vec<String>> = parts.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    match parts {
        Some(mut parts) if parts.first().is_some_and(|first| first == list) => {
            parts.remove(0);
            Ok(Some(parts))
        }
        _ => Err(ApiError::invalid_token()),
    }
}

/// The token of a list for what follows, to be read by [`read_token`].
pub(super) fn token(list: &str, parts: &[&str]) -> Value {
    let parts: Vec<&str> = std::iter::once(list).chain(parts.iter().copied()).collect();
    let text = Value::from(parts).to_string();
    Value::String(URL_SAFE_NO_PAD.encode(text))
}

/// The key in a token of a list that is in order of time.
///
/// # Errors
/// As [`read_token`].
pub(super) fn read_key(members: Members<'_>, length_max: usize, list: &str) -> Result<Option<PageKey>, ApiError> {
    let Some(parts) = read_token(members, length_max, list)? else {
        return Ok(None);
    };
    let [at, name] = parts.as_slice() else {
        return Err(ApiError::invalid_token());
    };
    let at: Timestamp = at.parse().map_err(|_| ApiError::invalid_token())?;
    Ok(Some(PageKey { at, name: name.clone() }))
}

/// The token behind a row of a list that is in order of time.
pub(super) fn key_token(list: &str, key: &PageKey) -> Value {
    token(list, &[&key.at.to_string(), &key.name])
}

/// Source: Step Functions, `PageSize`.
const PAGE_ROWS_MAX: u32 = 1_000;
const PAGE_ROWS_DEFAULT: u32 = 100;
/// The longest page token of most lists, in characters. Source: Step Functions, `PageToken`.
pub(super) const TOKEN_CHARACTERS_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(request: &Value, list: &str, expected: &str) {
        let key = read_key(Members::of(request).unwrap(), TOKEN_CHARACTERS_MAX, list);
        let read = match key {
            Ok(key) => format!("{:?}", key.map(|key| (key.at.to_string(), key.name))),
            Err(error) => error.to_string(),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn a_token_leads_behind_its_row() {
        let key = PageKey {
            at: Timestamp::from_nanosecond(1_700_000_000_123_456_789).unwrap(),
            name: "loan \"x\"".to_owned(),
        };
        let request = json!({ "nextToken": key_token("machines", &key) });
        check(&request, "machines", r#"Some(("2023-11-14T22:13:20.123456789Z", "loan \"x\""))"#);
    }

    #[test]
    fn a_token_of_another_list_or_of_nothing_is_invalid() {
        let key = PageKey {
            at: Timestamp::UNIX_EPOCH,
            name: "loan".to_owned(),
        };
        let request = json!({ "nextToken": key_token("machines", &key) });
        check(&request, "executions", "InvalidToken: Invalid Token: 'Invalid token'");
        for token in ["x", "W10", "WyJtYWNoaW5lcyIsIngiLCJ5Il0"] {
            check(&json!({ "nextToken": token }), "machines", "InvalidToken: Invalid Token: 'Invalid token'");
        }
        check(&json!({}), "machines", "None");
    }

    #[test]
    fn a_page_has_a_hundred_rows_unless_told_otherwise() {
        let size = |request: &Value| page_size(Members::of(request).unwrap()).unwrap();
        assert_eq!(size(&json!({})), 100);
        assert_eq!(size(&json!({"maxResults": 0})), 100);
        assert_eq!(size(&json!({"maxResults": 1000})), 1000);
    }
}
