//! Page tokens: the store's cursor, tied to the request that it belongs to.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kvgate_proto::v1::ErrorReason;
use sha2::{Digest, Sha256};

use super::status::Fault;

/// How much of the hash of the request a token carries. It finds mistakes; it
/// keeps no secret.
const TAG_BYTES: usize = 8;

/// What a listing is of: a token of another one is refused.
pub(super) struct Listing<'a> {
    pub(super) method: &'static str,
    pub(super) store: &'a str,
    pub(super) collection: &'a str,
    pub(super) prefix: &'a str,
}

impl Listing<'_> {
    /// The token for the page at this cursor; empty if there is none.
    pub(super) fn token(&self, cursor: Option<&str>) -> String {
        cursor.map_or_else(String::new, |cursor| {
            let mut token = self.tag(cursor.as_bytes()).to_vec();
            token.extend_from_slice(cursor.as_bytes());
            URL_SAFE_NO_PAD.encode(token)
        })
    }

    /// The cursor in a token; nothing for the first page.
    pub(super) fn cursor(&self, token: &str) -> Result<Option<String>, Fault> {
        if token.is_empty() {
            return Ok(None);
        }
        let invalid = || {
            let message = "page_token is not the next_page_token of an earlier page of this \
                           listing: store, collection and prefix must be the same";
            Fault::invalid(ErrorReason::InvalidPageToken, "page_token", message)
        };
        let token = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
        let (tag, cursor) = token.split_at_checked(TAG_BYTES).ok_or_else(invalid)?;
        if tag != self.tag(cursor) {
            return Err(invalid());
        }
        String::from_utf8(cursor.to_vec()).map(Some).map_err(|_| invalid())
    }

    /// Ties a cursor to the listing, and finds one that was damaged.
    fn tag(&self, cursor: &[u8]) -> [u8; TAG_BYTES] {
        let mut hash = Sha256::new();
        for part in [self.method, self.store, self.collection, self.prefix] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        hash.update(cursor);
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&hash.finalize()[..TAG_BYTES]);
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: Listing<'_> =
        Listing { method: "ListKeys", store: "main", collection: "c", prefix: "" };

    #[test]
    fn a_token_belongs_to_its_listing() {
        let token = LISTING.token(Some("käse"));
        assert_eq!(LISTING.cursor(&token).expect("its own"), Some("käse".to_owned()));
        let other = Listing { prefix: "x", ..LISTING };
        assert!(other.cursor(&token).is_err());
        assert!(LISTING.cursor("no token!").is_err());
        assert!(LISTING.cursor(&token[..token.len() - 2]).is_err());
        assert_eq!(LISTING.token(None), "");
        assert_eq!(LISTING.cursor("").expect("the first page"), None);
    }
}
