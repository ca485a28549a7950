//! Requests for servers that speak over their standard streams: read whole, since they become one line.

use bytes::Bytes;
use chrono::Utc;
use http::request::Parts;
use http::{Method, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use minimcp_actors::routes::{InFlight, Route};
use std::sync::Arc;
use tokio::time::Instant;
use uuid::Uuid;

use super::access::Admitted;
use super::lane::{self, At, Serving};
use super::{Gateway, SESSION, broken};
use crate::http::{Outgoing, linger, sole};
use crate::problem::{Code, Problem};
use crate::stdio::{self, Exchange, NotAnswered};

/// What is asked, and of whom.
pub(super) struct Asked<'a> {
    pub(super) id: Uuid,
    pub(super) head: &'a Parts,
    /// What comes behind the MCP endpoint.
    pub(super) rest: &'a str,
    /// The session that the token may use.
    pub(super) session: Option<&'a str>,
}

impl Gateway {
    /// Sends the request to the run that serves, and to the next one as long as none has heard of it.
    pub(super) async fn over_pipes(
        &self,
        asked: Asked<'_>,
        body: Incoming,
        route: &Arc<Route>,
        admitted: &Admitted,
        in_flight: InFlight,
        (mut serving, deadline): (Serving, Instant),
    ) -> Result<Response<Outgoing>, Problem> {
        let Asked { id, head, rest, session } = asked;
        if !matches!(rest, "" | "/") {
            return Err(Problem::new(Code::RouteNotFound, "the server has one endpoint, which is /mcp"));
        }
        let body = self.whole(body).await?;
        let mut in_flight = Some(in_flight);
        loop {
            let (run, at, call) = serving;
            if at != At::Pipes {
                return Err(broken("the server has another lane now; try again"));
            }
            let mut exchange = Exchange {
                id,
                method: &head.method,
                headers: &head.headers,
                body: &body,
                session,
                route,
                patience: self.limits.idle_timeout,
                wait: self.limits.wait,
                stops: vec![self.stop.clone(), admitted.live.clone()],
                now_ms: Utc::now().timestamp_millis(),
                in_flight: in_flight.take(),
                call: Some(call),
                heard: false,
            };
            let response = match self.stdio.answer(run, &mut exchange).await {
                Ok(response) => response,
                Err(NotAnswered::Refused(refusal)) => return Ok(refusal.response()),
                Err(NotAnswered::Problem(problem)) => return Err(problem),
                Err(NotAnswered::Gone) => {
                    in_flight = exchange.in_flight.take();
                    drop(exchange);
                    serving = lane::serving(&self.supervision, id, route, Some(run), deadline).await?;
                    continue;
                }
            };
            // What we said ourselves tells nothing about the server.
            if exchange.heard && !response.status().is_server_error() {
                route.succeeded(Utc::now().timestamp_millis());
            }
            let ended = session.filter(|_| head.method == Method::DELETE);
            return self.sessions_of(id, admitted, response, ended);
        }
    }

    /// Keeps account of the session that an answer begins or ends.
    fn sessions_of(
        &self,
        id: Uuid,
        admitted: &Admitted,
        response: Response<Outgoing>,
        ended: Option<&str>,
    ) -> Result<Response<Outgoing>, Problem> {
        if let Some(Some(session)) = sole(response.headers(), SESSION)
            && !self.sessions.claim(id, session, &admitted.token)
        {
            return Err(broken("the session belongs to another token"));
        }
        if let Some(session) = ended.filter(|_| response.status().is_success()) {
            self.sessions.forget(id, session);
        }
        Ok(response)
    }

    async fn whole(&self, mut body: Incoming) -> Result<Bytes, Problem> {
        let max = self.limits.max_body.min(stdio::MAX_BODY);
        match Limited::new(&mut body, max).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                linger(&mut body).await;
                Err(Problem::new(Code::BodyTooLarge, format!("send at most {max} bytes")))
            }
            Err(_) => Err(Problem::new(Code::IncompleteRequest, "the request ended before its body did")),
        }
    }
}
