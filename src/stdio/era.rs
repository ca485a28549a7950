//! Which era of the protocol a server speaks, and what it says when it is greeted.
//!
//! The eras are told apart as the specification has clients do it (2026-07-28, basic/versioning): by asking for
//! `server/discover`, on a process that is used for nothing else afterwards, since some servers are bound to the
//! era of what they hear first.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use serde_json::{Value, json};
use slog::{Logger, warn};

use super::child::{Child, NotSent};
use super::note::Note;
use super::rpc;
use super::splice::{self, Kind, Outline};
use crate::store::Store;

/// The revision that we ask in the newer era with.
pub(super) const MODERN: &str = "2026-07-28";
/// The revisions of the older era, the newest last.
pub(super) const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
pub(super) const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub(super) const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// The era that a server's first process serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// Without sessions: 2026-07-28 and later.
    Modern,
    /// With `initialize`: 2025-11-25 and before.
    Legacy,
}

/// What a server said when it was greeted.
#[derive(Debug, Clone)]
pub(super) enum Greeted {
    /// The versions that it speaks.
    Modern { versions: Vec<String> },
    /// Its whole answer to `initialize`.
    Legacy { welcome: Arc<str> },
}

/// Why a server was not greeted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotGreeted {
    /// It is of another era than was thought.
    #[error("the server speaks another era of the protocol than before; the next start finds out which")]
    OtherEra,
    /// It did not answer.
    #[error(transparent)]
    NotSent(#[from] NotSent),
    /// It refuses to be initialized. Its words are not repeated: they are the server's.
    #[error("the server refuses `initialize`; its log may say why")]
    Refused,
}

/// The `_meta` of our own requests of the newer era.
fn meta() -> Value {
    let client = json!({"name": "minimcp", "version": env!("CARGO_PKG_VERSION")});
    json!({"_meta": {VERSION: MODERN, CAPABILITIES: {}, "io.modelcontextprotocol/clientInfo": client}})
}

/// Asks a child of the newer era what it is. This is also the probe of its health: it changes nothing.
pub(super) async fn discover(child: &Arc<Child>, patience: Duration) -> Result<String, NotSent> {
    child.ask("server/discover", &meta(), patience).await
}

/// Asks a child of the newer era for one page of its tools.
pub(super) async fn tools(
    child: &Arc<Child>,
    cursor: Option<&str>,
    patience: Duration,
) -> Result<String, NotSent> {
    let mut params = meta();
    if let Some(cursor) = cursor {
        params["cursor"] = cursor.into();
    }
    child.ask("tools/list", &params, patience).await
}

/// The era of a server that answered so to `server/discover`. Any answer but that of the newer era is one of the
/// older: servers of that time refuse what they do not know in many ways.
pub(super) fn of_answer(answer: &str) -> Era {
    match (versions(answer), error_code(answer)) {
        (Some(_), _) => Era::Modern,
        (None, Some(code)) if is_modern(code) => Era::Modern,
        (None, _) => Era::Legacy,
    }
}

fn is_modern(code: i64) -> bool {
    [rpc::HEADER_MISMATCH, rpc::MISSING_CAPABILITY, rpc::UNSUPPORTED_VERSION]
        .iter()
        .any(|known| i64::from(*known) == code)
}

/// The code of an error answer.
pub(super) fn error_code(answer: &str) -> Option<i64> {
    let outline = Outline::of(answer).ok().filter(|outline| outline.kind == Kind::Response)?;
    let code = splice::member(answer, &outline.error?, "code")?;
    answer[code].parse().ok()
}

/// The versions that a discovered server says it speaks.
fn versions(answer: &str) -> Option<Vec<String>> {
    let outline = Outline::of(answer).ok()?;
    let span = splice::member(answer, &outline.result?, "supportedVersions")?;
    serde_json::from_str(&answer[span]).ok()
}

/// Greets the first process of an instance in its era.
pub(super) async fn greet(child: &Arc<Child>, era: Era, patience: Duration) -> Result<Greeted, NotGreeted> {
    match era {
        Era::Modern => {
            let answer = discover(child, patience).await?;
            match (versions(&answer), error_code(&answer)) {
                (Some(versions), _) => Ok(Greeted::Modern { versions }),
                // It tells its versions with the error.
                (None, Some(code)) if is_modern(code) => {
                    Ok(Greeted::Modern { versions: vec![MODERN.to_owned()] })
                }
                (None, _) => Err(NotGreeted::OtherEra),
            }
        }
        Era::Legacy => initialize(child, patience).await.map(|welcome| Greeted::Legacy { welcome }),
    }
}

