//! Rotation: a new master key, a new data key for every user, and every record sealed anew, while all goes on.
//!
//! Two steps. The first is one transaction that moves the keyring to the new master key. Where the daemon keeps
//! the master key in a file of its own, it makes the new one there and keeps the old beside it until the
//! transaction is done; a start accepts either, so a crash between any two writes leaves a database that opens.
//! Where the key is given from outside, the new one is whichever is given now.
//!
//! The second step goes user by user and record by record in small transactions. How far it is can be told from
//! the database alone: users whose key is older than the note of the rotation, and records under a key that is
//! not active. So whoever finds the note goes on, and whatever is not done yet opens under its old key.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use slog::{Logger, info, warn};
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{KeyError, KeySource, MAX_SEALS, MasterKey, Place, Scope, Vault};
use crate::store::{Store, StoreError};

/// Between two looks for what an earlier rotation left, and for keys that are nearly used up.
const EVERY: Duration = Duration::from_secs(3_600);
/// After a failure, which is mostly a database that is away.
const PAUSE: Duration = Duration::from_secs(10);

/// Why a rotation did not begin. Nothing was lost; asking again goes on where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The files of the master key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Rotates the keys of one deployment. Clones share it.
#[derive(Debug, Clone)]
pub struct KeyRotation(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    vault: Vault,
    source: KeySource,
    /// Only one rotation begins at a time.
    beginning: Mutex<()>,
    wake: Notify,
    log: Logger,
}

impl KeyRotation {
    /// For the keys that `source` has led to.
    #[must_use]
    pub fn new(store: Store, vault: Vault, source: KeySource, log: Logger) -> Self {
        let (beginning, wake) = (Mutex::default(), Notify::new());
        Self(Arc::new(Inner { store, vault, source, beginning, wake, log }))
    }

    /// Where the master key is.
    #[must_use]
    pub fn place(&self) -> &Place {
        self.0.source.place()
    }

    /// Moves the keyring to the new master key and has the rest done by [`Self::run`]. If a rotation is under
    /// way, that one goes on and no other begins.
    ///
    /// # Errors
    /// [`RotationError`]; asking again goes on where it stopped.
    pub async fn begin(&self) -> Result<(), RotationError> {
        let Inner { store, vault, source, beginning, wake, log } = &*self.0;
        let _alone = beginning.lock().await;
        if store.rotation().await?.is_none() {
            let old = vault.key_id();
            let next = match (vault.next(), source.own_file()) {
                (Some(next), _) => next,
                (None, Some(_)) => self.on_disk(Self::new_master).await?,
                (None, None) => vault.master(),
            };
            store.rewrap(next, Utc::now()).await?;
            self.on_disk(Self::clear_up).await;
            info!(log, "rotating the keys"; "from" => %old, "to" => %vault.key_id());
        }
        wake.notify_one();
        Ok(())
    }

