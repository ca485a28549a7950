//! Who the caller is.

use super::call::{Answer, Call, ok};
use crate::api::me::{ArchivedLogs, Me, Usage, UserLimits};
use crate::archive::files;
use crate::problem::Problem;
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
    let archives = call.parts().instances.archives();
    let directory = archives.of_user(caller.user_id);
    let archived = tokio::task::spawn_blocking(move || files::usage(&directory)).await;
    let archived = archived.unwrap_or_else(|panic| Err(std::io::Error::other(panic)));
    let archived = archived.map_err(|error| Problem::internal(&error))?;
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
        archived_logs: ArchivedLogs {
            instances: archived.instances,
            bytes: archived.bytes,
            quota_bytes: archives.quota(),
            retention_days: archives.retention().num_days().try_into().unwrap_or_default(),
        },
    })
}
