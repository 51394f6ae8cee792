//! What Step Functions adds to the result of a service that it calls: the HTTP response. Here it is what such a response
//! would have been, so that a definition that reads it finds the same.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::ids::{ExecutionId, Sequence};

/// The call that was answered.
pub(crate) struct Call {
    /// Whose it was.
    pub execution: ExecutionId,
    /// The attempt.
    pub task: Sequence,
    /// When its answer was taken.
    pub at: Timestamp,
    /// How many bytes that had; `None` when nobody counted.
    pub bytes: Option<u32>,
}

/// The members `SdkHttpMetadata` and `SdkResponseMetadata`.
pub(super) fn metadata(call: &Call, headers: &[(&str, &str)]) -> [(&'static str, Value); 2] {
    let request = Uuid::new_v5(&call.execution.0, call.task.to_string().as_bytes()).to_string();
    let date = call.at.to_zoned(TimeZone::UTC);
    let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let own = [
        ("Date", date.as_str()),
        ("x-amzn-RequestId", request.as_str()),
    ];
    let headers = || headers.iter().chain(&own);
    let lists = headers().map(|(name, value)| ((*name).to_owned(), json!([value])));
    let texts = headers().map(|(name, value)| ((*name).to_owned(), json!(value)));
    let http = json!({
        "AllHttpHeaders": lists.collect::<Map<_, _>>(),
        "HttpHeaders": texts.collect::<Map<_, _>>(),
        "HttpStatusCode": 200,
    });
    [
        ("SdkHttpMetadata", http),
        ("SdkResponseMetadata", json!({ "RequestId": request })),
    ]
}
