//! Where a sealed record belongs: its owner, its row, its type and its version.
//!
//! What is encrypted says nothing about where it belongs; that goes into the associated data, so a record that
//! was moved elsewhere cannot be opened there.

use uuid::Uuid;

use super::envelope;

/// The one place that a record belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    purpose: &'static str,
    pub(super) user_id: Uuid,
    record: &'a [u8],
    kind: &'a str,
    version: i64,
}

impl<'a> Scope<'a> {
    /// The fields of a credential set, at one version of it.
    #[must_use]
    pub fn credential(user_id: Uuid, id: &'a Uuid, mcp_type: &'a str, version: i64) -> Self {
        Self { purpose: "minimcp/credential/1", user_id, record: id.as_bytes(), kind: mcp_type, version }
    }

    /// The secrets of a webhook, at one version of them.
    #[must_use]
    pub fn webhook(user_id: Uuid, id: &'a Uuid, version: i64) -> Self {
        Self { purpose: "minimcp/webhook/1", user_id, record: id.as_bytes(), kind: "", version }
    }

    /// The answer to a request with an idempotency key.
    #[must_use]
    pub fn answer(user_id: Uuid, key: &'a str) -> Self {
        Self { purpose: "minimcp/answer/1", user_id, record: key.as_bytes(), kind: "", version: 0 }
    }

    /// Everything about the place, each part with its length before it.
    pub(super) fn associated_data(&self, deployment: Uuid) -> Vec<u8> {
        envelope::parts(&[
            self.purpose.as_bytes(),
            deployment.as_bytes(),
            self.user_id.as_bytes(),
            self.record,
            self.kind.as_bytes(),
            &self.version.to_be_bytes(),
        ])
    }
}
