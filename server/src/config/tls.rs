//! The `[server.tls]` table.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use kvgate_core::duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::tree::Tree;

/// How the listener encrypts, and whether callers show certificates. Without this table it
/// does not encrypt. All files are in PEM, and are read again when they change.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// The server's certificate, followed by those of the authorities between it and the
    /// one that callers trust.
    pub(crate) certificate_file: PathBuf,
    /// The private key of `certificate_file`.
    pub(crate) key_file: PathBuf,
    /// The certificates of the authorities that callers' certificates may come from.
    /// Without it callers are asked for none.
    #[serde(default)]
    pub(crate) client_ca_file: Option<PathBuf>,
    /// Whether callers must show a certificate, if there is a `client_ca_file`.
    #[serde(default)]
    pub(crate) client_certificates: ClientCertificates,
    /// How long a caller may take to agree on a key.
    #[serde(default = "handshake_timeout", deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "10s"))]
    pub(crate) handshake_timeout: Duration,
    /// The most callers that agree on a key at the same time; more wait, within
    /// `handshake_timeout`. Each costs far more work than a call.
    #[serde(default = "handshakes_max")]
    #[schemars(range(max = 1_000_000))]
    pub(crate) handshakes_max: NonZeroUsize,
}

fn handshake_timeout() -> Duration {
    Duration::from_secs(10)
}

fn handshakes_max() -> NonZeroUsize {
    const MAX: NonZeroUsize = NonZeroUsize::new(1000).expect("not zero");
    MAX
}

/// Whether callers must show a certificate.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientCertificates {
    /// Who shows none can't connect.
    #[default]
    Required,
    /// Who shows none may be known by a token. One that is shown must be good.
    Optional,
}

/// What can't work.
pub(super) fn check(tree: &Tree, tls: &Tls) -> Vec<Problem> {
    let mut problems = Vec::new();
    let which = "server.tls.client_certificates";
    if tls.client_ca_file.is_none() && tree.has(which) {
        let message = "needs client_ca_file, which says whose certificates are good";
        problems.push(tree.problem(which, message));
    }
    if tls.handshake_timeout.is_zero() {
        let message = "must be longer than nothing";
        problems.push(tree.problem("server.tls.handshake_timeout", message));
    }
    if tls.handshakes_max.get() > 1_000_000 {
        problems.push(tree.problem("server.tls.handshakes_max", "more than 1000000"));
    }
    problems
}
