//! The client of the HTTP API: sends requests, turns refusals into failures and lists into one.

use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::connection::{Connection, is_loopback};
use super::failure::Failure;
use super::sse::ServerEvent;
use super::sse::SseReader;
use crate::api::Page;
use crate::api::problem::ProblemDocument;

/// How long a plain request may take. The daemon holds none longer than its own time-out of 30 s, except
/// where a wait is asked for.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Rows asked for at a time.
const PAGE: &str = "500";

/// A client of one daemon.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    connection: Connection,
}

/// An answer of the API: its own text for `--json`, and a way to read it.
#[derive(Debug, Clone)]
pub(crate) struct Answer(pub(crate) String);

impl Answer {
    /// The answer as what it should be.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.0).map_err(|error| {
            Failure::new(format!("the answer was not understood: {error}"))
                .next("is this the URL of a MiniMCP daemon of the same version? `minimcp doctor` tells")
        })
    }
}

impl Client {
    /// A client that has not sent anything yet.
    pub(crate) fn new(connection: Connection) -> Result<Self, Failure> {
        Ok(Self { http: http_client(&connection.url)?, connection })
    }

    /// Where the daemon is and who we are to it.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Reads one thing.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, Failure> {
        self.answer(self.request(Method::GET, path).query(query)).await
    }

    /// Reads one thing and does not mind what status it comes with.
    pub(crate) async fn look(&self, path: &str) -> Result<(StatusCode, Answer), Failure> {
        let request = self.request(Method::GET, path).timeout(Duration::from_secs(5));
        let response = self.sent(request).await?;
        let status = response.status();
        Ok((status, Answer(self.body(response).await?)))
    }

    /// Reads a whole list, page by page, as one page.
    pub(crate) async fn list(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, Failure> {
        let mut all: Vec<Box<RawValue>> = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut request = self.request(Method::GET, path).query(query).query(&[("limit", PAGE)]);
            if let Some(cursor) = &cursor {
                request = request.query(&[("cursor", cursor)]);
            }
            let page: Page<Box<RawValue>> = self.answer(request).await?.read()?;
            all.extend(page.items);
            // A cursor that stays where it is would have us go round for ever.
            if page.next_cursor.is_none() || page.next_cursor == cursor {
                break;
            }
            cursor = page.next_cursor;
        }
        let whole = Page { items: all, next_cursor: None };
        Ok(Answer(serde_json::to_string(&whole).map_err(unwritable)?))
    }

    /// Makes something new. The idempotency key lets a request whose answer got lost be sent once more.
    pub(crate) async fn create<T: Serialize>(&self, path: &str, body: &T) -> Result<Answer, Failure> {
        let key = Uuid::now_v7().to_string();
        let request = || self.request(Method::POST, path).header("idempotency-key", &key).json(body);
        match request().send().await {
            Err(error) if !error.is_connect() && !error.is_timeout() && !error.is_builder() => {
                self.answer(request()).await
            }
            sent => self.checked(sent.map_err(|error| self.unreachable(&error))?).await,
        }
    }

    /// Tells the daemon to do something.
    pub(crate) async fn post(&self, path: &str) -> Result<Answer, Failure> {
        self.answer(self.request(Method::POST, path)).await
    }

    /// Tells the daemon to do something, with details.
    pub(crate) async fn post_json<T: Serialize>(&self, path: &str, body: &T) -> Result<Answer, Failure> {
        self.answer(self.request(Method::POST, path).json(body)).await
    }

    /// Replaces something.
    pub(crate) async fn put<T: Serialize>(&self, path: &str, body: &T) -> Result<Answer, Failure> {
        self.answer(self.request(Method::PUT, path).json(body)).await
    }

    /// Changes what is named and leaves the rest.
    pub(crate) async fn patch<T: Serialize>(&self, path: &str, body: &T) -> Result<Answer, Failure> {
        self.answer(self.request(Method::PATCH, path).json(body)).await
    }

    /// Removes something.
    pub(crate) async fn delete(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, Failure> {
        self.answer(self.request(Method::DELETE, path).query(query)).await
    }

    /// Opens a stream of events, from after `last` if that is given. It may be silent for any time.
    pub(crate) async fn events(
        &self,
        path: &str,
        query: &[(&str, &str)],
        last: Option<&str>,
    ) -> Result<EventStream, Failure> {
        let mut request = self.http.get(self.address(path)).query(query);
        request = self.authorized(request).header(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = self.refused_or(self.sent(request).await?).await?;
        Ok(EventStream { response, reader: SseReader::default(), ready: Vec::new().into_iter() })
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.connection.url)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.authorized(self.http.request(method, self.address(path))).timeout(TIMEOUT)
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.connection.token {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        }
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let response = self.sent(request).await?;
        self.checked(response).await
    }

    async fn sent(&self, request: RequestBuilder) -> Result<Response, Failure> {
        request.send().await.map_err(|error| self.unreachable(&error))
    }

    async fn checked(&self, response: Response) -> Result<Answer, Failure> {
        let response = self.refused_or(response).await?;
        Ok(Answer(self.body(response).await?))
    }

    async fn body(&self, response: Response) -> Result<String, Failure> {
        response.text().await.map_err(|error| self.unreachable(&error))
    }

    async fn refused_or(&self, response: Response) -> Result<Response, Failure> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.text().await.unwrap_or_default();
        let failure = match serde_json::from_str::<ProblemDocument>(&body) {
            Ok(problem) => Failure::problem(problem),
            Err(_) => Failure::new(format!("{} answered {status}", self.connection.url))
                .next("is this the URL of a MiniMCP daemon? `minimcp doctor` tells"),
        };
        Err(if status == StatusCode::UNAUTHORIZED { self.unauthorized(failure) } else { failure })
    }

    fn unauthorized(&self, failure: Failure) -> Failure {
        match &self.connection.no_token {
            Some(why) => failure.next("set MINIMCP_TOKEN to your API token").next(format!(
                "on the daemon's machine, give its --data-dir; looked for a token here: {why}"
            )),
            None => failure.next("the token is not known to this daemon: check MINIMCP_TOKEN and --url"),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let url = &self.connection.url;
        let cause = innermost(error);
        if error.is_connect() {
            Failure::new(format!("no daemon can be reached at {url}: {cause}"))
                .next("start one with `minimcp serve`, or say where it is with --url or MINIMCP_URL")
        } else if error.is_timeout() {
            Failure::new(format!("{url} did not answer in time"))
                .next("`minimcp doctor` tells how the daemon is")
        } else {
            Failure::new(format!("the exchange with {url} broke: {cause}"))
                .next("try again; `minimcp doctor` tells how the daemon is")
        }
    }
}

