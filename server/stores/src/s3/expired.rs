//! Removes entries that have expired, and never what was put in their place meanwhile.
//!
//! A reader finds an entry expired, another caller puts a new one, the reader deletes: the
//! new one would be lost. So a delete says which object it means, by `If-Match`. Some
//! servers, such as `MinIO`, do not look at that; they do look at it on a put, so there the
//! expired entry is replaced by an object that says so and stays until it is deleted.
//! `decisions/0011-s3-expired-entries.md` says more.

use std::hash::{BuildHasher as _, RandomState};

use kvgate_core::{Error, Kind, Result, Timestamp};

use super::bucket::Bucket;
use super::object::{Body, Head, Verdict};

/// Which conditions the server keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conditions {
    /// On deletes, and on puts.
    OnDeletes,
    /// On puts alone.
    OnPuts,
    /// None.
    Never,
}

/// No object has this.
const NO_ETAG: &str = "\"00000000000000000000000000000000\"";

impl Bucket {
    /// Removes the object of an entry that has expired, unless it is another one by now;
    /// answers whether it was removed.
    pub(super) async fn remove_expired(
        &self,
        name: &str,
        head: &Head,
        expires_at: Timestamp,
    ) -> Result<bool> {
        let Some(etag) = &head.etag else {
            return Ok(false);
        };
        let verdict = match self.conditions().await? {
            Conditions::OnDeletes => self.delete_if(name, etag).await?,
            Conditions::OnPuts if !head.is_removed => {
                self.put_if(name, &Body::of_removed(expires_at), etag).await?
            }
            Conditions::OnPuts | Conditions::Never => return Ok(false),
        };
        Ok(verdict == Verdict::Done)
    }

    /// Which conditions the server keeps: tried out once, when something first expires.
    async fn conditions(&self) -> Result<Conditions> {
        let conditions = self.conditions.get_or_try_init(async || {
            // without a `/`, it is nobody's entry; at random, as others may try at the same time
            let name = format!("kvgate-tries-conditions-{:016x}", RandomState::new().hash_one(0));
            let tried = self.try_conditions(&name).await;
            let removed = self.delete(&name).await;
            let conditions = match tried.and_then(|tried| removed.map(|()| tried)) {
                // who may not write removes nothing
                Err(error) if error.kind() == Kind::AccessDenied => Conditions::Never,
                tried => tried?,
            };
            tracing::debug!(bucket = self.name, ?conditions, "which conditions S3 keeps");
            Ok::<_, Error>(conditions)
        });
        conditions.await.copied()
    }

    async fn try_conditions(&self, name: &str) -> Result<Conditions> {
        let body = Body::of_text("kvgate tries whether this server keeps conditions");
        self.put(name, &body).await?;
        if self.put_if(name, &body, NO_ETAG).await? != Verdict::Unmet {
            Ok(Conditions::Never)
        } else if self.delete_if(name, NO_ETAG).await? == Verdict::Unmet {
            Ok(Conditions::OnDeletes)
        } else {
            Ok(Conditions::OnPuts)
        }
    }
}
