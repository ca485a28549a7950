//! `events`: what happened to instances, and what happens.

use std::time::Duration;

use clap::Args;

use super::Context;
use super::client::EventStream;
use super::failure::Failure;
use crate::api::event::Event;

/// Show what happened to your instances: every change of status, with its reason
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
        } else if let Ok(event) = serde_json::from_str::<Event>(&sent.data) {
            context.output.line(described(&event))?;
        }
        Ok(true)
    }
}

fn described(event: &Event) -> String {
    let at = event.at.format("%Y-%m-%d %H:%M:%S");
    let from = event.from.map_or(String::new(), |from| format!("{from} -> "));
    format!("{at}  {}  {from}{}  {}", event.instance_id, event.to, event.reason)
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
}