/// Events as they come.
#[derive(Debug)]
pub(crate) struct EventStream {
    response: Response,
    reader: SseReader,
    ready: std::vec::IntoIter<ServerEvent>,
}

impl EventStream {
    /// The next event, or nothing once the daemon has ended the stream.
    pub(crate) async fn next(&mut self) -> Result<Option<ServerEvent>, Failure> {
        loop {
            if let Some(event) = self.ready.next() {
                return Ok(Some(event));
            }
            let chunk = self.response.chunk().await;
            let chunk =
                chunk.map_err(|error| Failure::new(format!("the stream broke: {}", innermost(&error))))?;
            let Some(chunk) = chunk else { return Ok(None) };
            let events = self.reader.push(&chunk).map_err(|error| Failure::new(error.to_string()))?;
            self.ready = events.into_iter();
        }
    }
}

/// An HTTP client for a daemon at this URL. No proxy stands between us and our own machine, and no redirect
/// is followed, so that a token goes where it was meant to go and nowhere else.
pub(crate) fn http_client(url: &str) -> Result<reqwest::Client, Failure> {
    // Fails only if there is a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("minimcp/", env!("CARGO_PKG_VERSION")));
    if is_loopback(url) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| Failure::new(format!("no HTTP client: {}", innermost(&error))))
}

/// What lies at the bottom of an error; the layers above mostly repeat the URL.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

fn unwritable(error: serde_json::Error) -> Failure {
    Failure::new(format!("the list could not be put together: {error}"))
}
