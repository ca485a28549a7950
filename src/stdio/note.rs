//! What the stdio lane has to know about the runs of a type. Travels with the specification of an instance.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::catalog::{HealthKind, Sessions, TypeDefinition};

/// The note of a type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Note {
    /// The name of the type.
    pub(crate) mcp_type: String,
    /// Changes with whatever could make its servers others.
    pub(crate) version: String,
    /// Who has a process of their own.
    pub(crate) sessions: Sessions,
    /// Whether its servers are asked for their health once they are ready.
    pub(crate) asks: bool,
}

impl Note {
    pub(crate) fn of(definition: &TypeDefinition) -> Self {
        let text =
            serde_json::to_vec(definition).expect("a definition has string keys and no failing serializer");
        let digest = Sha256::digest(text);
        Self {
            mcp_type: definition.name.clone(),
            version: digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect(),
            sessions: definition.sessions,
            asks: definition.health_check.kind != HealthKind::Process,
        }
    }

    /// As a text.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a note is plain data")
    }

    /// From its text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_survives_its_text_and_another_command_is_another_version() {
        let toml =
            "name = 'x'\ndisplay_name = 'X'\nlane = 'stdio'\ncommand = 'a'\n[health_check]\nkind = 'mcp'\n";
        let definition = TypeDefinition::from_toml(toml).unwrap();
        let note = Note::of(&definition);
        assert_eq!(Note::parse(&note.to_text()), Some(note.clone()));
        assert_eq!((note.sessions, note.asks), (Sessions::PerSession, true));
        let other = TypeDefinition { args: vec!["b".into()], ..definition };
        assert_ne!(Note::of(&other).version, note.version);
    }
}
