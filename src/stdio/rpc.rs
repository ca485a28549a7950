//! The JSON-RPC that we say ourselves.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::http::Outgoing;

/// Codes of JSON-RPC 2.0.
pub(super) const PARSE_ERROR: i32 = -32_700;
pub(super) const INVALID_REQUEST: i32 = -32_600;
pub(super) const METHOD_NOT_FOUND: i32 = -32_601;
pub(super) const INVALID_PARAMS: i32 = -32_602;
pub(super) const INTERNAL_ERROR: i32 = -32_603;
/// Codes of the 2026-07-28 revision.
pub(super) const HEADER_MISMATCH: i32 = -32_020;
pub(super) const MISSING_CAPABILITY: i32 = -32_021;
pub(super) const UNSUPPORTED_VERSION: i32 = -32_022;

/// A refusal in the words of the protocol.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: i32,
    pub(super) message: String,
    pub(super) data: Option<Value>,
    /// The id of what is refused, as it was spelled.
    pub(super) id: Option<String>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: i32, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), data: None, id: None }
    }

    /// 400.
    pub(super) fn bad(code: i32, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// The versions that are spoken here.
    pub(super) fn version(supported: &[String], requested: &str) -> Self {
        let data = json!({"supported": supported, "requested": requested});
        let message = "the server does not speak this version of the protocol; choose one of `supported`";
        Self { data: Some(data), ..Self::bad(UNSUPPORTED_VERSION, message) }
    }

    /// The same about the request with this id.
    pub(super) fn to(self, id: Option<&str>) -> Self {
        let id = id.filter(|id| super::splice::is_id(id)).map(Into::into);
        Self { id, ..self }
    }

    /// The message.
    pub(super) fn body(&self) -> String {
        error(self.id.as_deref(), self.code, &self.message, self.data.as_ref())
    }

    /// The answer that says it.
    pub(crate) fn response(&self) -> Response<Outgoing> {
        answer(self.status, self.body().into())
    }
}

/// An error message. `id` is spelled as in the request.
pub(super) fn error(id: Option<&str>, code: i32, message: &str, data: Option<&Value>) -> String {
    let mut error = json!({"code": code, "message": message});
    if let Some(data) = data {
        error["data"] = data.clone();
    }
    format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, id.unwrap_or("null"))
}

/// A result. Both are spelled as JSON.
pub(super) fn result(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// A request of our own.
pub(super) fn request(id: u64, method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
}

/// That a request with this id of ours is not waited for any more.
pub(super) fn cancelled(id: u64) -> String {
    let params = json!({"requestId": id, "reason": "nobody waits for it any more"});
    json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}).to_string()
}

/// An answer of one message.
pub(super) fn answer(status: StatusCode, message: Bytes) -> Response<Outgoing> {
    let mut response = Response::new(Outgoing::from(message));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response<Outgoing> {
    let mut response = Response::new(Outgoing::from(Bytes::new()));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_say_is_json_rpc_with_the_id_as_it_was_spelled() {
        let refusal = Refusal::version(&["2026-07-28".into()], "1999-01-01").to(Some("\"\\u0031\""));
        let body = refusal.body();
        assert!(body.contains(r#""id":"\u0031""#), "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["error"]["code"], -32_022);
        assert_eq!(body["error"]["data"], json!({"supported": ["2026-07-28"], "requested": "1999-01-01"}));
        let nobody = Refusal::bad(PARSE_ERROR, "no JSON").to(Some("1.5")).body();
        assert_eq!(serde_json::from_str::<Value>(&nobody).unwrap()["id"], Value::Null);
        let ours: Value = serde_json::from_str(&cancelled(7)).unwrap();
        assert_eq!(ours["params"]["requestId"], 7);
    }
}
