//! Tokens that were found to be good: verifying a signature costs many times a call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Verified;
use crate::identity::Identity;

/// The most tokens that one runtime remembers. Only those that were good are, so nobody
/// can fill it with made-up ones.
const TOKENS_MAX: usize = 10_000;

/// The good tokens of one runtime, by their SHA-256. Nobody waits for its lock: the
/// runtime has one thread.
#[derive(Default)]
pub(crate) struct Remembered(Mutex<HashMap<[u8; 32], Verified>>);

impl Remembered {
    /// Whose token it is, if it is good still: it has not expired, and its issuer has the
    /// keys that it was verified by.
    pub(crate) fn find(&self, hash: &[u8; 32]) -> Option<Arc<Identity>> {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let token = tokens.get(hash)?;
        let keys = token.issuer.keys.current();
        if now() < token.until && keys.is_some_and(|keys| Arc::ptr_eq(&keys, &token.keys)) {
            return Some(Arc::clone(&token.identity));
        }
        tokens.remove(hash);
        None
    }

    /// Remembers a token.
    pub(crate) fn add(&self, token: Verified) -> Arc<Identity> {
        let identity = Arc::clone(&token.identity);
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= TOKENS_MAX {
            let now = now();
            tokens.retain(|_, token| now < token.until);
            if tokens.len() >= TOKENS_MAX {
                // those that are in use come back
                tokens.clear();
            }
        }
        tokens.insert(token.hash, token);
        identity
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
