//! `logs`: what a server wrote.

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Context;
use super::failure::Failure;

/// Show what the server of an instance wrote
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  minimcp logs work --tail 50
  minimcp logs work -f --stream stderr
  minimcp logs work --grep 429 --level warn
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
    /// Only lines that hold this text, letter by letter
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
    /// Only lines that tell a level as grave or graver, which lines of JSON do
    #[arg(long)]
    level: Option<Level>,
}

/// How grave a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
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
        if let Some(text) = &self.grep {
            query.push(("grep", text));
        }
        if let Some(level) = self.level {
            query.push(("level", level.as_str()));
        }
        if !self.follow {
            let answer = context.client.get(&path, &query).await?;
            if !context.output.json() {
                return context.output.text(&answer.0);
            }
            let only = if let [only] = names.as_slice() { Some(*only) } else { None };
            return answer.0.lines().try_for_each(|text| context.output.line(json!(line(text, only))));
        }
        query.push(("follow", "true"));
        let mut stream = context.client.events(&path, &query, None).await?;
        while let Some(event) = stream.next().await? {
            if context.output.json() {
                context.output.line(event.data)?;
            } else if let Ok(line) = serde_json::from_str::<Line>(&event.data) {
                let named = names.len() != 1;
                context.output.line(if named {
                    format!("{}: {}", line.stream, line.line)
                } else {
                    line.line
                })?;
            }
        }
        Ok(())
    }
}

/// One line, as the stream of the API has it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    stream: String,
    line: String,
}

/// A line of the text of the API, where several streams are told apart by their names.
fn line(text: &str, only: Option<&str>) -> Line {
    let (stream, line) = match only {
        Some(only) => (only, text),
        None => text.split_once(": ").unwrap_or(("", text)),
    };
    Line { stream: stream.to_owned(), line: line.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_knows_its_stream() {
        let expected = |stream: &str, line: &str| Line { stream: stream.into(), line: line.into() };
        assert_eq!(line("app: a: b", None), expected("app", "a: b"));
        assert_eq!(line("app: a", Some("stderr")), expected("stderr", "app: a"));
    }
}
