//! A JSON web key set: the keys by which an issuer's tokens are verified.

use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey};
use kvgate_core::Result;
use serde::Deserialize;
use serde_json::Value;

use crate::reload::misconfigured;

/// The most keys of a set: issuers have a handful.
const KEYS_MAX: usize = 100;

/// The keys of an issuer.
pub(crate) struct KeySet(Vec<Key>);

struct Key {
    id: Option<String>,
    /// What this key is for. A token can't choose another one.
    algorithm: Algorithm,
    decoding: DecodingKey,
}

/// What looking for a token's key comes to.
pub(super) enum Find<'a> {
    Found(&'a DecodingKey),
    Unknown,
    Unsuitable(&'static str),
}

impl KeySet {
    /// Reads a set. Keys of other kinds and for other purposes are passed over.
    pub(super) fn parse(json: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(json)
            .map_err(|error| misconfigured(format!("not a JSON web key set: {error}")))?;
        if set.keys.len() > KEYS_MAX {
            return Err(misconfigured(format!("a key set of more than {KEYS_MAX} keys")));
        }
        let keys: Vec<Key> = set.keys.into_iter().filter_map(Key::new).collect();
        if keys.is_empty() {
            let message = "the key set has no key for RS256, ES256 or EdDSA";
            return Err(misconfigured(message));
        }
        Ok(Self(keys))
    }

    /// The key of this name. A token that names none is verified by the only key of its
    /// algorithm.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Find<'_> {
        let mut fitting = self.0.iter().filter(|key| key.algorithm == algorithm);
        let Some(id) = id else {
            return match (fitting.next(), fitting.next()) {
                (Some(only), None) => Find::Found(&only.decoding),
                (None, _) => Find::Unknown,
                _ => Find::Unsuitable("the token does not name its key, and there are several"),
            };
        };
        match fitting.find(|key| key.id.as_deref() == Some(id)) {
            Some(key) => Find::Found(&key.decoding),
            None if self.0.iter().any(|key| key.id.as_deref() == Some(id)) => {
                Find::Unsuitable("the token's algorithm is not its key's")
            }
            None => Find::Unknown,
        }
    }
}

impl Key {
    fn new(jwk: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(jwk).ok()?;
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                Algorithm::ES256
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                Algorithm::EdDSA
            }
            _ => return None,
        };
        let common = &jwk.common;
        let is_for = |wanted| common.key_algorithm.is_none_or(|algorithm| algorithm == wanted);
        let signs =
            common.public_key_use.as_ref().is_none_or(|use_| *use_ == PublicKeyUse::Signature);
        let verifies = common
            .key_operations
            .as_ref()
            .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        if !(is_for(KeyAlgorithm::from(algorithm)) && signs && verifies) {
            return None;
        }
        let decoding = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { id: jwk.common.key_id, algorithm, decoding })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(keys: &Value) -> Result<KeySet> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn keys_of_other_kinds_are_passed_over() {
        let ed = json!({ "kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "ed" });
        let with = |name: &str, value: &str| {
            let mut key = ed.clone();
            key[name] = value.into();
            key
        };
        let keys = set(&json!([
            ed,
            { "kty": "oct", "k": "AAAA", "kid": "secret" },
            { "kty": "RSA", "n": "AAAA", "e": "AQAB", "kid": "rsa", "use": "enc" },
            { "kty": "EC", "crv": "P-384", "x": "AAAA", "y": "AAAA", "kid": "p384" },
            { "kty": "nonsense" },
            "nonsense",
            with("alg", "HS256"),
        ]));
        let keys = keys.expect("one that can be used");
        assert_eq!(keys.0.len(), 1);
        assert!(matches!(keys.find(Some("ed"), Algorithm::EdDSA), Find::Found(_)));
        assert!(matches!(keys.find(None, Algorithm::EdDSA), Find::Found(_)));
        assert!(matches!(keys.find(Some("ed"), Algorithm::RS256), Find::Unsuitable(_)));
        assert!(matches!(keys.find(Some("secret"), Algorithm::EdDSA), Find::Unknown));
        assert!(matches!(keys.find(None, Algorithm::RS256), Find::Unknown));
        let two = set(&json!([ed, with("kid", "other")])).expect("two keys");
        assert!(matches!(two.find(None, Algorithm::EdDSA), Find::Unsuitable(_)));
    }

    #[test]
    fn sets_that_are_none() {
        for bytes in
            [&b"{}"[..], b"[]", b"", b"{\"keys\": []}", b"{\"keys\": [{\"kty\": \"oct\"}]}"]
        {
            assert!(KeySet::parse(bytes).is_err());
        }
        assert!(set(&json!(vec![json!({}); KEYS_MAX + 1])).is_err());
    }
}
