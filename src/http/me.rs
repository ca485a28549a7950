//! Who the caller is.

use super::call::{Answer, Call, ok};
use crate::api::me::{Me, Usage, UserLimits};
use crate::store::Quota;

/// Who I am, what I may have and what I have.
#[utoipa::path(get, path = "/v1/me", tag = "me", security(("token" = ["user"]), ("token" = ["operator"]), ("token" = ["admin"])), responses((status = 200, body = Me)))]
pub(super) async fn show(call: Call) -> Answer {
    let caller = call.caller()?;
    call.no_query()?;
    let store = &call.parts().store;
    let user = store.user(caller.user_id).await?;
    let usage = store.usage(caller.user_id).await?;
    let quota = Quota::of(&user, call.parts().settings.quota);
    ok(&Me {
        id: user.id,
        name: user.name,
        role: caller.role,
        limits: UserLimits {
            max_instances: quota.max_instances,
            max_running: quota.max_running,
            max_credentials: quota.max_credentials,
        },
        usage: Usage { instances: usage.instances, running: usage.running, credentials: usage.credentials },
    })
}