    /// Does what waits for the disk on a thread that may.
    async fn on_disk<T: Send + 'static>(&self, work: fn(&Self) -> T) -> T {
        let rotation = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&rotation)).await;
        done.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))
    }

    /// Makes a new master key in the daemon's own file. The old one is beside it before it is replaced.
    fn new_master(&self) -> Result<Arc<MasterKey>, KeyError> {
        let (old, new) = (self.0.vault.master(), Arc::new(MasterKey::random()?));
        if let Some(file) = self.0.source.own_file() {
            file.keep(old.id(), &old.text())?;
            file.replace(&new.text())?;
        }
        self.0.vault.expect(Arc::clone(&new));
        Ok(new)
    }

    /// Removes the master keys beside the present one, which open nothing any more.
    fn clear_up(&self) {
        let Inner { source, vault, log, .. } = &*self.0;
        let Some(file) = source.own_file() else { return };
        let cleared = source.load().and_then(|key| {
            // Only once the database is under the key in the file itself.
            if key.is_some_and(|key| key.id() == vault.key_id()) { file.forget_all() } else { Ok(()) }
        });
        if let Err(error) = cleared {
            warn!(log, "an old master key is left in the data directory"; "error" => %error);
        }
    }

    /// Goes on with whatever was begun, now and whenever something is, until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            let pause = match self.go_on(&stop).await {
                Ok(()) => EVERY,
                Err(error) => {
                    warn!(self.0.log, "the rotation of the keys pauses"; "error" => %error);
                    PAUSE
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Goes on with whatever was begun until it is done or `stop` is cancelled.
    ///
    /// # Errors
    /// [`RotationError`]; asking again goes on where it stopped.
    pub async fn go_on(&self, stop: &CancellationToken) -> Result<(), RotationError> {
        let Inner { store, vault, source, log, .. } = &*self.0;
        if source.own_file().is_some() && vault.next().is_some() {
            // The file was replaced and the daemon did not live to move the keyring.
            self.begin().await?;
        }
        self.on_disk(Self::clear_up).await;
        for user in store.users_with_worn_key(i64::try_from(MAX_SEALS / 2).unwrap_or(i64::MAX)).await? {
            renew(store, user, Utc::now()).await?;
        }
        let since = store.rotation().await?;
        if let Some(since) = since {
            loop {
                let users = store.users_with_key_before(since).await?;
                if users.is_empty() {
                    break;
                }
                for user in users {
                    if stop.is_cancelled() {
                        return Ok(());
                    }
                    // The clock may have been set back since.
                    renew(store, user, Utc::now().max(since)).await?;
                }
            }
        }
        // What was stored under a replaced key meanwhile is found the next time round.
        while self.pass(stop).await? > 0 {}
        if since.is_some() && !stop.is_cancelled() {
            store.finish_rotation().await?;
            info!(log, "the keys are rotated"; "master_key" => %vault.key_id());
        }
        Ok(())
    }

    /// Seals once more what is under replaced keys, and removes those that nothing needs. Answers how many
    /// records were sealed.
    async fn pass(&self, stop: &CancellationToken) -> Result<u64, StoreError> {
        let store = &self.0.store;
        let mut sealed = 0;
        for key in store.replaced_keys().await? {
            sealed += self.credentials(&key, stop).await?;
            sealed += self.answers(&key, stop).await?;
            sealed += self.webhooks(&key, stop).await?;
            if stop.is_cancelled() {
                return Ok(0);
            }
            store.drop_key(&key).await?;
        }
        Ok(sealed)
    }

    async fn credentials(&self, key: &str, stop: &CancellationToken) -> Result<u64, StoreError> {
        let Inner { store, vault, log, .. } = &*self.0;
        let (mut after, mut sealed) = (Uuid::nil(), 0);
        while !stop.is_cancelled() {
            let rows = store.credentials_under(key, after).await?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            let mut seals = Vec::with_capacity(rows.len());
            for row in rows.into_iter().filter(|row| !store.is_altered(row)) {
                let scope = Scope::credential(row.user_id, &row.id, &row.mcp_type, row.version);
                match vault.open(&scope, &row.sealed).and_then(|content| vault.seal(&scope, &content)) {
                    Ok(seal) => seals.push((row, seal)),
                    Err(error) => {
                        warn!(log, "a credential set stays unreadable"; "credential" => %row.id, "error" => %error);
                    }
                }
            }
            sealed += store.reseal_credentials(seals).await?;
        }
        Ok(sealed)
    }

    async fn webhooks(&self, key: &str, stop: &CancellationToken) -> Result<u64, StoreError> {
        let Inner { store, vault, log, .. } = &*self.0;
        let (mut after, mut sealed) = (Uuid::nil(), 0);
        while !stop.is_cancelled() {
            let rows = store.webhooks_under(key, after).await?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            let mut seals = Vec::with_capacity(rows.len());
            for row in rows.into_iter().filter(|row| !store.is_forged(row)) {
                let scope = Scope::webhook(row.user_id, &row.id, row.version);
                match vault.open(&scope, &row.sealed).and_then(|content| vault.seal(&scope, &content)) {
                    Ok(seal) => seals.push((row, seal)),
                    Err(error) => {
                        warn!(log, "the secrets of a webhook stay unreadable"; "webhook" => %row.id, "error" => %error);
                    }
                }
            }
            sealed += store.reseal_webhooks(seals).await?;
        }
        Ok(sealed)
    }

    async fn answers(&self, key: &str, stop: &CancellationToken) -> Result<u64, StoreError> {
        let Inner { store, vault, log, .. } = &*self.0;
        let (mut after, mut sealed) = (String::new(), 0);
        while !stop.is_cancelled() {
            let rows = store.answers_under(key, &after).await?;
            let Some(last) = rows.last() else { break };
            after.clone_from(&last.key);
            let mut seals = Vec::with_capacity(rows.len());
            for row in rows {
                let scope = Scope::answer(row.user_id, &row.key);
                match vault
                    .open(&scope, &row.sealed_response)
                    .and_then(|content| vault.seal(&scope, &content))
                {
                    Ok(seal) => seals.push((row, seal)),
                    Err(error) => {
                        warn!(log, "a remembered answer stays unreadable"; "user" => %row.user_id, "error" => %error);
                    }
                }
            }
            sealed += store.reseal_answers(seals).await?;
        }
        Ok(sealed)
    }
}

/// A new key for the user, who may be gone by now.
async fn renew(store: &Store, user: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
    match store.replace_user_key(user, now).await {
        Err(StoreError::NotFound(_)) => Ok(()),
        renewed => renewed,
    }
}
