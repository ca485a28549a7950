//! A page to read the API on. It asks nobody else for anything and runs only its own script.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

use super::call::{Answer, Call, with_body};
use crate::problem::{Code, Problem};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page to read the API on.
#[utoipa::path(get, path = "/docs", tag = "reading", security(()),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn page(call: Call) -> Answer {
    call.no_query()?;
    file("text/html; charset=utf-8", include_str!("docs/page.html"))
}

/// The script and the style of the page.
pub(super) async fn part(name: String, call: Call) -> Answer {
    call.no_query()?;
    match name.as_str() {
        "page.js" => file("text/javascript; charset=utf-8", include_str!("docs/page.js")),
        "page.css" => file("text/css; charset=utf-8", include_str!("docs/page.css")),
        _ => Err(Problem::new(Code::RouteNotFound, "the page has no such part")),
    }
}

fn file(kind: &'static str, text: &'static str) -> Answer {
    let mut response = with_body(StatusCode::OK, kind, Bytes::from_static(text.as_bytes()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}
