//! The terminal of `top`: asks the daemon again and again, takes keys, draws.

use std::io;
use std::pin::pin;
use std::time::Duration;

use chrono::Utc;
use crossterm::event::{Event, EventStream};
use futures::future::{Fuse, FusedFuture};
use futures::{FutureExt, StreamExt};
use ratatui::DefaultTerminal;
use tokio::time::MissedTickBehavior;

use super::board::{Board, Look, Step};
use super::screen;
use crate::api::Page;
use crate::cli::Context;
use crate::cli::failure::Failure;

/// The terminal in its other screen, without echo; as it was once this is dropped, a panic included.
struct Screen(DefaultTerminal);

impl Screen {
    fn take() -> Result<Self, Failure> {
        ratatui::try_init().map(Self).map_err(|error| unusable(&error))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

fn unusable(error: &io::Error) -> Failure {
    Failure::new(format!("the terminal cannot be used: {error}")).next("`minimcp top --once` needs none")
}

/// Shows what happens until its user has seen enough.
pub(super) async fn watch(context: &Context, every: Duration) -> Result<(), Failure> {
    // A daemon that cannot be asked at all is told on the plain screen.
    let mut board = Board::new(look(context).await?);
    let mut screen = Screen::take()?;
    let mut keys = EventStream::new();
    let mut rounds = tokio::time::interval(every);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    rounds.reset();
    let mut asking = pin!(Fuse::terminated());
    loop {
        let colors = context.output.colors();
        let drawn = screen.0.draw(|frame| screen::draw(frame, &mut board, colors, Utc::now()));
        drawn.map_err(|error| unusable(&error))?;
        tokio::select! {
            event = keys.next() => match event {
                Some(Ok(Event::Key(key))) => match board.press(key) {
                    Step::Draw => {}
                    Step::Ask => rounds.reset_immediately(),
                    Step::Quit => return Ok(()),
                },
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(unusable(&error)),
                None => return Ok(()),
            },
            _ = rounds.tick(), if asking.is_terminated() => asking.set(look(context).fuse()),
            // A daemon that restarts is no reason to end.
            seen = &mut asking, if !asking.is_terminated() => {
                board.saw(seen.map_err(|failure| failure.what().to_owned()));
            }
        }
    }
}

async fn look(context: &Context) -> Result<Look, Failure> {
    let instances = context.client.list("/v1/instances", &[]).await?.read::<Page<_>>()?.items;
    let actors = match context.client.get("/v1/actors", &[]).await {
        Ok(answer) => Some(answer.read::<Page<_>>()?.items),
        // Actors are for operators.
        Err(failure) if failure.code() == Some("forbidden") => None,
        Err(failure) => return Err(failure),
    };
    Ok(Look { instances, actors })
}
