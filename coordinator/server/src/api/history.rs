//! GetExecutionHistory.

use serde_json::{Value, json};

use super::events::event;
use super::executions;
use super::pages::{TOKEN_CHARACTERS_MAX, page_size, read_token, token};
use super::router::Api;
use crate::commands::{ApiError, Members};
use crate::store::Store;

/// GetExecutionHistory: a page of events, which ends early when its events are large.
pub(super) async fn get<S: Store>(api: &Api<S>, members: Members<'_>) -> Result<Value, ApiError> {
    let size = page_size(members)? as usize;
    let reverse = members.flag("reverseOrder")?.unwrap_or(false);
    let with_data = members.flag("includeExecutionData")?.unwrap_or(true);
    let parts = read_token(members, TOKEN_CHARACTERS_MAX, LIST)?;
    let head = executions::find(api, members).await?.head;
    let list_of = [head.id.to_string(), reverse.to_string()];
    let mut after = parts.map(|parts| read_place(&parts, &list_of)).transpose()?;

    let mut events: Vec<Value> = Vec::new();
    let mut bytes = 0;
    let has_more = loop {
        let records = api.store().events(head.id, after, reverse, READ_ROWS).await?;
        let is_last = records.len() < READ_ROWS as usize;
        let mut rest = records.iter();
        for record in rest.by_ref() {
            after = record.event_id.or(after);
            let Some(event) = event(record, api.commands.region(), with_data) else {
                continue;
            };
            bytes += event.to_string().len();
            events.push(event);
            if events.len() >= size || bytes >= PAGE_BYTES {
                break;
            }
        }
        let is_full = events.len() >= size || bytes >= PAGE_BYTES;
        if is_full || is_last {
            break !is_last || rest.next().is_some();
        }
    };
    let mut response = json!({ "events": events });
    if let (true, Some(after)) = (has_more, after) {
        response["nextToken"] = token(LIST, &[&list_of[0], &list_of[1], &after.to_string()]);
    }
    Ok(response)
}

/// The event that a page begins behind; its token has to be of the same execution and order.
fn read_place(parts: &[String], list_of: &[String; 2]) -> Result<u64, ApiError> {
    match parts {
        [execution, reverse, after] if [execution, reverse] == [&list_of[0], &list_of[1]] => {
            after.parse().map_err(|_| ApiError::invalid_token())
        }
        _ => Err(ApiError::invalid_token()),
    }
}

/// The list that page tokens belong to.
const LIST: &str = "history";
/// How many records are read at once.
const READ_ROWS: u32 = 100;
/// Past so many bytes of JSON a page ends, whatever was asked for: a thousand large payloads don't fit an answer.
const PAGE_BYTES: usize = 4 * 1024 * 1024;
