//! Bearer tokens: random texts that are known by their SHA-256.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use kvgate_core::Result;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{How, Identity};
use crate::access::Roles;
use crate::config::{self, Authentication, TokenEntry};
use crate::reload::{Reloaded, misconfigured};

/// Of how many bytes of the hash the place in a table is made.
const PLACE_BYTES: usize = 8;

/// All tokens. The beginning of a token's hash finds it, and all of the hash is then
/// compared in constant time: how long it takes tells nothing of those that are good.
pub(super) struct Table(HashMap<[u8; PLACE_BYTES], Vec<Known>>);

struct Known {
    hash: [u8; 32],
    identity: Arc<Identity>,
}

/// Reads the tokens of the configuration and those of its file.
pub(super) fn open(settings: &Authentication, roles: &Arc<Roles>) -> Result<Reloaded<Table>> {
    let (inline, roles) = (settings.tokens.clone(), Arc::clone(roles));
    let file = settings.tokens_file.clone();
    let files = file.iter().cloned().collect();
    Reloaded::open("server.authentication.tokens_file", files, move |contents| {
        let mut entries = inline.clone();
        if let (Some(file), [content]) = (&file, contents) {
            entries.extend(read(file, content)?);
        }
        Table::new(&entries, &roles)
    })
}

fn read(file: &Path, content: &[u8]) -> Result<Vec<TokenEntry>> {
    config::tokens(file, content).map_err(|problems| {
        let problems: Vec<_> = problems.0.iter().map(ToString::to_string).collect();
        misconfigured(problems.join("; "))
    })
}

impl Table {
    fn new(entries: &[TokenEntry], roles: &Roles) -> Result<Self> {
        let mut table: HashMap<_, Vec<Known>> = HashMap::with_capacity(entries.len());
        for TokenEntry { principal, sha256, roles: names } in entries {
            if let Some(name) = names.iter().find(|name| !roles.has(name)) {
                let message = format!(
                    "principal {principal:?} has role {name:?}, which is none of \
                                       server.roles"
                );
                return Err(misconfigured(message));
            }
            let identity = Arc::new(Identity {
                principal: principal.clone(),
                how: How::Token,
                access: roles.access(names.iter().map(String::as_str)),
            });
            let known = table.entry(place(&sha256.0)).or_default();
            if known.iter().any(|other| other.hash == sha256.0) {
                let message = format!("the token of principal {principal:?} is there twice");
                return Err(misconfigured(message));
            }
            known.push(Known { hash: sha256.0, identity });
        }
        Ok(Self(table))
    }

    /// Whose token has this hash.
    pub(super) fn find(&self, hash: &[u8; 32]) -> Option<Arc<Identity>> {
        let known = self.0.get(&place(hash))?;
        let found = known.iter().find(|known| known.hash.ct_eq(hash).into())?;
        Some(Arc::clone(&found.identity))
    }
}

fn place(hash: &[u8; 32]) -> [u8; PLACE_BYTES] {
    let mut place = [0; PLACE_BYTES];
    place.copy_from_slice(&hash[..PLACE_BYTES]);
    place
}

/// What a token is known by.
pub(super) fn hash(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TokenHash;

    fn entry(principal: &str, hash: [u8; 32], role: &str) -> TokenEntry {
        let roles = vec![role.to_owned()];
        TokenEntry { principal: principal.to_owned(), sha256: TokenHash(hash), roles }
    }

    fn roles() -> Roles {
        let table = serde_json::json!({ "r": [{ "stores": ["*"], "operations": ["read"] }] });
        Roles::new(&serde_json::from_value(table).expect("roles"))
    }

    #[test]
    fn tokens_are_found_by_all_of_their_hash() {
        let one = hash(b"one");
        let mut near = one;
        near[31] ^= 1;
        let table = Table::new(&[entry("a", one, "r"), entry("b", near, "r")], &roles());
        let table = table.expect("a table");
        let principal = |hash: &_| table.find(hash).map(|identity| identity.principal.clone());
        assert_eq!(principal(&one).as_deref(), Some("a"));
        assert_eq!(principal(&near).as_deref(), Some("b"));
        near[30] ^= 1;
        assert_eq!(principal(&near), None);
        assert_eq!(principal(&hash(b"two")), None);
    }

    #[test]
    fn mistakes() {
        let one = hash(b"one");
        let unknown = Table::new(&[entry("a", one, "x")], &roles()).err().expect("no such role");
        assert!(unknown.to_string().contains("\"x\""), "{unknown}");
        let twice = [entry("a", one, "r"), entry("b", one, "r")];
        let twice = Table::new(&twice, &roles()).err().expect("the same token");
        assert!(twice.to_string().contains("twice"), "{twice}");
    }
}
