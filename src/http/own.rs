//! Routes of a program that embeds the runtime, beside ours.

use std::fmt;

use warp::filters::BoxedFilter;
use warp::{Filter, Rejection, Reply};

use super::call::Answer;
use super::edge::is_private;

/// Routes that are answered where none of MiniMCP's own fits.
///
/// The rules for every request hold for them too: hosts and origins that are not ours are refused, and bodies are read
/// whole, up to `http.max-body`. Nothing below `/v1` and `/i` and no `/metrics` reaches them: what is there is for
/// tokens alone. Who may call them is for them to say.
///
/// ```
/// use minimcp::http::OwnRoutes;
/// use warp::Filter;
///
/// let hello = warp::path!("hello" / String).map(|name: String| format!("Hello, {name}!"));
/// let routes = OwnRoutes::new(hello);
/// # let _ = routes;
/// ```
#[derive(Clone)]
pub struct OwnRoutes(BoxedFilter<(Answer,)>);

impl OwnRoutes {
    /// These routes. What they reject is answered as if there was no such route.
    pub fn new<F, R>(routes: F) -> Self
    where
        F: Filter<Extract = (R,), Error = Rejection> + Clone + Send + Sync + 'static,
        R: Reply + 'static,
    {
        let open = warp::path::full().and_then(async |path: warp::path::FullPath| {
            if is_private(path.as_str()) { Err(warp::reject::not_found()) } else { Ok(()) }
        });
        Self(open.untuple_one().and(routes).map(|reply: R| Ok(reply.into_response())).boxed())
    }

    pub(super) fn filter(self) -> BoxedFilter<(Answer,)> {
        self.0
    }
}

impl fmt::Debug for OwnRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnRoutes")
    }
}
