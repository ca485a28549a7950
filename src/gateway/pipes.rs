//! Requests for servers that speak over their standard streams: read whole, since they become one line.

use std::sync::Arc;

use bytes::Bytes;
use chrono::Utc;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use minimcp_actors::routes::{InFlight, Route};
use tokio::time::Instant;
use uuid::Uuid;

use super::access::Admitted;
use super::answers::Listener;
use super::lane::{self, At, Serving};
use super::{Asking, Gateway, SESSION, broken};
use crate::http::{Outgoing, linger, sole};
use crate::problem::{Code, Problem};
use crate::stdio::{self, Exchange, NotAnswered, Over};

/// What is asked, and of whom.
pub(super) struct Asked<'a> {
    pub(super) id: Uuid,
    pub(super) head: &'a Parts,
    /// What comes behind the MCP endpoint.
    pub(super) rest: &'a str,
    /// The session that the token may use.
    pub(super) session: Option<&'a str>,
    pub(super) asking: &'a Asking<'a>,
}

/// What a span says of an answer.
fn outcome(answered: &Result<Response<Outgoing>, NotAnswered>) -> Result<StatusCode, &'static str> {
    match answered {
        Ok(response) => Ok(response.status()),
        Err(NotAnswered::Refused(_)) => Err("refused"),
        Err(NotAnswered::Problem(problem)) => Err(problem.code().as_str()),
        Err(NotAnswered::Gone) => Err("ended"),
    }
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
        let Asked { id, head, rest, session, asking } = asked;
        if !matches!(rest, "" | "/") {
            return Err(Problem::new(Code::RouteNotFound, "the server has one endpoint, which is /mcp"));
        }
        let body = self.whole(body).await?;
        asking.hear(&body);
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
                over: Some(Over(self.over(admitted))),
                now_ms: Utc::now().timestamp_millis(),
                in_flight: in_flight.take(),
                call: Some(call),
                heard: false,
            };
            let calling = asking.calls(at);
            let answered = self.stdio.answer(run, &mut exchange).await;
            asking.called(&calling, admitted, outcome(&answered));
            let response = match answered {
                Ok(response) => response,
                Err(NotAnswered::Refused(refusal)) => return Ok(refusal.response()),
                Err(NotAnswered::Problem(problem)) => return Err(problem),
                Err(NotAnswered::Gone) => {
                    in_flight = exchange.in_flight.take();
                    drop(exchange);
                    let span = &asking.traced.span;
                    serving = lane::serving(&self.supervision, id, route, Some(run), deadline, span).await?;
                    continue;
                }
            };
            // What we said ourselves tells nothing about the server.
            if exchange.heard && !response.status().is_server_error() {
                route.succeeded(Utc::now().timestamp_millis());
            }
            return self.answered(asked, route, admitted, response);
        }
    }

    /// Keeps account of an answer: of what it tells, and of the session that it begins or ends.
    fn answered(
        &self,
        asked: Asked<'_>,
        route: &Arc<Route>,
        admitted: &Admitted,
        response: Response<Outgoing>,
    ) -> Result<Response<Outgoing>, Problem> {
        let Asked { id, head, session, asking, .. } = asked;
        if let Some(Some(session)) = sole(response.headers(), SESSION)
            && !self.sessions.claim(id, session, &admitted.token)
        {
            return Err(broken("the session belongs to another token"));
        }
        if response.status().is_success() {
            let asks = asking.settled();
            self.count_tool(id, asks, admitted);
            let learns = Listener::of(asks, response.headers(), admitted.tools(), route);
            // Of tasks the lane itself keeps account.
            let learns = learns.filter(|_| asks.method.as_str() == "tools/list");
            if let (Some(listener), Outgoing::Whole(body)) = (learns, response.body()) {
                listener.hear_whole(body);
            }
            if head.method == Method::DELETE
                && let Some(session) = session
            {
                self.sessions.forget(id, session);
            }
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
