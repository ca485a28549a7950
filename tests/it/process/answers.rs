//! What comes back from the daemon: over its API and from the command line.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::ground::PATIENCE;

/// A client of the API with the administrator's token.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(super) base: String,
    pub(super) token: String,
}

impl Caller {
    /// The address of the daemon, without a slash at the end.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Sends a request; the daemon may be gone before it answers.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Answer, Box<dyn std::error::Error>> {
        self.send_with(&[], method, path, body).await
    }

    /// The same with more headers.
    pub(crate) async fn send_with(
        &self,
        headers: &[(&str, &str)],
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Answer, Box<dyn std::error::Error>> {
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let request = headers
            .iter()
            .fold(http::Request::builder(), |request, (name, value)| request.header(*name, *value));
        let request = request
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Full::new(body.map_or_else(Bytes::new, |body| body.to_string().into())))?;
        let response = tokio::time::timeout(PATIENCE, client.request(request)).await??;
        let status = response.status().as_u16();
        let retry_after =
            response.headers().get("retry-after").and_then(|after| after.to_str().ok()?.parse().ok());
        let bytes = response.into_body().collect().await?.to_bytes();
        Ok(Answer { status, retry_after, text: String::from_utf8(bytes.to_vec())? })
    }
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// The result of a command that has to succeed.
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// The result of a command that has to succeed, as JSON.
    pub(crate) fn json(self) -> Value {
        let out = self.done();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error} in {out}"))
    }

    /// What a command that has to be refused says about it.
    pub(crate) fn refused(self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(words.iter().all(|word| self.err.contains(word)), "{words:?} in {self:?}");
        assert_eq!(self.out, "", "a refusal is no result: {self:?}");
    }
}

/// An answer of the API, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Seconds.
    pub(crate) retry_after: Option<u64>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}
