//! The machine that the servers run on.

use super::call::{Answer, Call, ok};
use crate::api::isolation::Isolation;

/// What keeps servers apart that are started from now on, layer by layer, and why a layer is missing. Every instance
/// says the same of its own process.
#[utoipa::path(get, path = "/v1/system/isolation", tag = "watching",
    security(("token" = ["user"]), ("token" = ["operator"]), ("token" = ["admin"])),
    responses((status = 200, body = Isolation)))]
pub(super) async fn isolation(call: Call) -> Answer {
    call.caller()?;
    call.no_query()?;
    ok(&Isolation::from(&call.parts().isolation))
}
