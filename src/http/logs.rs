//! The logs of an instance, as text or as they come.

use std::io;
use std::time::Duration;

use http::StatusCode;
use serde::Serialize;

use super::call::{Answer, Call, id, with_body};
use super::stream;
use crate::api::event::StreamMessage;
use crate::api::problem::ProblemDocument;
use crate::instances::logs::{Filter, Follower, Level, Stream, archived, tail};
use crate::problem::{Code, Problem};

/// Lines of each file where the caller does not say.
const TAIL: usize = 200;
/// Lines of each file at most.
const LONGEST_TAIL: usize = 10_000;
/// Bytes of a text that is looked for.
const LONGEST_TEXT: usize = 200;
/// Between two looks at files that are followed.
const LOOK: Duration = Duration::from_millis(250);

/// One line of a log, as an event.
#[derive(Debug, Serialize)]
struct Line<'a> {
    stream: &'a str,
    line: &'a str,
}

/// The last lines the server wrote, also after its end until they are thrown out. With several streams each line begins
/// with the name of its own. `grep` keeps the lines that hold a text, letter by letter; `level` those that tell a level as
/// grave or graver, which lines of JSON do. With `follow=true` lines come as server-sent events `{stream, line}`, and go on
/// as they are written.
#[utoipa::path(get, path = "/v1/instances/{id}/logs", tag = "instances", security(("token" = ["owner"]), ("token" = ["operator"]), ("token" = ["admin"])),
    params(("id" = Uuid, Path), ("stream" = Option<String>, Query, description = "app, error, stdout, stderr: some of them, separated by commas; all of them unless given"),
        ("tail" = Option<u32>, Query), ("follow" = Option<bool>, Query),
        ("grep" = Option<String>, Query), ("level" = Option<String>, Query, description = "error, warn, info, debug or trace")),
    responses((status = 200, content((String = "text/plain"), (StreamMessage = "text/event-stream"))), (status = 404, body = ProblemDocument)))]
pub(super) async fn show(text: String, call: Call) -> Answer {
    let own = call.caller()?.reads();
    let mut query = call.query();
    let streams = streams(query.text("stream")?.as_deref())?;
    let lines = query.parse("tail", "a number of lines")?.unwrap_or(TAIL).min(LONGEST_TAIL);
    let follow = query.word("follow", &[("true", true), ("false", false)])?.unwrap_or(false);
    let filter = Filter { grep: query.text("grep")?, level: query.word("level", &Level::NAMED)? };
    query.end()?;
    if filter.grep.as_ref().is_some_and(|text| text.is_empty() || text.len() > LONGEST_TEXT) {
        let detail = format!("`grep` has to be a text of 1 to {LONGEST_TEXT} bytes");
        return Err(Problem::new(Code::InvalidQuery, detail));
    }
    let (live, archive) = call.parts().instances.log_dirs(id(&text)?, own).await?;
    let failed = |error: io::Error| Problem::internal(&error);
    let named = streams.len() > 1;
    let (mut read, mut followers) = (Vec::new(), Vec::new());
    if tokio::fs::try_exists(&archive).await.map_err(failed)? {
        let (searched, streams) = (filter.clone(), streams.clone());
        let found = tokio::task::spawn_blocking(move || {
            let of = |stream: Stream| Ok((stream, archived(&archive, stream, lines, &searched)?));
            streams.into_iter().map(of).collect::<io::Result<Vec<_>>>()
        });
        let found = found.await.unwrap_or_else(|panic| Err(io::Error::other(panic))).map_err(failed)?;
        for (stream, lines) in found {
            read.extend(lines.into_iter().map(|line| (stream, line)));
        }
    } else {
        for stream in streams {
            let tail = tail(&live, stream, lines, &filter).await.map_err(failed)?;
            read.extend(tail.0.into_iter().map(|line| (stream, line)));
            followers.push((stream, tail.1));
        }
    }
    if follow {
        return stream::answer(&call, following(read, followers, filter));
    }
    Ok(with_body(StatusCode::OK, "text/plain; charset=utf-8", as_text(&read, named).into()))
}

fn streams(names: Option<&str>) -> Result<Vec<Stream>, Problem> {
    let Some(names) = names else { return Ok(Stream::ALL.to_vec()) };
    let mut streams = Vec::new();
    for name in names.split(',') {
        let stream = Stream::from_name(name.trim()).ok_or_else(|| {
            Problem::new(Code::InvalidQuery, "`stream` has to be some of app, error, stdout, stderr")
        })?;
        if !streams.contains(&stream) {
            streams.push(stream);
        }
    }
    Ok(streams)
}

fn as_text(lines: &[(Stream, String)], named: bool) -> String {
    let mut text = String::new();
    for (stream, line) in lines {
        if named {
            text.push_str(stream.as_str());
            text.push_str(": ");
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// The lines that were read, then those that are added. To what was put away nothing is.
fn following(
    read: Vec<(Stream, String)>,
    followers: Vec<(Stream, Follower)>,
    filter: Filter,
) -> impl futures::Stream<Item = Result<warp::sse::Event, Problem>> {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let waiting: std::collections::VecDeque<_> = read.into();
    futures::stream::try_unfold(
        (waiting, followers, looks, filter),
        |(mut waiting, mut followers, mut looks, filter)| async move {
            loop {
                if let Some((stream, line)) = waiting.pop_front() {
                    let event = stream::event("line", None, &Line { stream: stream.as_str(), line: &line })?;
                    return Ok(Some((event, (waiting, followers, looks, filter))));
                }
                if followers.is_empty() {
                    return Ok(None);
                }
                looks.tick().await;
                for (stream, follower) in &mut followers {
                    let more = follower.more().await.map_err(|error| Problem::internal(&error))?;
                    let wanted = more.into_iter().filter(|line| filter.takes(line));
                    waiting.extend(wanted.map(|line| (*stream, line)));
                }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_named_once_and_lines_carry_the_name_where_there_are_several() {
        assert_eq!(streams(None).unwrap(), Stream::ALL);
        assert_eq!(streams(Some("stderr,stdout,stderr")).unwrap(), [Stream::Stderr, Stream::Stdout]);
        assert!(streams(Some("stderr,passwd")).is_err() && streams(Some("../x")).is_err());
        let lines = [(Stream::App, "a".to_owned()), (Stream::Stderr, "b".to_owned())];
        assert_eq!(as_text(&lines, true), "app: a\nstderr: b\n");
        assert_eq!(as_text(&lines[..1], false), "a\n");
    }
}
