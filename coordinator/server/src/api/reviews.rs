//! Reviews: a person reads the facts of a case and decides.
//!
//! The address is the right to decide: it holds the task's token. A GET never decides, so that a mail scanner or a
//! preview can't. The first answer counts; whoever comes later is told what it was.

use std::collections::HashMap;

use axum::Form;
use axum::body::Body;
use axum::extract::{FromRequest, Path, Request as HttpRequest, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use jiff::Timestamp;
use sagamore_interpreter::Reply;
use serde::Deserialize;
use serde_json::{Value, json};

use super::html::Page;
use super::review::{Case, Decision, Ending, Found, find, open_case};
use super::review_page::{self, COMMENT_CHARACTERS_MAX, REVIEWER_CHARACTERS_MAX};
use super::router::{Api, read_body};
use super::{rest, tasks};
use crate::advance::Error as AdvanceError;
use crate::commands::{ApiError, Members};
use crate::store::{Error as StoreError, Store};

/// `GET /reviews/{token}`: the facts and the form.
pub(super) async fn show<S: Store>(State(api): State<Api<S>>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    let as_json = wants_json(&headers);
    match find(api.store(), &api.key, &token).await {
        Ok(Found::Open(case)) if as_json => rest::json(StatusCode::OK, item(&case, &token, &api.review_url(&token))),
        Ok(Found::Open(case)) => review_page::open(&case, Timestamp::now(), None).respond(StatusCode::OK),
        Ok(Found::Closed(case, ending)) => closed(&case, &ending, as_json),
        Ok(Found::Unknown) => unknown(as_json),
        Err(error) => fault(error, as_json),
    }
}

/// `POST /reviews/{token}`: somebody decides, by the form or with JSON.
pub(super) async fn decide<S: Store>(
    State(api): State<Api<S>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let is_json = is_json(&headers);
    let as_json = is_json || wants_json(&headers);
    let body = match read_body(body).await {
        Ok(body) => body,
        Err(error) => return refused(&error.to_string(), as_json),
    };
    let case = match find(api.store(), &api.key, &token).await {
        Ok(Found::Open(case)) => case,
        Ok(Found::Closed(case, ending)) => return closed(&case, &ending, as_json),
        Ok(Found::Unknown) => return unknown(as_json),
        Err(error) => return fault(error, as_json),
    };
    let decision = if is_json { read_json(&body) } else { read_form(&headers, body.into()).await };
    let decision = match decision {
        Ok(decision) => decision,
        Err(problem) if as_json => return refused(&problem, true),
        Err(problem) => {
            let page = review_page::open(&case, Timestamp::now(), Some(&problem));
            return page.respond(StatusCode::BAD_REQUEST);
        }
    };
    submit(&api, &token, &case, &decision, as_json).await
}

/// `GET /reviews`: all that waits for a person.
pub(super) async fn inbox<S: Store>(State(api): State<Api<S>>, headers: HeaderMap) -> Response {
    let as_json = wants_json(&headers);
    let cases = match open_cases(&api).await {
        Ok(cases) => cases,
        Err(error) => return fault(error, as_json),
    };
    if as_json {
        return listed(&api, &cases);
    }
    let linked: Vec<(Case, String)> = cases.into_iter().map(|(case, token)| (case, api.review_url(&token))).collect();
    review_page::inbox(&linked, Timestamp::now()).respond(StatusCode::OK)
}

/// `GET /sagamore/v1/reviews`
pub(super) async fn list<S: Store>(State(api): State<Api<S>>) -> Response {
    match open_cases(&api).await {
        Ok(cases) => listed(&api, &cases),
        Err(error) => rest::fault(error),
    }
}

async fn submit<S: Store>(api: &Api<S>, token: &str, case: &Case, decision: &Decision, as_json: bool) -> Response {
    let result = tasks::review_result(decision.approved, &decision.comment, decision.reviewer.as_deref());
    let request = tasks::request((case.execution, case.task), Reply::Success(result));
    match api.commands.advance().submit(request).await {
        Ok(answer) if answer.taken.is_ok() && as_json => {
            let mut body = told(decision);
            body["status"] = json!("decided");
            rest::json(StatusCode::OK, body)
        }
        Ok(answer) if answer.taken.is_ok() => review_page::decided(case, decision).respond(StatusCode::OK),
        // Somebody was faster, or time was: what is known now tells which.
        Ok(_) | Err(AdvanceError::UnknownExecution) => match find(api.store(), &api.key, token).await {
            Ok(Found::Closed(case, ending)) => closed(&case, &ending, as_json),
            Ok(Found::Open(_) | Found::Unknown) => unknown(as_json),
            Err(error) => fault(error, as_json),
        },
        Err(error @ (AdvanceError::SetAside(_) | AdvanceError::Stopping)) => fault(error, as_json),
    }
}

async fn open_cases<S: Store>(api: &Api<S>) -> Result<Vec<(Case, String)>, StoreError> {
    let rows = api.store().reviews(REVIEWS_MAX).await?;
    let mut heads = HashMap::new();
    let mut cases = Vec::with_capacity(rows.len());
    for row in rows {
        if !heads.contains_key(&row.execution)
            && let Some(execution) = api.store().execution(row.execution).await?
        {
            heads.insert(row.execution, execution.head);
        }
        // Deleted since: then the review is gone, too.
        if let Some(head) = heads.get(&row.execution) {
            cases.push((open_case(&row, head), row.outgoing.message.token.as_str().to_owned()));
        }
    }
    Ok(cases)
}

fn listed<S: Store>(api: &Api<S>, cases: &[(Case, String)]) -> Response {
    let reviews: Vec<Value> = cases.iter().map(|(case, token)| item(case, token, &api.review_url(token))).collect();
    rest::json(StatusCode::OK, json!({ "reviews": reviews }))
}

fn item(case: &Case, token: &str, url: &str) -> Value {
    json!({
        "token": token,
        "url": url,
        "execution": case.execution,
        "execution_arn": case.execution_arn,
        "machine": case.machine,
        "state": case.state,
        "facts": case.facts,
        "opened_at": case.opened_at,
        "due": case.due,
    })
}

fn told(decision: &Decision) -> Value {
    json!({ "approved": decision.approved, "comment": decision.comment, "reviewer": decision.reviewer })
}

fn closed(case: &Case, ending: &Ending, as_json: bool) -> Response {
    if !as_json {
        return review_page::closed(case, ending).respond(StatusCode::GONE);
    }
    let (message, decision) = match ending {
        Ending::Decided(decision, at) => {
            let mut told = told(decision);
            told["decided_at"] = json!(at);
            ("Somebody has decided already.", told)
        }
        Ending::Answered(_) => ("The task has its answer already.", Value::Null),
        Ending::TimedOut(_) => ("Nobody decided in time.", Value::Null),
        Ending::Obsolete => ("The decision is no longer needed.", Value::Null),
    };
    rest::json(StatusCode::GONE, json!({ "error": "ReviewClosed", "message": message, "decision": decision }))
}

fn unknown(as_json: bool) -> Response {
    if as_json {
        return rest::error(StatusCode::NOT_FOUND, "UnknownReview", "This link leads to no review.");
    }
    review_page::unknown().respond(StatusCode::NOT_FOUND)
}

fn refused(problem: &str, as_json: bool) -> Response {
    if as_json {
        return rest::error(StatusCode::BAD_REQUEST, "BadRequest", problem);
    }
    review_page::message("That did not work", problem).respond(StatusCode::BAD_REQUEST)
}

fn fault(fault: impl Into<ApiError>, as_json: bool) -> Response {
    let fault = fault.into();
    if as_json {
        return rest::fault(fault);
    }
    let text = "Please try again in a moment. What was not confirmed is not decided.";
    let page: Page = review_page::message("The service is not available", text);
    page.respond(rest::fault_status(&fault))
}

fn read_json(body: &[u8]) -> Result<Decision, String> {
    let request: Value = serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    let members = Members::of(&request).map_err(|error| error.message)?;
    let approved = members.flag("approved").map_err(|error| error.message)?;
    let approved = approved.ok_or("the member 'approved' is missing; it is true or false")?;
    let comment = members.free_text("comment", COMMENT_CHARACTERS_MAX).map_err(|error| error.message)?;
    let reviewer = members.free_text("reviewer", REVIEWER_CHARACTERS_MAX).map_err(|error| error.message)?;
    Ok(decision(approved, comment.unwrap_or_default(), reviewer.unwrap_or_default()))
}

/// The form as a browser sends it.
#[derive(Deserialize)]
struct Filled {
    #[serde(default)]
    decision: String,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    reviewer: String,
}

async fn read_form(headers: &HeaderMap, body: Body) -> Result<Decision, String> {
    let mut request = HttpRequest::post("/").body(body).map_err(|error| error.to_string())?;
    if let Some(kind) = headers.get(header::CONTENT_TYPE) {
        request.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
    }
    let Form(filled) = Form::<Filled>::from_request(request, &()).await.map_err(|rejection| rejection.body_text())?;
    let approved = match filled.decision.as_str() {
        "approve" => true,
        "decline" => false,
        _ => return Err("Please press Approve or Decline.".to_owned()),
    };
    let too_long = |text: &str, max| text.chars().count() > max;
    if too_long(&filled.comment, COMMENT_CHARACTERS_MAX) || too_long(&filled.reviewer, REVIEWER_CHARACTERS_MAX) {
        return Err(format!("The comment has room for {COMMENT_CHARACTERS_MAX} characters, the name for {REVIEWER_CHARACTERS_MAX}."));
    }
    Ok(decision(approved, &filled.comment, &filled.reviewer))
}

fn decision(approved: bool, comment: &str, reviewer: &str) -> Decision {
    let reviewer = reviewer.trim();
    Decision {
        approved,
        // Browsers send the lines of a textarea with CRLF.
        comment: comment.replace("\r\n", "\n").trim().to_owned(),
        reviewer: (!reviewer.is_empty()).then(|| reviewer.to_owned()),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    text(headers, header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"))
}

/// Whether a caller asks for JSON; a browser asks for HTML first.
fn wants_json(headers: &HeaderMap) -> bool {
    text(headers, header::ACCEPT).is_some_and(|accept| accept.contains("application/json") && !accept.contains("text/html"))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// How many reviews a list shows.
const REVIEWS_MAX: u32 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: &str) {
        let read = match read_json(body.as_bytes()) {
            Ok(decision) => told(&decision).to_string(),
            Err(problem) => problem,
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn a_decision_is_a_yes_or_no_with_a_comment_and_perhaps_a_name() {
        check(
            r#"{"approved": false, "comment": " no\r\nway ", "reviewer": "Ada"}"#,
            r#"{"approved":false,"comment":"no\nway","reviewer":"Ada"}"#,
        );
        check(r#"{"approved": true, "reviewer": " "}"#, r#"{"approved":true,"comment":"","reviewer":null}"#);
    }

    #[test]
    fn what_is_no_decision_decides_nothing() {
        check("{}", "the member 'approved' is missing; it is true or false");
        check(r#"{"approved": "yes"}"#, "The member 'approved' is a string, not true or false");
        check("approve", "the body is not JSON: expected value at line 1 column 1");
    }

    #[test]
    fn a_browser_gets_a_page_and_a_program_json() {
        let accepts = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, header::HeaderValue::from_static(accept));
            wants_json(&headers)
        };
        assert!(accepts("application/json"));
        assert!(!accepts("text/html,application/xhtml+xml,application/json;q=0.9"));
        assert!(!accepts("*/*"));
    }
}
