//! Who a caller is: by a token, a JSON web token, or the certificate of its connection.

mod certificate;
mod jwt;
mod tokens;

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};
use kvgate_core::Result;
use kvgate_proto::v1::ErrorReason;
use tonic::Code;

use self::certificate::Certificates;
pub(crate) use self::jwt::{Issuer, Remembered, Verified, without_key};
use self::tokens::{Table, hash};
use crate::access::{Access, Roles};
use crate::config::{Authentication as Settings, OpenService, RoleTable};
use crate::reload::{Reload, Reloaded};
use crate::server::Peer;
use crate::service::status::Fault;

/// A caller that is known, in the extensions of its calls.
pub(crate) struct Identity {
    /// Its name, as its token, claim or certificate has it.
    pub(crate) principal: String,
    /// How it is known. The same name known in another way is somebody else.
    pub(crate) how: How,
    /// What it may do.
    pub(crate) access: Access,
}

/// How a caller is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Token,
    /// By a token of this issuer.
    Jwt(Arc<str>),
    Certificate,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token => f.write_str("token"),
            Self::Jwt(issuer) => write!(f, "jwt of {issuer}"),
            Self::Certificate => f.write_str("certificate"),
        }
    }
}

/// Everything that makes callers known.
pub(crate) struct Authentication {
    open: Vec<OpenService>,
    tokens: Arc<Reloaded<Table>>,
    issuers: Vec<Arc<Issuer>>,
    certificates: Certificates,
}

/// What credentials come to.
pub(crate) enum Verdict {
    Known(Arc<Identity>),
    /// A token that was verified, which need not be done again while it is good.
    Verified(Verified),
    /// Whether they are good can be said once the issuer's keys have been fetched.
    NeedsKeys(Arc<Issuer>),
    Refused(Refusal),
}

/// Why credentials are not good.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    reason: ErrorReason,
    /// What is wrong, for the caller and the audit log; nothing of the credentials.
    pub(crate) why: &'static str,
}

impl Refusal {
    const fn invalid(why: &'static str) -> Self {
        Self { reason: ErrorReason::CredentialsInvalid, why }
    }

    /// What the caller is told.
    pub(crate) fn fault(self) -> Fault {
        match self.reason {
            ErrorReason::CredentialsUnverifiable => {
                Fault::new(Code::Unavailable, self.reason, self.why).retry()
            }
            _ => Fault::new(Code::Unauthenticated, self.reason, self.why),
        }
    }
}

impl Authentication {
    /// Reads the files that the settings name.
    pub(crate) fn open(settings: &Settings, roles: &RoleTable) -> Result<Self> {
        let roles = Arc::new(Roles::new(roles));
        let issuer = |jwt| Issuer::open(jwt, &roles).map(Arc::new);
        Ok(Self {
            open: settings.without_credentials.clone(),
            tokens: Arc::new(tokens::open(settings, &roles)?),
            issuers: settings.jwt.iter().map(issuer).collect::<Result<_>>()?,
            certificates: Certificates::new(&settings.certificates, &roles),
        })
    }

    /// What is to be reloaded when its files change.
    pub(crate) fn reloaded(&self) -> Arc<dyn Reload> {
        Arc::clone(&self.tokens) as _
    }

    /// Those whose keys are fetched again and again.
    pub(crate) fn issuers(&self) -> &[Arc<Issuer>] {
        &self.issuers
    }

    /// Who shows such a certificate; nobody if no role is for it.
    pub(crate) fn of_certificate(&self, certificate: &[u8]) -> Option<Arc<Identity>> {
        self.certificates.identity(certificate)
    }

    /// Whether a service answers callers without credentials.
    pub(crate) fn is_open(&self, path: &str) -> bool {
        let service = match path.strip_prefix('/').and_then(|path| path.split_once('/')) {
            Some(("grpc.health.v1.Health", _)) => OpenService::Health,
            Some((
                "grpc.reflection.v1.ServerReflection" | "grpc.reflection.v1alpha.ServerReflection",
                _,
            )) => OpenService::Reflection,
            _ => return false,
        };
        self.open.contains(&service)
    }

    /// Says whose token this is. `remembered` is asked for one that was verified before.
    pub(crate) fn judge(
        &self,
        credentials: Credentials<'_>,
        peer: Option<&Peer>,
        remembered: impl FnOnce(&[u8; 32]) -> Option<Arc<Identity>>,
    ) -> Verdict {
        let token = match credentials {
            Credentials::Bearer(token) => token,
            // a token is of the call, a certificate of the connection: the token goes first
            Credentials::None => {
                let known = peer.and_then(|peer| peer.identity.clone());
                return known.map_or(Verdict::Refused(MISSING), Verdict::Known);
            }
            Credentials::Unusable(why) => return Verdict::Refused(Refusal::invalid(why)),
        };
        let hash = hash(token.as_bytes());
        if let Some(identity) = self.tokens.current().find(&hash) {
            return Verdict::Known(identity);
        }
        if let Some(identity) = remembered(&hash) {
            return Verdict::Known(identity);
        }
        if self.issuers.is_empty() || !jwt::is_one(token) {
            return Verdict::Refused(Refusal::invalid("the token is not known"));
        }
        jwt::judge(&self.issuers, token, hash)
    }
}

const MISSING: Refusal = Refusal {
    reason: ErrorReason::CredentialsMissing,
    why: "the call has no credentials: send a token as `authorization: Bearer …`",
};

/// What a call shows.
#[derive(Clone, Copy)]
pub(crate) enum Credentials<'a> {
    None,
    Bearer(&'a str),
    Unusable(&'static str),
}

impl<'a> Credentials<'a> {
    /// Takes them from the headers of a call.
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::None,
            (Some(_), Some(_)) => Self::Unusable("there is more than one authorization header"),
            (Some(value), None) => bearer(value).map_or(
                Self::Unusable("the authorization header has no bearer token"),
                Self::Bearer,
            ),
        }
    }
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_headers_show() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Bearer ", None),
            ("Bearer", None),
            ("Basic YTpi", None),
            ("", None),
        ] {
            assert_eq!(bearer(&HeaderValue::from_static(value)), token, "{value:?}");
        }
        let mut headers = HeaderMap::new();
        assert!(matches!(Credentials::of(&headers), Credentials::None));
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        assert!(matches!(Credentials::of(&headers), Credentials::Bearer("a")));
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer b"));
        assert!(matches!(Credentials::of(&headers), Credentials::Unusable(_)));
    }
}