/// Initializes a child for ourselves. We can do nothing that a server could ask of a client, so it may not ask.
pub(super) async fn initialize(child: &Arc<Child>, patience: Duration) -> Result<Arc<str>, NotGreeted> {
    let client = json!({"name": "minimcp", "version": env!("CARGO_PKG_VERSION")});
    let params = json!({"protocolVersion": LEGACY[3], "capabilities": {}, "clientInfo": client});
    let answer = child.ask("initialize", &params, patience).await?;
    match error_code(&answer) {
        None => {
            child.tell(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned())?;
            Ok(answer.into())
        }
        Some(code) if is_modern(code) => Err(NotGreeted::OtherEra),
        Some(_) => Err(NotGreeted::Refused),
    }
}

/// What is known of types of servers. A definition that changes is another one.
#[derive(Debug)]
pub(super) struct EraBook {
    store: Store,
    known: DashMap<Note, Era>,
    /// Whether a server of the newer era speaks the older one too, once somebody has tried.
    both: DashMap<Note, bool>,
    turns: DashMap<Note, Arc<tokio::sync::Mutex<()>>>,
    log: Logger,
}

impl EraBook {
    pub(super) fn new(store: Store, log: Logger) -> Self {
        let (known, both, turns) = (DashMap::new(), DashMap::new(), DashMap::new());
        Self { store, known, both, turns, log }
    }

    /// The era of a type, found out with `find` if it is not known. Whoever needs the same waits for that.
    pub(super) async fn era_of(
        &self,
        note: &Note,
        find: impl Future<Output = Result<Era, NotSent>>,
    ) -> Result<Era, NotSent> {
        if let Some(era) = self.known(note) {
            return Ok(era);
        }
        let turn = Arc::clone(&self.turns.entry(note.clone()).or_default());
        let _turn = turn.lock().await;
        if let Some(era) = self.known(note) {
            return Ok(era);
        }
        if let Some(era) = self.stored(note).await {
            self.known.insert(note.clone(), era);
            return Ok(era);
        }
        let era = find.await?;
        self.note(note, era).await;
        Ok(era)
    }

    fn known(&self, note: &Note) -> Option<Era> {
        self.known.get(note).map(|era| *era)
    }

    async fn stored(&self, note: &Note) -> Option<Era> {
        let stored = self.store.server_era(&note.mcp_type).await.unwrap_or_else(|error| {
            // It is found out again.
            warn!(self.log, "the era of a type cannot be read"; "type" => &note.mcp_type, "error" => %error);
            None
        })?;
        match stored.strip_prefix(note.version.as_str())? {
            ":modern" => Some(Era::Modern),
            ":legacy" => Some(Era::Legacy),
            _ => None,
        }
    }

    /// Remembers the era of a type, for later daemons too.
    pub(super) async fn note(&self, note: &Note, era: Era) {
        self.known.insert(note.clone(), era);
        let word = match era {
            Era::Modern => "modern",
            Era::Legacy => "legacy",
        };
        let text = format!("{}:{word}", note.version);
        if let Err(error) = self.store.set_server_era(&note.mcp_type, &text).await {
            // The next daemon finds it out again.
            warn!(self.log, "the era of a type cannot be stored"; "type" => &note.mcp_type, "error" => %error);
        }
    }

    /// Forgets what turned out to be otherwise.
    pub(super) async fn forget(&self, note: &Note) {
        self.known.remove(note);
        if let Err(error) = self.store.set_server_era(&note.mcp_type, "").await {
            warn!(self.log, "the era of a type cannot be forgotten"; "type" => &note.mcp_type, "error" => %error);
        }
    }

    /// Whether a server of the newer era speaks the older one too; `None` if nobody has tried.
    pub(super) fn speaks_both(&self, note: &Note) -> Option<bool> {
        self.both.get(note).map(|both| *both)
    }

    pub(super) fn note_both(&self, note: &Note, both: bool) {
        self.both.insert(note.clone(), both);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_as_they_were_seen_to_answer_are_told_apart() {
        let error =
            |code: i32| format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"x"}}}}"#);
        let discovered = r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"]}}"#;
        assert_eq!(of_answer(discovered), Era::Modern);
        for (code, era) in [
            (-32_020, Era::Modern),
            (-32_021, Era::Modern),
            (-32_022, Era::Modern),
            // The older TypeScript and Python libraries, and servers written by hand.
            (-32_601, Era::Legacy),
            (-32_602, Era::Legacy),
            (-32_600, Era::Legacy),
            (-32_000, Era::Legacy),
            (-32_603, Era::Legacy),
        ] {
            assert_eq!(of_answer(&error(code)), era, "{code}");
        }
        assert_eq!(of_answer(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), Era::Legacy, "it answers anything");
    }
}
