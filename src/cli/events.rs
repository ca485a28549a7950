//! `events`: what happened to instances and credentials, and what happens.

use std::time::Duration;

use clap::Args;

use super::Context;
use super::client::EventStream;
use super::failure::Failure;
use crate::api::event::{CredentialEvent, Event, Told};

/// Show what happened to your instances and credentials: every change of status with its reason, every reminder
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  minimcp events                           # everything the daemon remembers
  minimcp events -f                        # from now on
  minimcp events -f --json | jq -r '.to'")]
pub(crate) struct Events {
    /// Go on with what happens from now on; a lost connection is taken up where it broke
    #[arg(short, long)]
    follow: bool,
    /// Begin after the event with this number [default: 0, or with -f that of the newest]
    #[arg(long, value_name = "EVENT")]
    since: Option<u64>,
}

/// Between two tries to take up a lost connection.
const PAUSE: Duration = Duration::from_secs(1);
/// Tries, before it is given up.
const TRIES: u32 = 60;

impl Events {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let mut reader = Reader { follow: self.follow, last: self.since.map(|since| since.to_string()) };
        let mut stream = reader.open(context).await?;
        if !self.follow {
            while reader.step(context, &mut stream).await? {}
            return Ok(());
        }
        loop {
            let lost = match reader.step(context, &mut stream).await {
                Ok(true) => continue,
                Ok(false) => "the daemon ended the stream".to_owned(),
                Err(failure) if failure.is_silent() => return Err(failure),
                Err(failure) => failure.what().to_owned(),
            };
            context.output.note(format!("{lost}; trying to take it up again"));
            stream = reader.reopen(context).await?;
        }
    }
}

/// Where in the events we are.
#[derive(Debug)]
struct Reader {
    follow: bool,
    last: Option<String>,
}

impl Reader {
    async fn open(&self, context: &Context) -> Result<EventStream, Failure> {
        let query: &[(&str, &str)] = if self.follow { &[] } else { &[("follow", "false")] };
        context.client.events("/v1/events", query, self.last.as_deref()).await
    }

    async fn reopen(&self, context: &Context) -> Result<EventStream, Failure> {
        let mut tries = 0;
        loop {
            tokio::time::sleep(PAUSE).await;
            tries += 1;
            match self.open(context).await {
                Ok(stream) => return Ok(stream),
                // A refusal stays one however often we ask.
                Err(failure)
                    if tries == TRIES || failure.code().is_some_and(|code| code != "shutting_down") =>
                {
                    return Err(failure);
                }
                Err(_) => {}
            }
        }
    }

    /// Shows the next event. False once there is none any more.
    async fn step(&mut self, context: &mut Context, stream: &mut EventStream) -> Result<bool, Failure> {
        let Some(sent) = stream.next().await? else {
            return Ok(false);
        };
        if sent.id.is_some() {
            self.last = sent.id;
        }
        if context.output.json() {
            context.output.line(&sent.data)?;
        } else if let Ok(told) = serde_json::from_str(&sent.data) {
            context.output.line(match told {
                Told::Transition(event) => described(&event),
                Told::Credential(event) => reminded(&event),
            })?;
        }
        Ok(true)
    }
}

fn described(event: &Event) -> String {
    let at = event.at.format("%Y-%m-%d %H:%M:%S");
    let from = event.from.map_or(String::new(), |from| format!("{from} -> "));
    format!("{at}  {}  {from}{}  {}", event.instance_id, event.to, event.reason)
}

fn reminded(event: &CredentialEvent) -> String {
    let at = event.at.format("%Y-%m-%d %H:%M:%S");
    let CredentialEvent { credential_id, name, mcp_type, .. } = event;
    let expires = event.expires_at.format("%Y-%m-%d %H:%M:%S");
    let verb = if event.threshold_days == 0 { "expired" } else { "expire" };
    format!("{at}  {credential_id}  the credentials {name} for {mcp_type} {verb} at {expires}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let event = serde_json::from_value(json!({
            "id": 7, "instance_id": "0192f3a4-5b6c-7000-8000-000000000001",
            "user_id": "0192f3a4-0000-7000-8000-000000000001", "seq": 2, "generation": 1, "from": "starting",
            "to": "running", "cause": null, "reason": "ready", "at": "2030-01-01T00:00:01.5Z"
        }));
        assert_eq!(
            described(&event.unwrap()),
            "2030-01-01 00:00:01  0192f3a4-5b6c-7000-8000-000000000001  starting -> running  ready"
        );
    }
    #[test]
    fn a_reminder_is_one_line_and_told_from_a_change_of_status() {
        let mut event = json!({
            "reminder_id": 3, "credential_id": "0192f3a4-5b6c-7000-8000-000000000001",
            "user_id": "0192f3a4-0000-7000-8000-000000000001", "mcp_type": "github", "name": "ci",
            "expires_at": "2030-01-08T00:00:00Z", "threshold_days": 7, "on_expiry": "stop",
            "at": "2030-01-01T00:00:01.5Z"
        });
        for (days, verb) in [(7, "expire"), (0, "expired")] {
            event["threshold_days"] = days.into();
            let Ok(Told::Credential(event)) = serde_json::from_value(event.clone()) else {
                unreachable!("it is a reminder")
            };
            assert_eq!(
                reminded(&event),
                format!(
                    "2030-01-01 00:00:01  0192f3a4-5b6c-7000-8000-000000000001  \
                     the credentials ci for github {verb} at 2030-01-08 00:00:00"
                )
            );
        }
    }
}
