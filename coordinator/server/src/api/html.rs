//! HTML by hand: the frame around every page.
//!
//! Pages need no script and load nothing. Whatever a page shows is escaped by [`escape`], the one door for text.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use crate::markup::escape;

/// A page: its title and what stands in its body, which is HTML already.
pub(super) struct Page {
    /// The title, as plain text.
    pub(super) title: String,
    /// The body.
    pub(super) main: String,
}

impl Page {
    /// The page as a response that no one may keep, frame, or learn the address of.
    pub(super) fn respond(self, status: StatusCode) -> Response {
        // Random, and of this response alone: only our own style may apply, whatever slipped into the page.
        let nonce = Uuid::new_v4().simple().to_string();
        let policy = format!(
            "default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
            (header::CONTENT_SECURITY_POLICY, policy),
            (header::REFERRER_POLICY, "no-referrer".to_owned()),
            (header::CACHE_CONTROL, "no-store".to_owned()),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
            (header::X_FRAME_OPTIONS, "DENY".to_owned()),
        ];
        let title = escape(&self.title);
        let main = self.main;
        let html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"robots\" content=\"noindex, nofollow\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{title}</title>\n<style nonce=\"{nonce}\">\n{STYLE}</style>\n</head>\n<body>\n\
             <header class=\"bar\"><span class=\"mark\" aria-hidden=\"true\"></span>Sagamore <span>Reviews</span></header>\n\
             <main>\n{main}</main>\n</body>\n</html>\n"
        );
        (status, headers, html).into_response()
    }
}

const STYLE: &str = include_str!("page.css");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_forbids_scripts_frames_and_copies() {
        let page = Page {
            title: "</title><script>".to_owned(),
            main: String::new(),
        };
        let response = page.respond(StatusCode::OK);
        let headers = response.headers();
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'nonce-"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
    }
}
