//! Resolves the name of a receiver once, for the one connection that is made to it.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::target::{Allowed, Refused};

/// From a name to its addresses.
pub trait Lookup: Send + Sync + fmt::Debug {
    /// The addresses of a host.
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// What the operating system knows.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((host, 0)).await?;
            Ok(addresses.map(|address| address.ip()).collect())
        })
    }
}

/// A resolver that knows only addresses to which something may be sent. The connection is made to what it answers, so
/// a name that means something else a moment later changes nothing.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    pub(super) lookup: Arc<dyn Lookup>,
    pub(super) allowed: Arc<Allowed>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let found = self.lookup.lookup(host.clone());
        let allowed = Arc::clone(&self.allowed);
        Box::pin(async move {
            let addresses = found.await?;
            if addresses.is_empty() {
                return Err(Refused::Unresolved.into());
            }
            if !allowed.names(&host) {
                // One that is not public among others is no accident.
                addresses.iter().try_for_each(|address| allowed.admits(*address))?;
            }
            let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}
