//! The newer era (2026-07-28): no sessions, so one child serves everybody.

use http::{Method, Response, StatusCode};

use super::board::Served;
use super::edge::{self, Message};
use super::rpc::{self, Refusal};
use super::splice::Kind;
use super::{Answered, Exchange, NotAnswered, reply};
use crate::http::Outgoing;

/// Answers a POST of the newer era.
pub(super) async fn answer(
    served: &Served,
    exchange: &mut Exchange<'_>,
    message: &Message,
    versions: &[String],
) -> Result<Response<Outgoing>, NotAnswered> {
    let refused = |refusal: Refusal| NotAnswered::from(refusal.to(message.id()));
    edge::check_modern(exchange.headers, message, versions).map_err(refused)?;
    if message.outline.kind == Kind::Notification {
        // The revision has none over HTTP: whoever wants to cancel closes the stream.
        return Ok(rpc::empty(StatusCode::ACCEPTED));
    }
    let method = message.outline.method.as_str();
    if method == "initialize" {
        // A server of both eras must not hear it: it would be bound to the older one.
        let words = "this revision has no `initialize`";
        return Err(refused(Refusal::new(StatusCode::NOT_FOUND, rpc::METHOD_NOT_FOUND, words)));
    }
    if method == "tools/call" {
        served.tools.check(&served.child, exchange.headers, message).await.map_err(refused)?;
    }
    let listens = method == "subscriptions/listen";
    let route = (method == "tools/call").then(|| exchange.route.clone());
    let underway = served.child.call(&message.text, &message.outline, None, route, true)?;
    reply::first(exchange, underway, message.id(), listens, status_of).await
}

/// The status of an answer: what the revision gives to errors of its own, else 200.
fn status_of(answer: &str) -> StatusCode {
    let code = super::era::error_code(answer).and_then(|code| i32::try_from(code).ok());
    match code {
        Some(rpc::METHOD_NOT_FOUND) => StatusCode::NOT_FOUND,
        Some(rpc::HEADER_MISMATCH | rpc::MISSING_CAPABILITY | rpc::UNSUPPORTED_VERSION) => {
            StatusCode::BAD_REQUEST
        }
        _ => StatusCode::OK,
    }
}

/// What this revision says to anything but a POST.
pub(super) fn not_allowed(method: &Method) -> Answered {
    let words = format!("the server has no sessions, so {method} means nothing; send a POST");
    let mut response = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, rpc::INVALID_REQUEST, words).response();
    response.headers_mut().insert(http::header::ALLOW, http::HeaderValue::from_static("POST"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_revision_have_its_statuses() {
        let error = |code: i32| rpc::error(Some("1"), code, "x", None);
        for (code, status) in
            [(-32_601, 404), (-32_020, 400), (-32_021, 400), (-32_022, 400), (-32_602, 200), (-32_603, 200)]
        {
            assert_eq!(status_of(&error(code)), status, "{code}");
        }
        assert_eq!(status_of(&rpc::result("1", r#"{"error":{"code":-32601}}"#)), 200);
    }
}
