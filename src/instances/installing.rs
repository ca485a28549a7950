//! Packages that types do not need any more.

use slog::warn;

use super::Instances;
use crate::catalog::{Package, TypeDefinition};
use crate::problem::Problem;
use crate::store::PageRequest;

impl Instances {
    /// Removes the package of a type that was deleted, unless another type names it, too.
    pub(crate) async fn drop_package(&self, package: &Package) {
        match self.uses(package).await {
            Ok(true) => {}
            Ok(false) => {
                if let Err(error) = self.packages().remove(package).await {
                    warn!(self.log, "files of a package that nothing uses are left"; "package" => %package, "error" => %error);
                }
            }
            Err(_) => {
                warn!(self.log, "a package is kept, because the types could not be read"; "package" => %package);
            }
        }
    }

    async fn uses(&self, package: &Package) -> Result<bool, Problem> {
        let same = |other: &Package| {
            (other.registry, &other.name, &other.version)
                == (package.registry, &package.name, &package.version)
        };
        let mut cursor = None;
        loop {
            let page = self.store.types(&PageRequest::new(Some(500), cursor.as_deref())?).await?;
            for row in &page.items {
                if TypeDefinition::from_row(row)?.package.as_ref().is_some_and(same) {
                    return Ok(true);
                }
            }
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(false),
            }
        }
    }
}
