//! The logs of an instance, as text or as they come.

use std::time::Duration;

use http::StatusCode;
use serde::Serialize;

use super::call::{Answer, Call, id, with_body};
use super::stream;
use crate::api::event::StreamMessage;
use crate::api::problem::ProblemDocument;
use crate::instances::logs::{Follower, Stream, tail};
use crate::problem::{Code, Problem};

/// Lines of each file where the caller does not say.
const TAIL: usize = 200;
/// Lines of each file at most.
const LONGEST_TAIL: usize = 10_000;
/// Between two looks at files that are followed.
const LOOK: Duration = Duration::from_millis(250);

/// One line of a log, as an event.
#[derive(Debug, Serialize)]
struct Line<'a> {
    stream: &'a str,
    line: &'a str,
}

/// The last lines the server wrote. With several streams each line begins with the name of its own. With
/// `follow=true` lines come as server-sent events `{stream, line}`, and go on as they are written.
#[utoipa::path(get, path = "/v1/instances/{id}/logs", tag = "instances", security(("token" = ["owner"]), ("token" = ["operator"]), ("token" = ["admin"])),
    params(("id" = Uuid, Path), ("stream" = Option<String>, Query, description = "app, error, stdout, stderr: some of them, separated by commas; all of them unless given"),
        ("tail" = Option<u32>, Query), ("follow" = Option<bool>, Query)),
    responses((status = 200, content((String = "text/plain"), (StreamMessage = "text/event-stream"))), (status = 404, body = ProblemDocument)))]
pub(super) async fn show(text: String, call: Call) -> Answer {
    let own = call.caller()?.reads();
    let mut query = call.query();
    let streams = streams(query.text("stream")?.as_deref())?;
    let lines = query.parse("tail", "a number of lines")?.unwrap_or(TAIL).min(LONGEST_TAIL);
    let follow = query.word("follow", &[("true", true), ("false", false)])?.unwrap_or(false);
    query.end()?;
    let directory = call.parts().instances.log_dir(id(&text)?, own).await?;
    let (mut read, mut followers) = (Vec::new(), Vec::new());
    for stream in streams {
        let tail = tail(&directory, stream, lines).await.map_err(|error| Problem::internal(&error))?;
        read.extend(tail.0.into_iter().map(|line| (stream, line)));
        followers.push((stream, tail.1));
    }
    if follow {
        return stream::answer(&call, following(read, followers));
    }
    Ok(with_body(StatusCode::OK, "text/plain; charset=utf-8", as_text(&read, followers.len() > 1).into()))
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

/// The lines that were read, then those that are added.
fn following(
    read: Vec<(Stream, String)>,
    followers: Vec<(Stream, Follower)>,
) -> impl futures::Stream<Item = Result<warp::sse::Event, Problem>> {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let waiting: std::collections::VecDeque<_> = read.into();
    futures::stream::try_unfold(
        (waiting, followers, looks),
        |(mut waiting, mut followers, mut looks)| async move {
            loop {
                if let Some((stream, line)) = waiting.pop_front() {
                    let event = stream::event("line", None, &Line { stream: stream.as_str(), line: &line })?;
                    return Ok(Some((event, (waiting, followers, looks))));
                }
                looks.tick().await;
                for (stream, follower) in &mut followers {
                    let more = follower.more().await.map_err(|error| Problem::internal(&error))?;
                    waiting.extend(more.into_iter().map(|line| (*stream, line)));
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
