//! How long an answer that goes on may go on: until the daemon ends, or the caller is not who they were.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::auth::Caller;
use super::context::Context;
use crate::store::{Role, StoreError};

/// The longest sleep at once, so that a clock that is set does not keep an expired token alive.
const NAP: Duration = Duration::from_secs(60);

/// Waits until a stream of this caller has to end: their token is revoked or expires, their role changes, they
/// are deleted, or the daemon ends.
pub(super) fn end(context: &Arc<Context>, caller: &Caller) -> impl Future<Output = ()> + Send + use<> {
    let (context, caller) = (Arc::clone(context), caller.clone());
    let mut changes = context.standing.subscribe();
    async move {
        let stop = context.parts.stop.clone();
        // The first look is for what changed between the check of the token and the subscription.
        while stands(&context, &caller).await {
            tokio::select! {
                () = stop.cancelled() => return,
                () = expiry(caller.expires_at) => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
    }
}

/// A store that is away changes nobody's standing.
async fn stands(context: &Context, caller: &Caller) -> bool {
    let store = &context.parts.store;
    if let Some(token) = caller.token_id {
        match store.token(token, None).await {
            Ok(token) if token.revoked_at.is_none() => {}
            Ok(_) | Err(StoreError::NotFound(_)) => return false,
            Err(_) => return true,
        }
    }
    match store.user(caller.user_id).await {
        // Whoever came by another way than a token has the role that this way gave them.
        Ok(user) => caller.token_id.is_none() || Role::of(&user).is_ok_and(|role| role == caller.role),
        Err(StoreError::NotFound(_)) => false,
        Err(_) => true,
    }
}

async fn expiry(at: Option<DateTime<Utc>>) {
    let Some(at) = at else { return std::future::pending().await };
    while let Ok(left) = (at - Utc::now()).to_std() {
        tokio::time::sleep(left.min(NAP)).await;
    }
}
