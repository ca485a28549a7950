//! Waiting until an instance is where it should be, and knowing when it will never be.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::Context;
use super::client::Answer;
use super::failure::Failure;
use crate::api::instance::{Instance, Status};

/// How long one question to the daemon waits. Short, so that the spinner can tell the status meanwhile.
const ROUND: &str = "3";

/// What a status means for somebody who waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Reached,
    NotYet,
    Never,
}

fn verdict(status: Status, wanted: Status) -> Verdict {
    use Status::{
        Disconnected, Expired, Failed, Hibernated, Pending, Restarting, Running, Starting, Stopped, Stopping,
        Unhealthy,
    };
    if status == wanted {
        return Verdict::Reached;
    }
    match (wanted, status) {
        // Only a command brings these back.
        (_, Stopped | Expired | Failed) => Verdict::Never,
        (Running, Disconnected) => Verdict::Never,
        // Asleep is as good as ended, to who waits for the end.
        (Stopped, Disconnected | Hibernated) => Verdict::Reached,
        (_, Pending | Starting | Running | Unhealthy | Restarting | Stopping | Hibernated | Disconnected) => {
            Verdict::NotYet
        }
    }
}

/// Waits until the instance has the status; the answer is the instance then.
///
/// # Errors
/// It can never have it, or not within `patience`.
pub(crate) async fn until(
    context: &Context,
    id: Uuid,
    wanted: Status,
    patience: Duration,
) -> Result<Answer, Failure> {
    let spinner = context.output.spinner(format!("waiting until it is {wanted}"));
    let path = format!("/v1/instances/{id}");
    let deadline = Instant::now() + patience;
    loop {
        let query = [("status", wanted.as_str()), ("timeout_seconds", ROUND)];
        let answer = match context.client.get(&format!("{path}/wait"), &query).await {
            Ok(answer) => answer,
            Err(failure) if failure.code() == Some("wait_timeout") => context.client.get(&path, &[]).await?,
            Err(failure) => return Err(failure.next(format!("`minimcp diagnose {id}` tells what is wrong"))),
        };
        let instance: Instance = answer.read()?;
        match verdict(instance.status, wanted) {
            Verdict::Reached => return Ok(answer),
            Verdict::Never => {
                let reason = instance.status_reason.map_or(String::new(), |reason| format!(": {reason}"));
                return Err(Failure::new(format!("it is {}{reason}", instance.status))
                    .next(format!("`minimcp diagnose {id}` tells what is wrong"))
                    .next(format!("`minimcp logs {id} --stream stderr` shows what it wrote")));
            }
            Verdict::NotYet => {
                spinner.say(format!("waiting until it is {wanted}; it is {}", instance.status))
            }
        }
        if Instant::now() >= deadline {
            return Err(Failure::new(format!("it is still {}, not {wanted}", instance.status)).next(
                format!("`minimcp show {id}` tells how it goes on, `minimcp diagnose {id}` what is wrong"),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_a_running_server_is_told_when_it_will_not_come() {
        for (status, expected) in [
            (Status::Running, Verdict::Reached),
            (Status::Pending, Verdict::NotYet),
            (Status::Restarting, Verdict::NotYet),
            (Status::Failed, Verdict::Never),
            (Status::Disconnected, Verdict::Never),
            (Status::Expired, Verdict::Never),
        ] {
            assert_eq!(verdict(status, Status::Running), expected, "{status}");
        }
        assert_eq!(verdict(Status::Stopping, Status::Stopped), Verdict::NotYet);
        assert_eq!(verdict(Status::Expired, Status::Stopped), Verdict::Never);
    }
}
