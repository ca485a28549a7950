//! Finding the run that serves an instance, and waiting for one that is on its way.

use std::net::SocketAddr;
use std::sync::Arc;

use minimcp_actors::Supervision;
use minimcp_actors::message::Refused;
use minimcp_actors::routes::{Call, Lane, Route};
use minimcp_actors::state::{Command, Denied, Run, Status};
use opentelemetry::trace::SpanKind;
use tokio::time::Instant;
use uuid::Uuid;

use crate::problem::{Code, Problem};
use crate::traces::Span;

/// Where a run is spoken with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// On its port, where this user has to listen and no other, if the run has one of its own.
    Port(SocketAddr, Option<u32>),
    /// On its standard streams.
    Pipes,
}

/// A run, where it is spoken with, and the call that is counted there.
pub(super) type Serving = (Run, At, Call);

/// A call at the run that serves the instance, once there is one: a client sees latency rather than an error.
/// `dead` is a run that was found not to answer, so the next one is waited for. A wait becomes a part of `span`.
///
/// # Errors
/// A problem once `deadline` has passed, or at once where no run will come without a command.
pub(super) async fn serving(
    supervision: &Supervision,
    id: Uuid,
    route: &Arc<Route>,
    dead: Option<Run>,
    deadline: Instant,
    span: &Span,
) -> Result<Serving, Problem> {
    {
        let way = route.way();
        if let Step::Go(run, at) = step(way.lane(), dead, false) {
            return Ok((run, at, way.call()));
        }
    }
    let mut waiting = span.child("instance.wait", SpanKind::Internal, None);
    waiting.set("minimcp.instance.id", id.to_string());
    let waited = wait(supervision, id, route, dead, deadline, &mut waiting).await;
    if let Err(problem) = &waited {
        waiting.fail(problem.code().as_str());
    }
    waited
}

async fn wait(
    supervision: &Supervision,
    id: Uuid,
    route: &Arc<Route>,
    dead: Option<Run>,
    deadline: Instant,
    waiting: &mut Span,
) -> Result<Serving, Problem> {
    let mut watch = route.watch();
    let mut woken = false;
    loop {
        let step = {
            let way = watch.borrow_and_update();
            match step(way.lane(), dead, woken) {
                // Counted before the way can change, so its run is not ended under it.
                Step::Go(run, at) => return Ok((run, at, way.call())),
                step => step,
            }
        };
        match step {
            Step::Go(..) | Step::Wait => {}
            Step::Wake => {
                woken = true;
                waiting.rename("instance.wake");
                waiting.leads_to_start_of(id);
                wake(supervision, id).await?;
            }
            Step::GiveUp(status) => return Err(gone(status)),
        }
        match tokio::time::timeout_at(deadline, watch.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(gone(Status::Stopped)),
            Err(_) => {
                return Err(Problem::new(
                    Code::InstanceNotReady,
                    "the server is still on its way; try again",
                )
                .retry_after(5));
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Go(Run, At),
    Wait,
    Wake,
    GiveUp(Status),
}

fn step(lane: Lane, dead: Option<Run>, woken: bool) -> Step {
    match lane {
        Lane::Http { run, addr, uid } if dead != Some(run) => Step::Go(run, At::Port(addr, uid)),
        Lane::Pipes { run } if dead != Some(run) => Step::Go(run, At::Pipes),
        Lane::Http { .. } | Lane::Pipes { .. } | Lane::Coming(_) => Step::Wait,
        Lane::Asleep if woken => Step::Wait,
        Lane::Asleep => Step::Wake,
        Lane::Gone(status) => Step::GiveUp(status),
    }
}

async fn wake(supervision: &Supervision, id: Uuid) -> Result<(), Problem> {
    match supervision.order(id, Command::Wake).await {
        // Another request was faster.
        Ok(_) | Err(Refused::Denied(Denied::NotHibernated(_))) => Ok(()),
        Err(refused) => Err(refused.into()),
    }
}

fn gone(status: Status) -> Problem {
    let detail = match status {
        Status::Disconnected => {
            "the server kept ending and is no longer restarted; see `diagnose`, then restore the instance"
        }
        Status::Failed => "the server could never be started; see `diagnose` for the reason",
        Status::Expired => "the lease of the instance is over; create a new one",
        Status::Stopped | Status::Stopping => "the instance was stopped; restart it or create a new one",
        Status::Pending
        | Status::Starting
        | Status::Running
        | Status::Unhealthy
        | Status::Restarting
        | Status::Hibernated => "the instance cannot be reached at present; see `diagnose`",
    };
    Problem::new(Code::InstanceNotServing, format!("the instance is {status}: {detail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_goes_waits_wakes_or_is_told_why_not() {
        let addr = "127.0.0.1:20000".parse().unwrap();
        let serving = Lane::Http { run: Run(2), addr, uid: Some(7) };
        assert_eq!(step(serving, None, false), Step::Go(Run(2), At::Port(addr, Some(7))));
        assert_eq!(step(serving, Some(Run(1)), false), Step::Go(Run(2), At::Port(addr, Some(7))));
        assert_eq!(step(Lane::Pipes { run: Run(2) }, Some(Run(1)), false), Step::Go(Run(2), At::Pipes));
        assert_eq!(step(serving, Some(Run(2)), false), Step::Wait, "found dead, the next one is waited for");
        assert_eq!(step(Lane::Coming(Status::Restarting), None, false), Step::Wait);
        assert_eq!(step(Lane::Asleep, None, false), Step::Wake);
        assert_eq!(step(Lane::Asleep, None, true), Step::Wait, "woken once per request");
        assert_eq!(step(Lane::Gone(Status::Expired), None, false), Step::GiveUp(Status::Expired));
        for status in Status::ALL {
            assert_eq!(gone(status).code(), Code::InstanceNotServing);
            assert!(gone(status).detail().contains(status.as_str()));
        }
    }
}
