//! The members of a request, checked and refused in Step Functions' words.

use serde_json::{Map, Value};

use super::ApiError;

/// The JSON object of a request. A member that is `null` counts as absent; one that is unknown is ignored, as SDKs of
/// any age send what they know.
#[derive(Debug, Clone, Copy)]
pub struct Members<'a>(&'a Map<String, Value>);

impl<'a> Members<'a> {
    /// The members of a request.
    ///
    /// # Errors
    /// It is not an object.
    pub fn of(request: &'a Value) -> Result<Members<'a>, ApiError> {
        let object = request.as_object();
        object.map(Members).ok_or_else(|| {
            ApiError::new("SerializationException", format!("The request is {}, not an object", kind(request)))
        })
    }

    /// A text of 1 to `length_max` characters, when it is given.
    ///
    /// # Errors
    /// It is no text, or too long, or empty.
    pub fn text(self, member: &str, length_max: usize) -> Result<Option<&'a str>, ApiError> {
        let Some(text) = self.free_text(member, length_max)? else {
            return Ok(None);
        };
        if text.is_empty() {
            let constraint = "Member must have length greater than or equal to 1";
            return Err(ApiError::constraint(member, "''", constraint));
        }
        Ok(Some(text))
    }

    /// A text that may be empty, when it is given.
    ///
    /// # Errors
    /// It is no text, or too long.
    pub fn free_text(self, member: &str, length_max: usize) -> Result<Option<&'a str>, ApiError> {
        let text = match self.get(member) {
            None => return Ok(None),
            Some(Value::String(text)) => text,
            Some(other) => return Err(wrong_kind(member, "a string", other)),
        };
        if text.len() > length_max && text.chars().count() > length_max {
            let constraint = format!("Member must have length less than or equal to {length_max}");
            return Err(ApiError::constraint(member, &quoted(text), &constraint));
        }
        Ok(Some(text))
    }

    /// A text of 1 to `length_max` characters that has to be there.
    ///
    /// # Errors
    /// It is absent, no text, too long or empty.
    pub fn required(self, member: &str, length_max: usize) -> Result<&'a str, ApiError> {
        self.text(member, length_max)?
            .ok_or_else(|| ApiError::constraint(member, "null", "Member must not be null"))
    }

    /// One of a closed list of words, when it is given.
    ///
    /// # Errors
    /// It is another word, or none.
    pub fn word(self, member: &str, words: &[&str]) -> Result<Option<&'a str>, ApiError> {
        let Some(text) = self.free_text(member, usize::MAX)? else {
            return Ok(None);
        };
        if !words.contains(&text) {
            let constraint = format!("Member must satisfy enum value set: [{}]", words.join(", "));
            return Err(ApiError::constraint(member, &quoted(text), &constraint));
        }
        Ok(Some(text))
    }

    /// A yes or no, when it is given.
    ///
    /// # Errors
    /// It is neither.
    pub fn flag(self, member: &str) -> Result<Option<bool>, ApiError> {
        match self.get(member) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(wrong_kind(member, "true or false", other)),
        }
    }

    /// A whole number from 0 to `max`, when it is given.
    ///
    /// # Errors
    /// It is no whole number, or out of range.
    pub fn count(self, member: &str, max: u32) -> Result<Option<u32>, ApiError> {
        let Some(value) = self.get(member) else {
            return Ok(None);
        };
        let number = value.as_i64().ok_or_else(|| wrong_kind(member, "a whole number", value))?;
        let out_of_range = |bound: String| {
            ApiError::constraint(member, &quoted(&number.to_string()), &format!("Member must have value {bound}"))
        };
        if number < 0 {
            return Err(out_of_range("greater than or equal to 0".to_owned()));
        }
        let within = u32::try_from(number).ok().filter(|number| *number <= max);
        within.map(Some).ok_or_else(|| out_of_range(format!("less than or equal to {max}")))
    }

    /// A member of any kind; `None` when it is absent or `null`.
    pub fn get(self, member: &str) -> Option<&'a Value> {
        self.0.get(member).filter(|value| !value.is_null())
    }
}

fn wrong_kind(member: &str, wanted: &str, value: &Value) -> ApiError {
    let message = format!("The member '{member}' is {}, not {wanted}", kind(value));
    ApiError::new("SerializationException", message)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A value as it stands in an error's text: in quotes, and cut when it would drown the rest.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARACTERS_MAX) {
        Some((end, _)) => format!("'{}…'", &text[..end]),
        None => format!("'{text}'"),
    }
}

/// The longest value that an error's text repeats: a page token that is too long is still told whole.
const QUOTED_CHARACTERS_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check<T: std::fmt::Debug>(read: Result<T, ApiError>, expected: &str) {
        let text = match read {
            Ok(value) => format!("{value:?}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn a_member_that_is_missing_is_told_by_its_name() {
        let request = json!({"name": null});
        let members = Members::of(&request).unwrap();
        check(members.text("name", 80), "None");
        check(
            members.required("name", 80),
            "ValidationException: 1 validation error detected: Value null at 'name' failed to satisfy constraint: \
             Member must not be null",
        );
    }

    #[test]
    fn a_text_has_its_bounds() {
        let request = json!({"name": "abc", "empty": "", "number": 3});
        let members = Members::of(&request).unwrap();
        check(members.text("name", 3), r#"Some("abc")"#);
        check(
            members.text("name", 2),
            "ValidationException: 1 validation error detected: Value 'abc' at 'name' failed to satisfy constraint: \
             Member must have length less than or equal to 2",
        );
        check(
            members.text("empty", 2),
            "ValidationException: 1 validation error detected: Value '' at 'empty' failed to satisfy constraint: \
             Member must have length greater than or equal to 1",
        );
        check(
            members.text("number", 2),
            "SerializationException: The member 'number' is a number, not a string",
        );
    }

    #[test]
    fn a_count_has_its_bounds() {
        let request = json!({"maxResults": 1001, "negative": -1, "huge": 1e300});
        let members = Members::of(&request).unwrap();
        check(
            members.count("maxResults", 1000),
            "ValidationException: 1 validation error detected: Value '1001' at 'maxResults' failed to satisfy \
             constraint: Member must have value less than or equal to 1000",
        );
        check(
            members.count("negative", 1000),
            "ValidationException: 1 validation error detected: Value '-1' at 'negative' failed to satisfy \
             constraint: Member must have value greater than or equal to 0",
        );
        check(
            members.count("huge", 1000),
            "SerializationException: The member 'huge' is a number, not a whole number",
        );
    }

    #[test]
    fn a_request_is_an_object() {
        check(Members::of(&json!([])), "SerializationException: The request is an array, not an object");
    }
}
