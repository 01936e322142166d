//! The `[server.authentication]` table.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use kvgate_core::duration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// How callers are known. Without this table everybody may do everything. With it a call
/// needs credentials, and may do what the roles of its caller allow (`server.roles`).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Authentication {
    /// What answers callers without credentials. Health also says whether there is a store
    /// of a name.
    pub(crate) without_credentials: Vec<OpenService>,
    /// Bearer tokens. `kvgate token new` makes one.
    pub(crate) tokens: Vec<TokenEntry>,
    /// A file of more tokens, in TOML, JSON or YAML by its ending, that has nothing but
    /// `tokens`. It is read again when it changes.
    pub(crate) tokens_file: Option<PathBuf>,
    /// Issuers of JSON web tokens, such as OIDC providers.
    pub(crate) jwt: Vec<Jwt>,
    /// Callers who are known by the certificate that they show; it needs
    /// `server.tls.client_ca_file`. A token goes before a certificate.
    pub(crate) certificates: Vec<CertificateEntry>,
}

/// A service that can answer callers without credentials.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OpenService {
    /// `grpc.health.v1`.
    Health,
    /// `grpc.reflection`.
    Reflection,
}

/// Somebody who is known by a token.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenEntry {
    /// Who shows it, as logs name them.
    pub(crate) principal: String,
    /// The SHA-256 of the token, 64 hexadecimal digits. The token itself is kept nowhere.
    pub(crate) sha256: TokenHash,
    /// What they may do: names of `server.roles`.
    pub(crate) roles: Vec<String>,
}

/// A file of tokens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokensFile {
    #[serde(default)]
    pub(crate) tokens: Vec<TokenEntry>,
}

/// Somebody who is known by a certificate.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct CertificateEntry {
    /// A DNS name or URI among the certificate's alternative names, such as a SPIFFE ID;
    /// `*` stands for any characters.
    pub(crate) name: String,
    /// What they may do: names of `server.roles`.
    pub(crate) roles: Vec<String>,
}

/// An issuer of JSON web tokens, signed by RS256, ES256 or `EdDSA`. Its keys are in
/// `jwks_file`, at `jwks_url`, or where its OIDC configuration says.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Jwt {
    /// The `iss` of its tokens, letter for letter.
    pub(crate) issuer: String,
    /// A token must have one of these in its `aud`.
    pub(crate) audiences: Vec<String>,
    /// The JSON web key set as a file. It is read again when it changes.
    #[serde(default)]
    pub(crate) jwks_file: Option<PathBuf>,
    /// The JSON web key set at a URL: `https`, or `http` on this machine.
    #[serde(default)]
    pub(crate) jwks_url: Option<String>,
    /// The certificates of the authorities that the URL's server may have its certificate
    /// from, in PEM; those of the system without it.
    #[serde(default)]
    pub(crate) jwks_ca_file: Option<PathBuf>,
    /// How often keys are fetched from a URL. A token that names an unknown key has them
    /// fetched at once, at most every 5 seconds.
    #[serde(default = "jwks_refresh", deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "5m"))]
    pub(crate) jwks_refresh: Duration,
    /// How far the clocks of issuer and server may be apart.
    #[serde(default = "clock_skew", deserialize_with = "duration::read")]
    #[schemars(schema_with = "duration::schema", extend("default" = "30s"))]
    pub(crate) clock_skew: Duration,
    /// The claim that says who the caller is.
    #[serde(default = "principal_claim")]
    pub(crate) principal_claim: String,
    /// The claim whose values are names of `server.roles`; others among them are passed
    /// over. A dot leads into an object: `realm_access.roles`.
    #[serde(default)]
    pub(crate) roles_claim: Option<String>,
    /// Roles for callers with certain claims.
    #[serde(default)]
    pub(crate) grants: Vec<Grant>,
}

fn jwks_refresh() -> Duration {
    Duration::from_mins(5)
}

fn clock_skew() -> Duration {
    Duration::from_secs(30)
}

fn principal_claim() -> String {
    "sub".to_owned()
}

/// Roles for callers with a certain claim.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    /// The claim, such as `sub` or `groups`. A dot leads into an object.
    pub(crate) claim: String,
    /// What the claim, or one of its values, must be; `*` stands for any characters.
    pub(crate) value: String,
    /// What they may do: names of `server.roles`.
    pub(crate) roles: Vec<String>,
}

/// The SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenHash(pub(crate) [u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TokenHashVisitor)
    }
}

impl JsonSchema for TokenHash {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TokenHash".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9a-fA-F]{64}$" })
    }
}

struct TokenHashVisitor;

impl Visitor<'_> for TokenHashVisitor {
    type Value = TokenHash;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("64 hexadecimal digits, as `kvgate token new` prints them")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<TokenHash, E> {
        let digits = text.as_bytes();
        let mut hash = [0; 32];
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let read = || -> Option<()> {
            for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
                *byte = digit(pair[0])? << 4 | digit(pair[1])?;
            }
            Some(())
        };
        let read = (digits.len() == 64).then(read).flatten();
        let message = "expected 64 hexadecimal digits, as `kvgate token new` prints them";
        read.map(|()| TokenHash(hash)).ok_or_else(|| E::custom(message))
    }
}
