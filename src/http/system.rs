//! The machine that the servers run on.

use super::call::{Answer, Call, ok};
use crate::api::isolation::{ControlGroups, Isolation, MachineIsolation};

/// What keeps servers apart that are started from now on, layer by layer, and why a layer is missing; and who keeps
/// their limits. Every instance says the same of its own process.
#[utoipa::path(get, path = "/v1/system/isolation", tag = "watching",
    security(("token" = ["user"]), ("token" = ["operator"]), ("token" = ["admin"])),
    responses((status = 200, body = MachineIsolation)))]
pub(super) async fn isolation(call: Call) -> Answer {
    call.caller()?;
    call.no_query()?;
    let parts = call.parts();
    let isolation = Isolation::from(&parts.isolation);
    ok(&MachineIsolation { isolation, control_groups: ControlGroups::from(&parts.cgroups) })
}
