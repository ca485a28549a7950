//! Finding out what the first process of a run speaks, and how it is from then on.

use std::sync::Arc;
use std::time::Duration;

use minimcp_actors::launch::Missed;
use slog::info;

use super::board::{Board, Served};
use super::child::{Child, NotSent};
use super::era::{self, Era, Greeted, NotGreeted};
use super::parts::Ending;
use super::switch::Audience;
use crate::catalog::Sessions;

/// From asking a server of an unknown era to giving up on an answer.
const DISCOVERY: Duration = Duration::from_secs(15);

impl Board {
    /// Greets the first child of a run, in an era that another process was asked for.
    pub(super) async fn introduce(self: Arc<Self>, served: Arc<Served>) {
        let patience = served.spec.policy.timing.start_timeout;
        let greeted = async {
            let scout = self.scout(&served, patience);
            let era = self.book.era_of(&served.note, scout).await?;
            match era::greet(&served.child, era, patience).await {
                // It told its era by the way in which it refused.
                Err(NotGreeted::OtherEra) if era == Era::Legacy => {
                    let greeted = era::greet(&served.child, Era::Modern, patience).await?;
                    self.book.note(&served.note, Era::Modern).await;
                    Ok(greeted)
                }
                greeted => greeted,
            }
        };
        let greeted = tokio::select! {
            greeted = greeted => greeted,
            () = served.child.left() => Err(NotSent::Gone.into()),
        };
        match &greeted {
            Ok(Greeted::Modern { .. }) => served.child.switch().audience = Audience::Modern,
            Ok(Greeted::Legacy { .. }) if served.note.sessions == Sessions::Shared => {
                served.child.share_sessions();
            }
            Ok(Greeted::Legacy { .. }) | Err(NotGreeted::NotSent(NotSent::Gone)) => {}
            Err(why) => {
                self.book.forget(&served.note).await;
                let (id, run) = served.key();
                info!(self.log, "a server could not be greeted"; "instance" => %id, "run" => %run, "why" => %why);
            }
        }
        served.greeted.send_replace(Some(greeted));
    }

    /// Asks a process of its own which era the server speaks.
    async fn scout(self: &Arc<Self>, served: &Arc<Served>, patience: Duration) -> Result<Era, NotSent> {
        let (part, child) = self.start_part(served, patience).await.map_err(|_| NotSent::Gone)?;
        // It ends in any case, also if nobody waits for its answer any more.
        let _part = Ending::unless_kept(self, part);
        match era::discover(&child, DISCOVERY.min(patience / 2)).await {
            Ok(answer) => Ok(era::of_answer(&answer)),
            // Some servers of the older era say nothing to what they do not know, or end.
            Err(NotSent::Late | NotSent::Gone) => Ok(Era::Legacy),
            Err(busy @ NotSent::Busy) => Err(busy),
        }
    }

    /// Asks a child how it is; `served` if it is the first of its run.
    pub(super) async fn ask_how_it_is(
        child: Arc<Child>,
        served: Option<Arc<Served>>,
        patience: Duration,
    ) -> Result<(), Missed> {
        let missed = |words: &dyn std::fmt::Display| Missed(words.to_string());
        if child.switch().lost {
            return Err(Missed("it has closed its output".into()));
        }
        let asked = match served {
            None if child.is_initialized() => child.ask("ping", &serde_json::json!({}), patience).await,
            None => return Ok(()),
            Some(served) => {
                let greeted = served.greeted.borrow().clone();
                match greeted {
                    None => return Err(Missed("it has not said yet what it speaks".into())),
                    Some(Err(why)) => return Err(missed(&why)),
                    Some(Ok(_)) if !served.note.asks => return Ok(()),
                    Some(Ok(Greeted::Modern { .. })) => era::discover(&child, patience).await,
                    Some(Ok(Greeted::Legacy { .. })) => {
                        child.ask("ping", &serde_json::json!({}), patience).await
                    }
                }
            }
        };
        asked.map(drop).map_err(|not_sent| missed(&not_sent))
    }
}
