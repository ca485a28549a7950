//! HTTP: the accept loop, the rules for every request and the management API.
//!
//! [`routes`] shows every route. A handler is thin: it asks who is calling, reads what was sent and leaves the
//! work to the service behind it. Errors are [`Problem`](crate::problem::Problem)s from one end to the other.

mod actors;
mod audit;
mod audited;
mod auth;
mod call;
mod context;
mod credentials;
mod dashboard;
mod docs;
mod edge;
mod events;
mod head;
mod health;
mod idempotency;
mod instances;
mod intake;
mod json;
mod keys;
mod listener;
mod logs;
mod loops;
mod me;
mod metrics;
mod openapi;
mod outgoing;
mod own;
mod patience;
mod query;
mod rates;
mod routes;
mod schema;
mod stall;
mod standing;
mod stats;
mod stream;
mod system;
mod throttle;
mod tokens;
mod traced;
mod types;
mod unique;
mod users;
mod webhooks;

pub use context::{Context, Parts};
pub use edge::{run, run_beside};
pub use listener::Bounds;
pub use loops::Loops;
pub use outgoing::{BodyError, Outgoing};
pub use own::OwnRoutes;

pub(crate) use auth::bearer;
pub(crate) use head::sole;
pub(crate) use intake::linger;
pub(crate) use patience::Patience;
pub(crate) use traced::Traced;
