//! Leave to send the content of one request beyond the device.

use std::sync::Arc;

use crate::boundary::Boundary;
use crate::candidate::Site;

/// Leave to send the content of one request to one site, once.
///
/// Only a decision mints one, for a candidate that it admitted at a site within its boundary. It is
/// given up by value where content is sent. It cannot be built:
///
/// ```compile_fail
/// let site = router_policy::Site { name: "cloud".into(), boundary: router_policy::Boundary::Cloud };
/// let permit = router_policy::EgressPermit { boundary: router_policy::Boundary::Cloud, site };
/// ```
///
/// nor copied:
///
/// ```compile_fail
/// fn twice(permit: router_policy::EgressPermit) -> (router_policy::EgressPermit, router_policy::EgressPermit) {
///     (permit.clone(), permit)
/// }
/// ```
///
/// nor read from anywhere:
///
/// ```compile_fail
/// let permit: router_policy::EgressPermit = serde_json::from_str("{}").unwrap();
/// ```
#[derive(Debug)]
#[must_use = "content may leave only where the permit is given up"]
pub struct EgressPermit {
    boundary: Boundary,
    site: Site,
}

impl EgressPermit {
    /// Minted by decisions alone; `None` unless `boundary` lets content reach `site`, which lies
    /// beyond the device.
    pub(crate) fn mint(boundary: Boundary, site: &Site) -> Option<Self> {
        let leaves = site.boundary > Boundary::Device && boundary.admits(site.boundary);
        leaves.then(|| Self {
            boundary,
            site: site.clone(),
        })
    }

    /// How far the content may travel; it travels with the request.
    #[must_use]
    pub const fn boundary(&self) -> Boundary {
        self.boundary
    }

    /// The site that it is for.
    #[must_use]
    pub fn site(&self) -> Arc<str> {
        self.site.name.clone()
    }
}
