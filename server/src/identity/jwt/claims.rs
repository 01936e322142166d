//! What the claims of a token give to its bearer.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::access::{Access, Pattern, Roles};
use crate::config::Jwt as Settings;

type Claims = Map<String, Value>;

/// Claims that are lists of words in one text (RFC 8693, and what some issuers do).
const WORD_LISTS: [&str; 2] = ["scope", "scp"];

/// Which roles go with which claims.
pub(super) struct Grants {
    roles: Arc<Roles>,
    roles_claim: Option<String>,
    by_claim: Vec<Grant>,
}

struct Grant {
    claim: String,
    value: Pattern,
    roles: Vec<String>,
}

impl Grants {
    pub(super) fn new(settings: &Settings, roles: &Arc<Roles>) -> Self {
        let grants = settings.grants.iter().map(|grant| Grant {
            claim: grant.claim.clone(),
            value: Pattern::new(&grant.value),
            roles: grant.roles.clone(),
        });
        let roles_claim = settings.roles_claim.clone();
        Self { roles: Arc::clone(roles), roles_claim, by_claim: grants.collect() }
    }

    /// What somebody with these claims may do.
    pub(super) fn access(&self, claims: &Claims) -> Access {
        let named = self.roles_claim.iter().flat_map(|claim| values(claims, claim));
        let granted = self.by_claim.iter().filter(|grant| {
            values(claims, &grant.claim).iter().any(|value| grant.value.matches(value))
        });
        let granted = granted.flat_map(|grant| grant.roles.iter().map(String::as_str));
        self.roles.access(named.chain(granted))
    }
}

/// The text of a claim.
pub(super) fn text<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    find(claims, name)?.as_str().filter(|text| !text.is_empty())
}

/// The values of a claim: its text, or those of its list.
fn values<'a>(claims: &'a Claims, name: &str) -> Vec<&'a str> {
    match find(claims, name) {
        Some(Value::String(words)) if WORD_LISTS.contains(&name) => {
            words.split_ascii_whitespace().collect()
        }
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// A claim by its name, which may itself have dots, or by the way to it.
fn find<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    claims.get(name).or_else(|| {
        let (outer, inner) = name.split_once('.')?;
        find(claims.get(outer)?.as_object()?, inner)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_by_name_and_by_way() {
        let claims = json!({
            "sub": "alice",
            "groups": ["a", 1, "b c"],
            "scope": "read write",
            "team": "not admin",
            "realm_access": { "roles": ["keeper"] },
            "https://example.com/roles": ["x"],
        });
        let claims = claims.as_object().expect("claims");
        for (name, expected) in [
            ("sub", &["alice"][..]),
            ("groups", &["a", "b c"]),
            ("scope", &["read", "write"]),
            ("team", &["not admin"]),
            ("realm_access.roles", &["keeper"]),
            ("https://example.com/roles", &["x"]),
            ("realm_access", &[]),
            ("sub.roles", &[]),
            ("none", &[]),
        ] {
            assert_eq!(values(claims, name), expected, "{name}");
        }
        assert_eq!(text(claims, "sub"), Some("alice"));
        assert_eq!(text(claims, "groups"), None);
    }
}
