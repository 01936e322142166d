//! What callers meet before any store.

use std::sync::Arc;

use kvgate_core::Result;

use crate::config::Server;
use crate::identity::{Authentication, Issuer};
use crate::reload::Reload;
use crate::tls::Tls;

/// TLS and authentication, if they are configured: made of files that are reloaded.
pub(crate) struct Edge {
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) authentication: Option<Arc<Authentication>>,
}

impl Edge {
    /// Reads the files that the configuration names.
    pub(crate) fn open(server: &Server) -> Result<Self> {
        let tls = server.tls.as_ref().map(Tls::open).transpose()?.map(Arc::new);
        let authentication = server.authentication.as_ref();
        let authentication =
            authentication.map(|settings| Authentication::open(settings, &server.roles));
        Ok(Self { tls, authentication: authentication.transpose()?.map(Arc::new) })
    }

    /// Those whose keys are fetched.
    pub(crate) fn issuers(&self) -> &[Arc<Issuer>] {
        self.authentication.as_ref().map_or(&[], |authentication| authentication.issuers())
    }

    /// What is made anew when its files change.
    pub(crate) fn reloaded(&self) -> Vec<Arc<dyn Reload>> {
        let tls = self.tls.iter().map(|tls| tls.reloaded());
        let authentication = self.authentication.iter();
        tls.chain(authentication.map(|authentication| authentication.reloaded())).collect()
    }
}
