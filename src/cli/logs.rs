//! `logs`: what a server wrote.

use clap::{Args, ValueEnum};
use serde_json::json;

use super::Context;
use super::failure::Failure;

/// Show what the server of an instance wrote
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  minimcp logs work --tail 50
  minimcp logs work -f --stream stderr
  minimcp logs work -f --stream app,error --json | jq -r .line")]
pub(crate) struct Logs {
    /// The instance: its id, a unique prefix of it, or its name
    id: String,
    /// Go on with what it writes from now on
    #[arg(short, long)]
    follow: bool,
    /// Which of its streams [default: all]
    #[arg(long, value_delimiter = ',')]
    stream: Vec<Stream>,
    /// How many of the last lines to begin with
    #[arg(long, value_name = "LINES", default_value_t = 200)]
    tail: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stream {
    /// What it wrote to standard output
    Stdout,
    /// What it wrote to standard error
    Stderr,
    /// The log of the server itself
    App,
    /// The errors of the server itself
    Error,
}

impl Stream {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::App => "app",
            Self::Error => "error",
        }
    }
}

impl Logs {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let id = context.instance(&self.id).await?;
        let path = format!("/v1/instances/{id}/logs");
        let tail = self.tail.to_string();
        let names: Vec<&str> = self.stream.iter().map(|stream| stream.as_str()).collect();
        let streams = names.join(",");
        let mut query = vec![("tail", tail.as_str())];
        if !streams.is_empty() {
            query.push(("stream", &streams));
        }
        if !self.follow {
            let answer = context.client.get(&path, &query).await?;
            if !context.output.json() {
                return context.output.text(&answer.0);
            }
            return answer.0.lines().try_for_each(|line| context.output.line(json!({ "line": line })));
        }
        query.push(("follow", "true"));
        let mut stream = context.client.events(&path, &query, None).await?;
        while let Some(event) = stream.next().await? {
            if context.output.json() {
                context.output.line(json!({ "stream": event.event, "line": event.data }))?;
            } else if names.len() == 1 {
                context.output.line(event.data)?;
            } else {
                context.output.line(format!("{:<6} | {}", event.event, event.data))?;
            }
        }
        Ok(())
    }
}
