//! JSON web tokens: whose they are, and whether they are good.

mod claims;
mod fetch;
mod keys;
mod remembered;
mod source;

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use kvgate_core::Result;
use kvgate_proto::v1::ErrorReason;
use serde::Deserialize;
use serde_json::{Map, Value};

use self::claims::Grants;
use self::keys::{Find, KeySet};
pub(crate) use self::remembered::Remembered;
pub(crate) use self::source::Keys;
use super::{How, Identity, Refusal, Verdict};
use crate::access::Roles;
use crate::config::Jwt as Settings;

/// The algorithms that are taken. Those with a shared secret are none of them: a public
/// key could be passed off as the secret.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// One who issues tokens.
pub(crate) struct Issuer {
    name: Arc<str>,
    pub(crate) keys: Keys,
    audiences: Vec<String>,
    clock_skew: Duration,
    principal_claim: String,
    grants: Grants,
}

/// A token that was found to be good.
pub(crate) struct Verified {
    /// The SHA-256 of the token.
    pub(crate) hash: [u8; 32],
    pub(crate) identity: Arc<Identity>,
    /// Until when it is good, in seconds since 1970, the clocks' difference included.
    pub(crate) until: u64,
    /// The keys by which it was verified: with others it must be verified again.
    pub(crate) keys: Arc<KeySet>,
    pub(crate) issuer: Arc<Issuer>,
}

/// Whether a token has the form of one: three parts.
pub(super) fn is_one(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// Says whose token it is. `hash` is its SHA-256.
pub(super) fn judge(issuers: &[Arc<Issuer>], token: &str, hash: [u8; 32]) -> Verdict {
    let verified = match issuer(issuers, token) {
        Ok(issuer) => issuer.verify(token, hash).map_err(|problem| (problem, issuer)),
        Err(refusal) => return Verdict::Refused(refusal),
    };
    match verified {
        Ok(verified) => Verdict::Verified(verified),
        Err((Problem::UnknownKey, issuer)) => Verdict::NeedsKeys(Arc::clone(issuer)),
        Err((Problem::Bad(refusal), _)) => Verdict::Refused(refusal),
    }
}

/// What is said once fetching the keys did not help.
pub(crate) fn without_key(issuer: &Issuer) -> Refusal {
    match issuer.keys.current() {
        Some(_) => Refusal::invalid("the token is signed by a key that its issuer does not have"),
        None => Refusal {
            reason: ErrorReason::CredentialsUnverifiable,
            why: "the issuer's keys can't be fetched at the moment: try again later",
        },
    }
}

/// The issuer that a token names. Nothing of the token is believed by this.
fn issuer<'a>(issuers: &'a [Arc<Issuer>], token: &str) -> Result<&'a Arc<Issuer>, Refusal> {
    #[derive(Deserialize)]
    struct Claimed {
        iss: String,
    }
    let claimed: Claimed = jsonwebtoken::dangerous::insecure_decode_claims(token)
        .map_err(|_| Refusal::invalid("the token's claims can't be read, or name no issuer"))?;
    let found = issuers.iter().find(|issuer| *issuer.name == *claimed.iss);
    found.ok_or(Refusal::invalid("the token is from an issuer that is not configured"))
}

enum Problem {
    UnknownKey,
    Bad(Refusal),
}

impl From<&'static str> for Problem {
    fn from(why: &'static str) -> Self {
        Self::Bad(Refusal::invalid(why))
    }
}

impl Issuer {
    pub(super) fn open(settings: &Settings, roles: &Arc<Roles>) -> Result<Self> {
        Ok(Self {
            name: settings.issuer.as_str().into(),
            keys: Keys::open(settings)?,
            audiences: settings.audiences.clone(),
            clock_skew: settings.clock_skew,
            principal_claim: settings.principal_claim.clone(),
            grants: Grants::new(settings, roles),
        })
    }

    fn verify(self: &Arc<Self>, token: &str, hash: [u8; 32]) -> Result<Verified, Problem> {
        let Ok(header) = decode_header(token) else {
            return Err("the token's header can't be read, or its algorithm is not taken".into());
        };
        if header.crit.is_some() {
            return Err("the token must not be taken by those who don't know its `crit`".into());
        }
        if !ALGORITHMS.contains(&header.alg) {
            return Err(
                "the token's algorithm is not taken: it must be RS256, ES256 or EdDSA".into()
            );
        }
        let keys = self.keys.current().ok_or(Problem::UnknownKey)?;
        let key = match keys.find(header.kid.as_deref(), header.alg) {
            Find::Found(key) => key,
            Find::Unknown => return Err(Problem::UnknownKey),
            Find::Unsuitable(why) => return Err(why.into()),
        };
        let validation = self.validation(header.alg);
        let decoded = decode::<Map<String, Value>>(token, key, &validation);
        let claims = decoded.map_err(|error| Problem::Bad(refusal(error.kind())))?.claims;
        let Some(principal) = claims::text(&claims, &self.principal_claim) else {
            return Err("the token does not say whose it is".into());
        };
        let expires = claims.get("exp").and_then(seconds).unwrap_or(0);
        let identity = Arc::new(Identity {
            principal: principal.to_owned(),
            how: How::Jwt(Arc::clone(&self.name)),
            access: self.grants.access(&claims),
        });
        let until = expires.saturating_add(self.clock_skew.as_secs());
        Ok(Verified { hash, identity, until, keys, issuer: Arc::clone(self) })
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.leeway = self.clock_skew.as_secs();
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.name]);
        validation.set_audience(&self.audiences);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation
    }
}

/// A time of a claim, which may have a fraction.
fn seconds(claim: &Value) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a time before 1970 or without end becomes the nearest that there is"
    )]
    claim.as_u64().or_else(|| claim.as_f64().map(|seconds| seconds as u64))
}

fn refusal(kind: &ErrorKind) -> Refusal {
    let why = match kind {
        ErrorKind::ExpiredSignature => {
            let reason = ErrorReason::CredentialsExpired;
            return Refusal { reason, why: "the token has expired" };
        }
        ErrorKind::ImmatureSignature => "the token is not good yet",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::InvalidIssuer => "the token is from another issuer",
        ErrorKind::InvalidSignature => "the token's signature is wrong",
        ErrorKind::MissingRequiredClaim(_) => "the token lacks one of exp, iss and aud",
        _ => "the token can't be read",
    };
    Refusal::invalid(why)
}
