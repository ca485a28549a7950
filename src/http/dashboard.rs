//! The dashboard: one page and the parts it names, which lie in the binary. Whoever has no token sees its door only.
//!
//! `make dashboard` builds it. A program that was compiled without says how to come by it.

mod bundle;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use warp::reply::Response;

use self::bundle::{Bundle, Part};
use super::call::{Answer, Call, set, with_body};
use crate::problem::{Code, Problem};

/// Nothing from elsewhere, nothing inline, and no text that becomes markup or code.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// The name of a part is made from its content, so what was fetched once is right for ever.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// The page that every address of the dashboard begins with.
pub(super) async fn page(call: Call) -> Answer {
    call.no_query()?;
    let bundle = Bundle::built();
    let mut response = match bundle.find("index.html") {
        Some(page) => shown(page, call.header("accept-encoding")?),
        None => with_body(StatusCode::OK, "text/html; charset=utf-8", Bytes::from_static(UNBUILT)),
    };
    guarded(&mut response);
    set(&mut response, header::CACHE_CONTROL, "no-store");
    Ok(response)
}

/// A script, a style or a picture of the page.
pub(super) async fn asset(name: String, call: Call) -> Answer {
    call.no_query()?;
    let missing = || Problem::new(Code::RouteNotFound, "the dashboard has no such part; load `/` again");
    let part = Bundle::built().find(&format!("assets/{name}")).ok_or_else(missing)?;
    let mut response = shown(part, call.header("accept-encoding")?);
    guarded(&mut response);
    set(&mut response, header::CACHE_CONTROL, FOR_EVER);
    Ok(response)
}

const UNBUILT: &[u8] = include_bytes!("dashboard/unbuilt.html");

/// A part in the smallest form that the caller reads.
fn shown(part: &Part, accepted: Option<&str>) -> Response {
    let (encoding, bytes) = part.form(accepted);
    let mut response = with_body(StatusCode::OK, part.kind, bytes);
    if let Some(encoding) = encoding {
        set(&mut response, header::CONTENT_ENCODING, encoding);
    }
    set(&mut response, header::VARY, "accept-encoding");
    response
}

/// What keeps other pages away from this one, and this one away from everybody else.
fn guarded(response: &mut Response) {
    set(response, header::CONTENT_SECURITY_POLICY, POLICY);
    set(response, header::REFERRER_POLICY, "no-referrer");
    let headers = response.headers_mut();
    for name in ["cross-origin-opener-policy", "cross-origin-resource-policy"] {
        headers.insert(name, HeaderValue::from_static("same-origin"));
    }
}
